"""Verifying a payment method over HTTP: by an authorization of nothing, by deposits, by a merchant's word."""

from typing import Any

import pytest

from payments.models import ProviderOperation
from tests.kit import cards
from tests.kit.api_cases import (
    problem,
)
from tests.kit.api_client import MerchantClient
from tests.kit.checkout import Till
from tests.kit.network import Network
from tests.kit.shop import good
from vendors.models import Merchant

pytestmark = pytest.mark.django_db


@pytest.fixture
def till(merchant_client: MerchantClient, northwind: Merchant, network: Network) -> Till:
    return Till(merchant_client, northwind)


class TestVerifying:
    def test_a_card_by_an_authorization_of_nothing(self, till: Till, network: Network) -> None:
        made = till.card(verify=True)
        assert made["status"] == "verified"
        assert made["verification"]["method"] == "zero_amount"
        operation = ProviderOperation.objects.get(merchant=till.merchant, kind="verify")
        (seen,) = network.truth(idempotency_key=operation.idempotency_key)
        assert (seen["amount"], seen["status"]) == (0, "authorized")

    def test_a_declined_card_fails(self, till: Till) -> None:
        made = till.card(cards.card(number="4000000000000002"), verify=True)
        assert (made["status"], made["verification"]["code"]) == ("failed", "do_not_honor")
        assert made["default"] is True
        again = till.put(f"{made['id']}/verification-status", {"status": "pending"})
        assert good(again, 200)["status"] == "failed"
        assert ProviderOperation.objects.filter(merchant=till.merchant, kind="verify").count() == 2

    def test_an_answer_that_is_lost_is_asked_for(self, till: Till, network: Network) -> None:
        from payments.services.calls import recovering
        from tests.services.payments.cast import now_plus

        network.script("reset_after", operation="authorize")
        made = till.card(verify=True)
        assert made["status"] == "pending"
        assert network.faults()["reset_after"] >= 1
        recovering.sweep(now_plus(60))
        assert till.get(made["id"])["status"] == "verified"
        assert ProviderOperation.objects.get(merchant=till.merchant, kind="verify").asks == 0

    def test_a_merchant_may_judge_accounts_but_not_cards(self, till: Till) -> None:
        card, account = till.card(), till.account()
        path = f"{account['id']}/verification-status"
        problem(till.put(path, {"status": "verified"}), 422, "reason_missing")
        judged = good(till.put(path, {"status": "verified", "reason": "saw a statement"}), 200)
        assert (judged["status"], judged["verification"]["method"]) == ("verified", "merchant")
        refused = till.put(f"{card['id']}/verification-status", {"status": "verified", "reason": "I know"})
        problem(refused, 409, "verification_needs_provider")
        failed = till.put(f"{card['id']}/verification-status", {"status": "failed", "reason": "stolen"})
        assert good(failed, 200)["status"] == "failed"

    def test_an_account_by_two_small_deposits(self, till: Till, network: Network) -> None:
        made = till.account()
        path = f"{made['id']}/verification-status"
        begun = good(till.put(path, {"status": "pending", "verification": "micro_deposits"}), 200)
        assert begun["status"] == "pending"
        operations = ProviderOperation.objects.filter(merchant=till.merchant, kind="deposit").order_by("leg")
        assert "DE89370400440532013000" not in str([row.request for row in operations])
        arrived = [network.truth(idempotency_key=row.idempotency_key)[0]["amount"] for row in operations]
        wrong = [1 if 1 not in arrived else 98, 99]
        refused = problem(till.put(path, {"status": "verified", "amounts": wrong}), 422,
                          "deposit_amounts_wrong")  # fmt: skip
        assert "2 tries are left" in refused["detail"]
        problem(till.put(path, {"status": "verified", "reason": "sure"}), 409, "state_conflict")
        good(till.put(path, {"status": "verified", "amounts": arrived[::-1]}), 200)
        assert till.get(made["id"])["status"] == "verified"

    def test_three_wrong_guesses_fail_it(self, till: Till, network: Network) -> None:
        made = till.account()
        path = f"{made['id']}/verification-status"
        good(till.put(path, {"status": "pending", "verification": "micro_deposits"}), 200)
        deposited = sorted(
            ProviderOperation.objects.filter(merchant=till.merchant, kind="deposit").values_list(
                "amount_minor"
            )
        )
        wrong = [1, 1] if deposited != [(1,), (1,)] else [2, 2]
        for _ in range(3):
            problem(till.put(path, {"status": "verified", "amounts": wrong}), 422, "deposit_amounts_wrong")
        failed = till.get(made["id"])
        assert (failed["status"], failed["verification"]["code"]) == ("failed", "amounts_mismatch")
        problem(till.put(path, {"status": "verified", "amounts": wrong}), 409, "state_conflict")

    def test_no_deposits_to_a_card(self, till: Till) -> None:
        made = till.card()
        refused = till.put(
            f"{made['id']}/verification-status", {"status": "pending", "verification": "micro_deposits"}
        )
        problem(refused, 422, "verification_not_possible")

    def test_a_verified_one_is_not_verified_again(self, till: Till) -> None:
        made = till.card(verify=True)
        problem(till.put(f"{made['id']}/verification-status", {"status": "pending"}), 409, "state_conflict")


class TestCardTesting:
    """Whoever tests stolen cards needs many verifications: they end, and what ends them is said."""

    def limit(self, settings: Any, name: str, burst: int) -> None:
        rates = {**settings.API_RATE_LIMITS, name: {"per_second": 1 / 3600, "burst": burst}}
        settings.API_RATE_LIMITS = rates

    def test_a_customer_verifies_a_few(self, till: Till, settings: Any) -> None:
        self.limit(settings, "verify_customer", 2)
        for _ in range(2):
            assert till.card(verify=True)["status"] == "verified"
        till.refused(till.body(encrypted=till.encrypted(), verify=True), 429, "rate_limited")
        assert ProviderOperation.objects.filter(merchant=till.merchant, kind="verify").count() == 2
        till.customer = "another"
        assert till.card(verify=True)["status"] == "verified"

    def test_the_same_card_under_other_names_is_asked_about_a_few_times(
        self, till: Till, settings: Any
    ) -> None:
        self.limit(settings, "verify_card", 2)
        typed = cards.card()
        states = []
        for number in range(3):
            till.customer = f"{till.customer}-{number}"
            states.append(till.card(typed, verify=True))
        assert [made["status"] for made in states] == ["verified", "verified", "unverified"]
        answer = till.put(f"{states[-1]['id']}/verification-status", {"status": "pending"})
        problem(answer, 429, "rate_limited")
        assert ProviderOperation.objects.filter(merchant=till.merchant, kind="verify").count() == 2

    def test_a_merchant_has_a_limit_of_its_own(self, till: Till, settings: Any) -> None:
        self.limit(settings, "verify", 1)
        till.card(verify=True)
        till.customer = "another"
        till.refused(till.body(encrypted=till.encrypted(), verify=True), 429, "rate_limited")
