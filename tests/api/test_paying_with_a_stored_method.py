"""A payment names a stored method (`pm_…`): type, provider and token are found; the number stays hidden."""

from datetime import timedelta
from typing import Any

import pytest

from ledger import clock
from ledger.models import AuditRecord
from payments.models import Payment, PaymentMethod, ProviderOperation, ProviderToken
from payments.providers import registry
from tests.api.test_payment_methods import METHODS, Till
from tests.factories import vendors as factory
from tests.kit import cards
from tests.kit.api_cases import problem
from tests.kit.api_client import MerchantClient
from tests.kit.books import assert_all_invariants_hold
from tests.kit.network import Network
from tests.kit.refunds import payment_of
from tests.kit.shop import CORE, good, run_jobs
from vendors.models import Merchant, Vendor

pytestmark = pytest.mark.django_db


@pytest.fixture
def till(merchant_client: MerchantClient, northwind: Merchant, network: Network) -> Till:
    return Till(merchant_client, northwind)


def wish(till: Till, method: str, **more: Any) -> dict[str, Any]:
    return {
        "amount": {"amount": 4999, "currency": "USD"},
        "order_id": "order-1",
        "customer_id": till.customer,
        "payment_method": method,
        "capture_method": "automatic",
        "confirm": True,
        **more,
    }


def test_pays_with_a_stored_card(till: Till, network: Network) -> None:
    method = till.card(verify=True)
    paid = good(till.client.post(CORE, wish(till, method["id"])), 201)
    assert paid["status"] == "captured"
    assert paid["payment_method"] == {
        "id": method["id"], "type": "card", "brand": "visa", "last4": method["last4"],
    }  # fmt: skip
    assert [row["kind"] for row in network.truth(reference=paid["id"])] != []
    payment = payment_of(paid)
    assert payment.method_token == ProviderToken.objects.get(merchant=till.merchant).token


def test_the_vault_is_opened_once_for_a_provider_that_did_not_know(till: Till, network: Network) -> None:
    network.down()
    method = till.card()
    assert not ProviderToken.objects.filter(merchant=till.merchant).exists()
    network.down(False)
    for _ in range(2):
        good(till.client.post(CORE, wish(till, method["id"])), 201)
    opened = AuditRecord.objects.filter(action="vault.opened", merchant_id=till.merchant.pk)
    assert [record.reason for record in opened] == ["token of velocitypay"]
    assert ProviderToken.objects.filter(merchant=till.merchant).count() == 1


def test_another_provider_is_given_the_card_when_the_first_is_away(till: Till, network: Network) -> None:
    network.down()
    method = till.card()
    paid = good(till.client.post(CORE, wish(till, method["id"])), 201)
    assert paid["status"] == "captured"
    assert paid["provider"] in ("adyen", "stripe")


def test_a_provider_that_is_away_is_said_and_nothing_is_written(
    till: Till, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "names", lambda: ["velocitypay"])  # nobody else could be given the card
    network.down()
    method = till.card()
    answer = till.client.post(CORE, wish(till, method["id"]), key="once-more")
    problem(answer, 503, "provider_did_not_answer")
    assert not Payment.objects.filter(merchant=till.merchant).exists()
    network.down(False)
    good(till.client.post(CORE, wish(till, method["id"]), key="once-more"), 201)


def test_a_stored_account_is_debited(till: Till) -> None:
    method = till.account()
    paid = good(
        till.client.post(CORE, wish(till, method["id"], amount={"amount": 100, "currency": "EUR"})), 201
    )
    assert paid["payment_method"]["type"] == "bank_transfer"
    assert paid["status"] == "captured"


def test_what_cannot_be_paid_with_is_refused_by_name(till: Till, network: Network) -> None:
    gone, failed, ach = till.card(), till.account(), _ach(till)
    good(till.client.send("DELETE", METHODS + gone["id"], key=None), 200)
    good(till.put(f"{failed['id']}/verification-status", {"status": "failed", "reason": "closed"}), 200)
    for method, code in ((gone, "payment_method_not_usable"), (failed, "payment_method_not_usable")):
        assert (
            problem(till.client.post(CORE, wish(till, method["id"])), 409, code)["param"] == "payment_method"
        )
    problem(till.client.post(CORE, wish(till, ach["id"])), 422, "payment_method_not_payable")
    other = wish(till, till.card()["id"], customer_id="somebody-else")
    problem(till.client.post(CORE, other), 422, "payment_method_of_other_customer")
    problem(till.client.post(CORE, wish(till, "pm_nonsense")), 400, "invalid_request")
    assert not Payment.objects.filter(merchant=till.merchant).exists()


def test_an_expired_card_is_refused(till: Till) -> None:
    import time_machine

    method = till.card(cards.card(exp_month=12, exp_year=2026))
    with time_machine.travel("2027-01-02T00:00:00Z"):
        problem(till.client.post(CORE, wish(till, method["id"])), 409, "payment_method_not_usable")


def test_another_merchants_method_is_none(till: Till) -> None:
    southwind = factory.create_merchant("Southwind")
    stranger = Till(MerchantClient(factory.create_api_key(southwind)[1]), southwind)
    method = till.card()
    body = wish(stranger, method["id"], customer_id=till.customer)
    problem(stranger.client.post(CORE, body), 404, "payment_method_not_found")


def test_run_again_it_finds_its_payment_though_the_method_is_gone(till: Till) -> None:
    method = till.card()
    body = wish(till, method["id"])
    first = till.client.post(CORE, body, key="the-same-key")
    PaymentMethod.objects.get(merchant=till.merchant)
    good(till.client.send("DELETE", METHODS + method["id"], key=None), 200)
    again = till.client.post(CORE, body, key="the-same-key")
    assert again.content == first.content


def _ach(till: Till) -> dict[str, Any]:
    details = {"holder": "Carla", "routing_number": "110000000", "account_number": "000123456789"}
    return good(till.client.post(METHODS, till.body(type="ach", details=details)), 201)


def test_a_method_that_was_removed_begins_no_payment_made_with_it_before(till: Till) -> None:
    method = till.card()
    made = good(till.client.post(CORE, wish(till, method["id"], confirm=False)), 201)
    good(till.client.send("DELETE", METHODS + method["id"], key=None), 200)
    problem(till.client.put(f"{CORE}{made['id']}/authorize"), 409, "payment_method_removed")
    assert not ProviderOperation.objects.filter(payment=payment_of(made)).exists()
    assert good(till.client.get(CORE + made["id"]), 200)["status"] == "pending"


def test_a_scheduled_payment_whose_method_was_removed_fails_on_its_date(till: Till, ada: Vendor) -> None:
    method = till.card()
    when = clock.now() + timedelta(days=2)
    split = [{"vendor_id": ada.public_id, "amount": 100}]
    body = wish(till, method["id"], scheduled_date=when.isoformat(), vendor_split=split)
    made = good(till.client.post(CORE, body), 201)
    good(till.client.send("DELETE", METHODS + method["id"], key=None), 200)
    run_jobs(3 * 86_400)
    told = good(till.client.get(CORE + made["id"]), 200)
    assert (told["status"], told["reason"]) == ("failed", "the payment's stored method was removed")
    assert not ProviderOperation.objects.filter(payment=payment_of(made)).exists()
    assert_all_invariants_hold()
