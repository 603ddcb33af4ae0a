"""Who is chosen and why: candidates, rules, percents, scores, health, and the log that stays."""

import math

import pytest
import redis
from django.db import ProgrammingError

from ledger import clock
from ledger.actors import staff_actor
from ledger.ids import uuid7
from payments.models import ProviderOperation, RoutingPolicy
from payments.providers import registry
from payments.providers.outcomes import NotSent
from payments.providers.reach import Reach
from payments.rules.routing_policy import DEFAULT_WEIGHTS, PolicyInvalid
from payments.services.routes import keeping_routes, provider_health, routing
from payments.services.routes.keeping_routes import PolicyChanged
from payments.services.routes.routing import NoProvider, Wanted
from tests.kit.queries import statement_budget
from tests.services.payments.cast import authorized, created, sold, usd, wish

pytestmark = pytest.mark.django_db(transaction=True)
FINN = staff_actor(1, "finn")


@pytest.fixture(autouse=True)
def providers(network, settings):
    settings.ADYEN_API_KEY = ""  # what is said here is said of two that take cards
    registry.reset()
    return network


@pytest.fixture
def asks(northwind):
    def ask(**more):
        told = {"method_type": "card", "amount": usd(10_000), "brand": "visa", "country": "US", **more}
        return Wanted(merchant_id=northwind.pk, payment_id=told.pop("payment_id", uuid7()), **told)

    return ask


def write(merchant, **content):
    return keeping_routes.write(
        merchant_id=merchant.pk, content=content, reason="a better contract", actor=FINN, at=clock.now()
    )


def told(provider, **counts):
    """Let all processes know what was seen of a provider, and look."""
    provider_health.watch().note(provider, counts)
    provider_health.watch()._tried_at = -math.inf
    return provider_health.look()


class TestCandidates:
    def test_are_in_the_default_order_while_nothing_was_seen(self, asks):
        decision = routing.decide(asks())
        assert decision.order == ("velocitypay", "stripe")
        assert decision.log["health"] == "shared"

    def test_a_token_goes_to_its_owner_alone(self, asks):
        decision = routing.decide(asks(token="pm_card_visa"))
        assert decision.order == ("stripe",)
        assert decision.log["excluded"] == {"velocitypay": "cannot use a token of stripe"}

    def test_reach_and_holders_keep_others_out(self, asks, monkeypatch):
        monkeypatch.setattr(
            registry.provider("velocitypay"), "reach", Reach(currencies=frozenset({"EUR"})), raising=False
        )
        assert routing.decide(asks()).order == ("stripe",)
        with pytest.raises(NoProvider, match="does not take USD"):
            routing.decide(asks(holders=frozenset({"velocitypay"})))

    def test_who_was_asked_already_is_no_candidate(self, asks):
        assert routing.decide(asks(), without=("velocitypay",)).order == ("stripe",)


class TestScores:
    def test_what_fails_is_asked_last(self, asks):
        told("velocitypay", good=20, bad=40)
        decision = routing.decide(asks())
        assert decision.provider == "stripe"
        assert decision.log["why"] == "the best score"
        first, second = decision.log["candidates"]
        assert first["score"] > second["score"]
        assert second["parts"]["success_rate"] == (20 * 1000 + 20 * 950) // 80

    def test_silence_goes_last_whoever_named_it(self, asks, northwind):
        write(northwind, rules=[{"name": "ours", "providers": ["velocitypay"]}])
        told("velocitypay", asked=12, silent=9)
        decision = routing.decide(asks())
        assert decision.provider == "stripe"
        assert decision.log["why"] == "the best of those that answer"
        assert "9 of the last 12" in decision.log["candidates"][1]["down"]

    def test_a_failed_probe_is_seen_by_all(self, asks, network):
        answering = provider_health.probe()
        network.down()
        assert provider_health.probe() < answering
        assert told("velocitypay").seen["velocitypay"].is_probed_down

    def test_weights_decide(self, asks, northwind):
        told("velocitypay", timed=200, ms=180_000)
        told("stripe", priced=200, bps=190_000)
        assert routing.decide(asks()).log["policy_version"] == 0
        only = dict.fromkeys(DEFAULT_WEIGHTS, 0)
        write(northwind, weights={**only, "cost": 100})
        assert routing.decide(asks()).provider == "velocitypay"
        write(northwind, weights={**only, "latency": 100})
        decision = routing.decide(asks())
        assert (decision.provider, decision.log["policy_version"]) == ("stripe", 2)

    def test_without_valkey_the_default_order_holds_and_says_so(self, asks, monkeypatch):
        told("velocitypay", good=0, bad=100)
        away = provider_health.Watch("redis://127.0.0.1:9/0", "nowhere")
        monkeypatch.setattr(provider_health, "watch", lambda: away)
        decision = routing.decide(asks())
        assert decision.provider == "velocitypay"
        assert decision.log["health"] == "away"
        assert "nothing is known" in decision.log["why"]


class TestRules:
    def test_the_first_that_holds_and_can_goes_first(self, asks, northwind):
        write(
            northwind,
            rules=[
                {"name": "euros", "when": {"currencies": ["EUR"]}, "providers": ["velocitypay"]},
                {"name": "cannot", "providers": ["adyen" if "adyen" in registry.known() else "stripe"]},
                {"name": "visa", "when": {"brands": ["visa"]}, "providers": ["stripe"], "only": True},
            ],
        )
        decision = routing.decide(asks(holders=frozenset({"stripe", "velocitypay"})))
        assert decision.provider == "stripe"
        assert decision.log["rule"] in ("visa", "cannot")

    def test_only_leaves_the_others_out(self, asks, northwind):
        write(northwind, rules=[{"name": "visa", "providers": ["stripe"], "only": True}])
        decision = routing.decide(asks())
        assert decision.order == ("stripe",)
        assert decision.log["excluded"] == {"velocitypay": "left out by the rule 'visa'"}

    def test_percents_hold_for_the_same_payment(self, asks, northwind):
        shares = [{"provider": "stripe", "percent": 40}, {"provider": "velocitypay", "percent": 60}]
        write(northwind, rules=[{"name": "two", "split": shares}])
        ids = [uuid7() for _ in range(200)]
        once, again = ([routing.decide(asks(payment_id=one)).provider for one in ids] for _ in range(2))
        assert once == again
        assert 45 <= once.count("stripe") <= 115
        assert routing.decide(asks(payment_id=ids[0])).log["why"] == "rule 'two', by its percents"

    def test_an_experiment_is_told_by_its_arm(self, asks, northwind):
        only = dict.fromkeys(DEFAULT_WEIGHTS, 0)
        write(northwind, experiment={"name": "fast", "percent": 50, "weights": {**only, "latency": 100}})
        told("velocitypay", timed=200, ms=180_000)
        arms = {(found.log["arm"], found.provider) for found in (routing.decide(asks()) for _ in range(60))}
        assert ("fast: variant", "stripe") in arms
        assert all(provider == "stripe" for arm, provider in arms if arm == "fast: variant")


class TestPolicies:
    def test_are_versions_that_nothing_changes(self, northwind):
        first, second = write(northwind, attempts_max=1), write(northwind, attempts_max=2)
        assert (first.version, second.version) == (1, 2)
        assert routing.policies().of(northwind.pk, "").attempts_max == 2
        with pytest.raises(ProgrammingError, match="permission denied"):
            RoutingPolicy.objects.filter(pk=first.pk).update(version=9)

    def test_a_wrong_one_writes_nothing(self, northwind):
        with pytest.raises(PolicyInvalid):
            write(northwind, weights={"cost": 1})
        assert not RoutingPolicy.objects.filter(merchant=northwind).exists()

    def test_who_looked_at_an_older_one_is_told(self, northwind):
        write(northwind, attempts_max=1)
        with pytest.raises(PolicyChanged):
            keeping_routes.write(
                merchant_id=northwind.pk, content={}, reason="x", actor=FINN, at=clock.now(), after_version=0
            )

    def test_another_process_sees_a_new_version(self, northwind):
        other = routing.Policies()
        assert other.of(northwind.pk, told("stripe").generation).version == 0
        write(northwind, attempts_max=4)
        assert other.of(northwind.pk, told("stripe").generation).attempts_max == 4


class TestTheLog:
    def test_stands_with_the_operation(self, northwind, network):
        payment = sold(northwind, wish(network.card()["token"], capture_method="automatic"))
        operation = ProviderOperation.objects.get(payment=payment, kind="authorize")
        assert operation.route["provider"] == operation.provider == "velocitypay"
        assert operation.route["weights"] == DEFAULT_WEIGHTS
        assert [row["provider"] for row in operation.route["candidates"]] == ["velocitypay"]
        assert operation.route["excluded"] == {"stripe": "cannot use a token of velocitypay"}

    def test_stands_with_an_authorization_that_came_later(self, northwind, network):
        payment = created(northwind, wish(network.card()["token"]))
        authorized(payment.__class__.objects.get(pk=payment.pk))
        operation = ProviderOperation.objects.get(payment=payment, kind="authorize")
        assert operation.route["why"] == routing.CREATED_WITH


class TestCosts:
    @pytest.fixture
    def stopwatch(self, monkeypatch):
        """A stopwatch in the test's hand; pictures are old after a second, as they are in the house."""
        seconds = [clock.monotonic()]
        monkeypatch.setattr(clock, "monotonic", lambda: seconds[0])
        monkeypatch.setattr(provider_health, "FRESH_SECONDS", 1.0)
        return seconds

    def test_a_decision_asks_postgresql_nothing_and_valkey_once_a_second(self, asks, monkeypatch, stopwatch):
        routing.decide(asks())
        watch, calls = provider_health.watch(), []
        script = watch._script
        monkeypatch.setattr(watch, "_script", lambda **told: calls.append(told) or script(**told))
        watch._tried_at = -math.inf
        with statement_budget(exactly=0):
            for _ in range(50):
                routing.decide(asks())
        assert len(calls) == 1
        stopwatch[0] += 1.0
        routing.decide(asks())
        assert len(calls) == 2

    def test_a_valkey_that_fails_is_asked_once_a_second_too(self, asks, monkeypatch, stopwatch):
        watch, calls = provider_health.watch(), []

        def fail(**told):
            calls.append(told)
            raise redis.TimeoutError("late")

        monkeypatch.setattr(watch, "_script", fail)
        watch._tried_at = -math.inf
        for _ in range(20):
            routing.decide(asks())
        assert len(calls) == 1
        stopwatch[0] += 1.0
        routing.decide(asks())
        assert len(calls) == 2

    def test_calls_are_seen_by_the_next_look(self, northwind, network):
        sold(northwind, wish(network.card()["token"], capture_method="automatic"))
        operation = ProviderOperation.objects.filter(merchant=northwind, kind="authorize").get()
        provider_health.note(operation, NotSent("breaker_open"), 0.0)
        seen = told("velocitypay").seen["velocitypay"]
        assert (seen.good, seen.bad, seen.timed, seen.priced) == (1, 1, 1, 1)
        assert seen.calls_last_minutes >= 2
        assert 200 <= seen.bps <= 1_000
