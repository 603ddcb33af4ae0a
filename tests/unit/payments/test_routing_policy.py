"""A routing policy as data: what is read, what is refused, who falls into which share."""

from uuid import UUID

import pytest

from ledger.ids import uuid7
from ledger.money import Money
from payments.rules import routing_scores
from payments.rules.routing_policy import DEFAULT_WEIGHTS, PolicyInvalid, Price, bucket, drawn, read
from payments.rules.routing_scores import NOTHING_SEEN, Seen

PROVIDERS = ("adyen", "stripe", "velocitypay")
KEY = b"k" * 32


def policy(**content):
    return read(content, version=3, providers=PROVIDERS)


def parts(seen=NOTHING_SEEN, amount=10_000, price=None, met=4, features=4):
    return routing_scores.parts(
        seen,
        amount=Money(amount, "USD"),
        price=price,
        features_met=met,
        features=features,
        calls_a_minute=600,
    )


class TestReading:
    def test_nothing_said_is_the_sponsors_weights(self):
        assert (
            policy().weights
            == DEFAULT_WEIGHTS
            == {"success_rate": 30, "cost": 20, "latency": 20, "features": 15, "load": 15}
        )
        assert policy().version == 3

    def test_a_rule_holds_where_all_its_lists_do(self):
        told = {"name": "eu", "when": {"currencies": ["eur"], "brands": ["VISA"], "amount_to": 500}}
        when = policy(rules=[{**told, "providers": ["stripe"]}]).rules[0].when
        known = {"method_type": "card", "country": "DE"}
        assert when.holds(brand="visa", currency="EUR", minor=500, **known)
        assert not when.holds(brand="visa", currency="EUR", minor=501, **known)
        assert not when.holds(brand="visa", currency="USD", minor=500, **known)
        assert not when.holds(brand="", currency="EUR", minor=500, **known)

    @pytest.mark.parametrize(
        ("content", "place"),
        [
            ([], "policy"),
            ({"wieghts": {}}, "policy.wieghts"),
            ({"weights": {"cost": 99}}, "weights"),
            ({"weights": {"cost": 100.0}}, "weights.cost"),
            ({"weights": {"cost": True, "load": 99}}, "weights.cost"),
            ({"attempts_max": 6}, "attempts_max"),
            ({"rules": [{"name": "a", "providers": ["monzo"]}]}, "rules[0].providers"),
            ({"rules": [{"name": "a"}]}, "rules[0]"),
            ({"rules": [{"name": "a", "providers": ["stripe"]}] * 2}, "rules"),
            ({"rules": [{"name": "a", "split": [{"provider": "stripe", "percent": 99}]}]}, "rules[0].split"),
            ({"rules": [{"name": "a", "providers": ["stripe"], "only": 1}]}, "rules[0].only"),
            ({"rules": [{"name": "a", "providers": ["stripe"], "when": {"amount_to": 1}}]}, "rules[0].when"),
            ({"experiment": {"name": "x", "percent": 51, "weights": DEFAULT_WEIGHTS}}, "experiment.percent"),
            ({"prices": {"stripe": {"rate_bps": -1}}}, "prices.stripe.rate_bps"),
        ],
    )
    def test_what_it_does_not_understand_is_refused_by_its_place(self, content, place):
        with pytest.raises(PolicyInvalid) as refused:
            read(content, version=1, providers=PROVIDERS)
        assert refused.value.param == place


class TestShares:
    SPLIT = (("stripe", 30), ("adyen", 70))

    def test_the_same_payment_is_always_in_the_same_share(self):
        payment_id = uuid7()
        assert len({bucket(KEY, "split:a", payment_id) for _ in range(50)}) == 1

    def test_shares_come_out_as_they_were_asked(self):
        ids = [UUID(int=number) for number in range(4_000)]
        drawn_here = [drawn(self.SPLIT, bucket(KEY, "split:a", payment_id)) for payment_id in ids]
        assert 1_080 <= drawn_here.count("stripe") <= 1_320  # 1200 expected, 4 standard deviations

    def test_places_and_keys_draw_apart(self):
        ids = [UUID(int=number) for number in range(400)]
        a, b = ([bucket(KEY, place, one) for one in ids] for place in ("split:a", "split:b"))
        c = [bucket(b"another key", "split:a", one) for one in ids]
        assert a != b
        assert a != c


class TestScores:
    def test_nobody_seen_is_judged_alike(self):
        assert parts() == {"success_rate": 950, "cost": 710, "latency": 700, "features": 1000, "load": 1000}

    def test_one_failure_is_not_a_verdict_and_a_hundred_are(self):
        once, often = parts(Seen(bad=1)), parts(Seen(bad=100))
        assert once["success_rate"] == 904
        assert often["success_rate"] == 158

    def test_slow_dear_loaded_and_poor_cost_points(self):
        worse = parts(
            Seen(timed=100, ms=90_000, priced=100, bps=60_000, calls_last_minutes=300), met=1, features=4
        )
        assert worse == {"success_rate": 950, "cost": 452, "latency": 200, "features": 250, "load": 500}

    def test_a_contract_goes_before_what_was_seen(self):
        price = Price(140, {"USD": 30})
        assert routing_scores.cost_bps(Seen(priced=9, bps=9_000), Money(1_000, "USD"), price) == 440
        assert routing_scores.cost_bps(NOTHING_SEEN, Money(1_000, "EUR"), price) == 140

    def test_the_score_is_the_weighted_sum(self):
        assert (
            routing_scores.score(parts(), DEFAULT_WEIGHTS) == (950 * 30 + 710 * 20 + 700 * 20 + 30_000) // 100
        )

    def test_silence_of_half_the_last_calls_is_down(self):
        assert Seen(asked_lately=10, silent_lately=5).why_down
        assert not Seen(asked_lately=9, silent_lately=9).why_down
        assert not Seen(asked_lately=10, silent_lately=4).why_down
        assert Seen(is_probed_down=True).why_down
