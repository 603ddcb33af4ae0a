"""Money of wires and checks goes back by a rail, over HTTP: settled, returned, sent to another account."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from config.day import every_cent
from ledger import balances, chart, clock
from ledger.actors import Actor, provider_actor
from ledger.chart import Code
from ledger.ids import parse
from ledger.models import AuditRecord
from ledger.money import Money
from payments.models import (
    BankFileEntry,
    Contradiction,
    Payment,
    ProviderOperation,
    Refund,
    VaultRecord,
)
from payments.providers.outcomes import Approved, Declined
from payments.services.calls import operations, recovering
from payments.services.calls.operations import NotHeld
from payments.services.transfers.sending_back import ACCOUNT_DAYS, NoRailForRefund, way_of
from payments.services.unknown import deciding_unknown
from payments.services.unknown.deciding_unknown import NothingProposed, NothingTold, SamePerson
from settlements import selectors as settlement_selectors
from settlements.models import FundedOperation, StatementLine
from tests.factories import payments as rows
from tests.kit import settling
from tests.kit.api_cases import problem
from tests.kit.api_client import MerchantClient
from tests.kit.books import assert_all_invariants_hold
from tests.kit.rails import ROUTING, RailsBank, account_number, iban, send
from tests.kit.shop import CORE, REFUNDS, Shop, good
from tests.kit.tables import tables_with
from vendors.models import Merchant

pytestmark = pytest.mark.django_db
PAID = 10_000
GRACE, HANK = Actor("staff", "7", "grace"), Actor("staff", "8", "hank")
WAYS = [
    ("wire", "EUR", "sepa"),
    ("check", "USD", "ach"),
    ("wire", "GBP", "credit_gbp"),
    ("wire", "JPY", "credit_jpy"),
]
BY_WIRE = ("wire", "GB")
SHOWN = {"sepa": ("sepa", "DE"), "ach": ("ach", "US"), "credit_gbp": BY_WIRE, "credit_jpy": BY_WIRE}


def account(rail: str, code: str = "") -> dict[str, str]:
    if rail.startswith("credit_"):
        return {"holder": "Carla Jung", "bic": "NWBKGB2L", "account_number": account_number()}
    number = (
        {"iban": iban(code)}
        if rail == "sepa"
        else {"routing_number": ROUTING, "account_number": account_number(code)}
    )
    return {"holder": "Carla Jung", **number}


def number_of(named: dict[str, str]) -> str:
    return named.get("iban") or named["account_number"]


def paid(client: MerchantClient, rails: RailsBank, merchant: Merchant, way: str, currency: str) -> str:
    """Let a payer send money by himself, and find it on the statement; the payment's id."""
    body = {
        "amount": {"amount": PAID, "currency": currency}, "order_id": "order-1", "customer_id": "carla",
        "payment_method": {"type": way, "token": way}, "capture_method": "automatic", "confirm": True,
    }  # fmt: skip
    made = good(client.post(CORE, body), 201)
    send(rails.network, currency, PAID, made["next_action"]["instructions"]["reference"])
    now = clock.now()
    rails.close(now.date())
    settling.fetch(merchant, now)
    assert good(client.get(f"{CORE}{made['id']}"), 200)["status"] == "captured"
    return str(made["id"])


def processed(client: MerchantClient, refund: dict[str, Any]) -> None:
    shown = good(client.post(f"{REFUNDS}{refund['id']}/process"), 202)
    assert shown["status"] == "processing"


def held(merchant: Merchant, currency: str, provider: str) -> int:
    return balances.balance(chart.account(Code.PROVIDER_CLEARING, merchant.pk, currency, provider)).minor


@pytest.mark.parametrize(("way", "currency", "rail"), WAYS)
def test_a_named_account_gets_the_money_with_the_next_file(
    way, currency, rail, merchant_client, northwind: Merchant, rails: RailsBank, caplog
):
    payment = paid(merchant_client, rails, northwind, way, currency)
    named = account(rail)
    body = {"payment_id": payment, "amount": 4_000, "account": named}
    asked = good(merchant_client.post(REFUNDS, body), 201)
    kind, country = SHOWN[rail]
    assert asked["account"] == {"type": kind, "country": country, "last4": number_of(named)[-4:]}
    assert asked["provider"] == rail
    processed(merchant_client, asked)
    [file] = rails.hand_over()
    assert (file.rail, file.direction, file.total_minor) == (rail, "credit", 4_000)
    [credit] = rails.entries()
    assert (credit["direction"], credit["account"]) == ("credit", number_of(named)[-4:])

    rails.close(rails.due(rail))
    rails.hear()
    shown = good(merchant_client.get(f"{REFUNDS}{asked['id']}"), 200)
    assert (shown["status"], shown["account"]) == ("completed", asked["account"])
    assert good(merchant_client.get(f"{CORE}{payment}"), 200)["refunded"]["amount"] == 4_000
    assert held(northwind, currency, rail) == -4_000
    rails.reconcile(northwind, rail)
    assert not settlement_selectors.open_breaks(northwind.pk).exists()
    assert (held(northwind, currency, rail), held(northwind, currency, way)) == (0, 0)

    assert not tables_with(number_of(named))
    assert number_of(named) not in caplog.text
    record = VaultRecord.objects.get(token=Refund.objects.get(merchant=northwind).account_token)
    assert record.expires_at is not None
    assert (record.expires_at - record.created_at).days == ACCOUNT_DAYS
    assert AuditRecord.objects.filter(action="vault.opened", object_id=record.public_id).count() == 1
    assert_all_invariants_hold()


@pytest.mark.parametrize(("way", "currency", "rail"), WAYS)
def test_a_credit_that_comes_back_is_ours_again_and_goes_to_another_account(
    way, currency, rail, merchant_client, northwind: Merchant, rails: RailsBank
):
    payment = paid(merchant_client, rails, northwind, way, currency)
    body = {"payment_id": payment, "amount": 4_000, "account": account(rail)}
    asked = good(merchant_client.post(REFUNDS, body), 201)
    processed(merchant_client, asked)
    rails.day(rail)
    assert good(merchant_client.get(f"{REFUNDS}{asked['id']}"), 200)["status"] == "completed"
    code = "R02" if rail == "ach" else "AC04"
    _come_back(rails, northwind, code)
    rails.day(rail, 2)
    shown = good(merchant_client.get(f"{REFUNDS}{asked['id']}"), 200)
    assert (shown["status"], shown["failure"]["code"]) == ("failed", "no_such_account")
    assert good(merchant_client.get(f"{CORE}{payment}"), 200)["refunded"]["amount"] == 0
    came = ProviderOperation.objects.get(merchant=northwind, kind="refund_returned")
    assert (came.amount_minor, came.leg, came.provider) == (4_000, "refund_returned", rail)
    rails.hear()
    assert ProviderOperation.objects.filter(merchant=northwind, kind="refund_returned").count() == 1
    for days in (1, 2):
        rails.reconcile(northwind, rail, days)
    assert not settlement_selectors.open_breaks(northwind.pk).exists()
    assert held(northwind, currency, rail) == 0
    assert_all_invariants_hold()

    old, other = Refund.objects.get(merchant=northwind).account_token, account(rail)
    again = good(
        merchant_client.post(f"{REFUNDS}{asked['id']}/ask-again", {"reason": "moved", "account": other}), 200
    )
    assert (again["tries"], again["account"]["last4"]) == (2, number_of(other)[-4:])
    assert VaultRecord.objects.get(token=old).erased_at is not None
    processed(merchant_client, again)
    rails.day(rail, 3)
    assert good(merchant_client.get(f"{REFUNDS}{asked['id']}"), 200)["status"] == "completed"
    assert [one["account"] for one in rails.entries()][-1] == number_of(other)[-4:]
    rails.reconcile(northwind, rail, 3)
    assert not settlement_selectors.open_breaks(northwind.pk).exists()
    assert_all_invariants_hold()


@pytest.mark.parametrize(("way", "currency", "rail", "own_fee"), [
    ("wire", "GBP", "credit_gbp", 0), ("wire", "JPY", "credit_jpy", 0), ("wire", "EUR", "sepa", 300),
])  # fmt: skip
def test_what_banks_on_the_way_keep_of_a_credit_that_comes_back_is_a_fee(
    way, currency, rail, own_fee, merchant_client, northwind: Merchant, rails: RailsBank
):
    payment = paid(merchant_client, rails, northwind, way, currency)
    body = {"payment_id": payment, "amount": 4_000, "account": account(rail)}
    asked = good(merchant_client.post(REFUNDS, body), 201)
    processed(merchant_client, asked)
    rails.day(rail)
    _come_back(rails, northwind, "AC04", kept=1_500)
    rails.close(rails.due(rail, 2))
    # The statement may be read before the bank's files are: then it waits for them.
    rails.reconcile(northwind, rail)
    rails.reconcile(northwind, rail, 2)
    assert {row.reason for row in settlement_selectors.open_breaks(northwind.pk)} >= {"operation_unknown"}
    rails.hear()
    assert good(merchant_client.get(f"{REFUNDS}{asked['id']}"), 200)["status"] == "failed"
    assert good(merchant_client.get(f"{CORE}{payment}"), 200)["refunded"]["amount"] == 0
    fee = ProviderOperation.objects.get(merchant=northwind, kind="return_fee")
    assert (fee.provider, fee.amount_minor, fee.fee_minor) == (rail, 0, 1_500 + own_fee)
    spent = chart.account(Code.PROVIDER_FEES, northwind.pk, currency, rail)
    assert balances.balance(spent).minor == 1_500 + own_fee
    assert held(northwind, currency, rail) == 2_500 - own_fee
    rails.reconcile(northwind, rail, 2)
    assert not settlement_selectors.open_breaks(northwind.pk).exists()
    line = StatementLine.objects.get(merchant=northwind, amount_minor=2_500 - own_fee)
    funded = FundedOperation.objects.filter(match__line=line).values_list("operation__kind", "amount_minor")
    assert sorted(funded) == [("refund_returned", 4_000), ("return_fee", 0)]
    assert (held(northwind, currency, rail), held(northwind, currency, way)) == (0, 0)
    _, differences = every_cent.explained(northwind.pk)
    assert differences == []
    assert_all_invariants_hold()


def test_a_credit_that_its_bank_refuses_fails_and_frees_what_it_held(
    merchant_client, northwind: Merchant, rails: RailsBank
):
    payment = paid(merchant_client, rails, northwind, "wire", "EUR")
    asked = good(merchant_client.post(REFUNDS, {"payment_id": payment, "account": account("sepa")}), 201)
    processed(merchant_client, asked)
    rails.hand_over()
    _come_back(rails, northwind, "AC01")
    rails.day("sepa")
    shown = good(merchant_client.get(f"{REFUNDS}{asked['id']}"), 200)
    assert (shown["status"], shown["failure"]["code"]) == ("failed", "no_such_account")
    assert good(merchant_client.get(f"{CORE}{payment}"), 200)["refundable"]["amount"] == PAID
    rails.reconcile(northwind, "sepa")
    assert not settlement_selectors.open_breaks(northwind.pk).exists()
    assert_all_invariants_hold()


def test_what_is_wrong_with_an_account_is_named(merchant_client, northwind: Merchant, rails: RailsBank):
    payment = paid(merchant_client, rails, northwind, "wire", "EUR")
    good_one = account("sepa")
    for named, status, code, param in (
        (None, 422, "refund_account_missing", "account"),
        ({**good_one, "iban": "DE00370400440532013000"}, 422, "iban_invalid", "account.iban"),
        ({"iban": good_one["iban"]}, 422, "payment_method_detail_invalid", "account.holder"),
        ({**good_one, "routing_number": ROUTING}, 422, "payment_method_detail_invalid", "account"),
        (account("ach"), 422, "payment_method_detail_invalid", "account.iban"),
        ({**good_one, "swift": "X"}, 400, "unknown_field", "account.swift"),
        ("DE00", 400, "invalid_request", "account"),
    ):
        body = {"payment_id": payment, **({} if named is None else {"account": named})}
        refused = problem(merchant_client.post(REFUNDS, body), status, code)
        assert refused["param"] == param
    assert not Refund.objects.filter(merchant=northwind).exists()
    assert not VaultRecord.objects.filter(merchant=northwind, kind="sepa").exists()
    assert Payment.objects.get(pk=parse("pay", payment)).refunding_minor == 0


def test_an_account_for_another_currency_needs_its_banks_code(
    merchant_client, northwind: Merchant, rails: RailsBank
):
    payment = paid(merchant_client, rails, northwind, "wire", "GBP")
    good_one = account("credit_gbp")
    for named, code, param in (
        ({**good_one, "bic": "NWBKGB"}, "bic_invalid", "account.bic"),
        ({"holder": "Carla", "account_number": "12345678"}, "payment_method_detail_invalid", "account.bic"),
        (account("sepa"), "payment_method_detail_invalid", "account.account_number"),
    ):
        body = {"payment_id": payment, "account": named}
        assert problem(merchant_client.post(REFUNDS, body), 422, code)["param"] == param
    assert not Refund.objects.filter(merchant=northwind).exists()


def test_of_money_that_goes_back_by_itself_no_account_is_taken(shop: Shop, northwind: Merchant):
    paid_by_card = shop.captured()
    body = {"payment_id": paid_by_card["id"], "account": account("ach")}
    assert problem(shop.client.post(REFUNDS, body), 422, "refund_account_not_taken")["param"] == "account"
    assert not Refund.objects.filter(merchant=northwind).exists()


def test_no_rail_sends_every_currency(northwind: Merchant, rails: RailsBank):
    payment = rows.captured_payment(northwind, currency="CHF", provider="wire")
    with pytest.raises(NoRailForRefund, match="CHF"):
        way_of(payment, account("sepa"), clock.now())


def _come_back(rails: RailsBank, merchant: Merchant, code: str, kept: int = 0) -> None:
    entry = BankFileEntry.objects.get(file__merchant=merchant, file__direction="credit")
    body = {"end_to_end": entry.end_to_end, "code": code, "kept": kept}
    rails.network.client.post("/rails/sim/returns", json=body).raise_for_status()


class TestAWordOfABankThatNobodyCanAsk:
    """Refused here, settled there: a person accepts the word, two decide that it was done; it is booked."""

    @pytest.fixture
    def tell(self, northwind: Merchant, rails: RailsBank) -> Callable[[int], Contradiction]:
        return lambda minor: self.told(northwind, rails, minor)

    def told(self, northwind: Merchant, rails: RailsBank, minor: int) -> Contradiction:
        payment = rails.pay(rails.method(northwind, "sepa"), PAID)
        rails.day("sepa")
        refund = rails.refund(payment, 4_000)
        operation = ProviderOperation.objects.get(subject_id=refund.pk)
        no = Declined("no_such_account", "closed", None, is_hard=True)
        operations.conclude(operation, no, actor=provider_actor("sepa"), at=clock.now())
        yes = Approved(operation.idempotency_key, Money(minor, "EUR"), Money.zero("EUR"))
        operations.conclude(operation, yes, actor=provider_actor("sepa"), at=clock.now())
        return Contradiction.objects.get(operation=operation)

    def decided(self, what: Callable[..., Any], operation: ProviderOperation, actor: Actor) -> None:
        what(operation_id=operation.pk, actor=actor, reason="on their statement", at=clock.now())
        operation.refresh_from_db()

    def test_two_persons_book_it(self, tell: Callable[[int], Contradiction]) -> None:
        told = tell(4_000)
        deciding_unknown.accept(contradiction_id=told.pk, actor=GRACE, reason="their file", at=clock.now())
        operation = told.operation
        operation.refresh_from_db()
        assert operation.is_held
        recovering.sweep(clock.now() + timedelta(hours=1))
        with pytest.raises(NothingProposed):
            self.decided(deciding_unknown.confirm_done, operation, HANK)
        self.decided(deciding_unknown.propose_done, operation, GRACE)
        with pytest.raises(SamePerson):
            self.decided(deciding_unknown.confirm_done, operation, GRACE)
        with pytest.raises(NothingProposed):
            self.decided(deciding_unknown.confirm_not_done, operation, HANK)
        self.decided(deciding_unknown.confirm_done, operation, HANK)
        refund = Refund.objects.get(pk=operation.subject_id)
        assert (operation.outcome, refund.state) == ("approved", "completed")
        assert Payment.objects.get(pk=refund.payment_id).refunded_minor == 4_000
        acts = set(AuditRecord.objects.filter(object_id=operation.public_id).values_list("action", flat=True))
        assert {"operation.done_proposed", "operation.done"} <= acts
        with pytest.raises(NotHeld):
            self.decided(deciding_unknown.confirm_done, operation, HANK)
        assert_all_invariants_hold()

    def test_another_amount_is_not_booked(self, tell: Callable[[int], Contradiction]) -> None:
        told = tell(3_999)
        deciding_unknown.accept(contradiction_id=told.pk, actor=GRACE, reason="their file", at=clock.now())
        with pytest.raises(NothingTold):
            self.decided(deciding_unknown.propose_done, told.operation, GRACE)
        self.decided(deciding_unknown.propose_not_done, told.operation, GRACE)
        self.decided(deciding_unknown.confirm_not_done, told.operation, HANK)
        assert Refund.objects.get(pk=told.operation.subject_id).state == "failed"
        assert_all_invariants_hold()
