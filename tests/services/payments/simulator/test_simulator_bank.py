"""The sandbox bank: what a day's close pays, prints and can explain, item by item."""

import uuid
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from defusedxml import ElementTree

from ledger.money import Money, exponent
from payments.providers import registry
from payments.providers.errors import ProviderRefused, ProviderUnavailable
from payments.providers.outcomes import Approved, Pending
from payments.providers.requests import AuthorizeRequest, CaptureRequest, RefundRequest, TransferRequest
from payments.simulator import scenarios
from payments.simulator.camt import NAMESPACE
from tests.kit.network import Network, eventually, point_adapter_at, started_network

DAY = date(2026, 11, 20)


@pytest.fixture
def bank_network(tmp_path: Any, settings: Any) -> Iterator[Network]:
    """A network of the test's own: its bank is empty."""
    with started_network(tmp_path / "network") as network:
        point_adapter_at(network, settings)
        yield network
    registry.reset()


def key() -> str:
    return f"op_{uuid.uuid4()}"


def sell(network: Network, amount: Money, *, refund: Money | None = None) -> Money:
    """Authorize, capture and perhaps refund; the network's fee."""
    provider = registry.provider()
    authorized = provider.authorize(AuthorizeRequest(key(), amount, "pay_1", network.card()["token"]))
    assert isinstance(authorized, Approved)
    captured = provider.capture(CaptureRequest(key(), amount, "pay_1", authorized.reference))
    assert isinstance(captured, Approved)
    if refund:
        assert isinstance(
            provider.refund(RefundRequest(key(), refund, "pay_1", authorized.reference)), Approved
        )
    return captured.fee


def pay_out(amount: Money, reference: str, scenario: str = "bank_ok") -> object:
    destination = {"holder": "Ada & Söhne", "iban": scenarios.BY_NAME[scenario].number}
    return registry.provider().transfer(TransferRequest(key(), amount, reference, destination))


def lines(xml: bytes) -> list[tuple[int, str]]:
    """Signed minor units and end-to-end id of each entry; the balances must tie."""
    root = ElementTree.fromstring(xml)
    name = f"{{{NAMESPACE}}}"
    found = [(_signed(entry), entry.findtext(f".//{name}EndToEndId")) for entry in root.iter(f"{name}Ntry")]
    opening, closing = (_signed(balance) for balance in root.iter(f"{name}Bal"))
    assert opening + sum(amount for amount, _ in found) == closing
    return found


def _signed(node: Any) -> int:
    amount = node.find(f"{{{NAMESPACE}}}Amt")
    places = exponent(amount.get("Ccy"))
    assert len(amount.text.partition(".")[2]) == places
    minor = int(Decimal(amount.text).scaleb(places))
    return minor if node.findtext(f"{{{NAMESPACE}}}CdtDbtInd") == "CRDT" else -minor


class TestClosingADay:
    @pytest.mark.parametrize("currency", ["USD", "JPY", "KWD"])
    def test_pays_the_net_and_executes_the_payouts(self, bank_network, currency):
        bank = registry.provider().bank
        fees = sell(bank_network, Money(10_000, currency)) + sell(
            bank_network, Money(5_001, currency), refund=Money(1_001, currency)
        )
        assert isinstance(pay_out(Money(700, currency), "po_1"), Approved)
        (summary,) = bank.close_day(DAY)
        net = 14_000 - fees.minor
        assert (summary.business_date, summary.line_count) == (DAY, 2)
        assert (summary.opening.minor, summary.closing.minor) == (0, net - 700)
        (funding, report_id), payout = lines(bank.statement(summary.id))
        assert (funding, payout) == (net, (-700, "po_1"))
        report = registry.provider().settlement_report(report_id)
        assert report.net == Money(net, currency)
        assert report.fees == fees
        assert sorted((line.kind, line.amount.minor) for line in report.lines) == [
            ("capture", 5_001), ("capture", 10_000), ("refund", 1_001),
        ]  # fmt: skip

    def test_again_adds_only_what_is_new_as_the_next_statement(self, bank_network):
        bank = registry.provider().bank
        sell(bank_network, Money(10_000, "USD"))
        (first,) = bank.close_day(DAY)
        assert bank.close_day(DAY) == []
        pay_out(Money(100, "USD"), "po_late")
        (second,) = bank.close_day(DAY)
        assert (second.sequence, second.opening) == (2, first.closing)
        assert lines(bank.statement(second.id)) == [(-100, "po_late")]
        assert [row.id for row in bank.statements(DAY)] == [first.id, second.id]
        assert bank.statements(date(2026, 11, 19)) == []

    def test_draws_money_when_refunds_exceed_sales(self, bank_network):
        bank = registry.provider().bank
        fee = sell(bank_network, Money(1_000, "USD"))
        bank.close_day(DAY)
        (capture,) = bank_network.truth(kind="capture")
        refund = RefundRequest(key(), Money(1_000, "USD"), "pay_1", capture["authorization_id"])
        assert isinstance(registry.provider().refund(refund), Approved)
        (summary,) = bank.close_day(DAY)
        assert [amount for amount, _ in lines(bank.statement(summary.id))] == [-1_000]
        assert summary.closing == Money(-fee.minor, "USD")

    def test_has_an_account_for_each_currency(self, bank_network):
        for currency in ("USD", "EUR", "JPY", "KWD"):
            sell(bank_network, Money(5_000, currency))
        assert len(registry.provider().bank.close_day(DAY)) == 4
        accounts = bank_network.client.get("/bank/v1/accounts").json()["data"]
        assert [row["currency"] for row in accounts] == ["EUR", "JPY", "KWD", "USD"]
        assert len({row["iban"] for row in accounts}) == 4
        assert all(scenarios.check_iban(row["iban"]) for row in accounts)

    def test_waits_for_payouts_that_are_pending(self, bank_network):
        bank = registry.provider().bank
        assert isinstance(pay_out(Money(100, "USD"), "po_slow", "bank_pending_ok"), Pending)
        assert isinstance(pay_out(Money(100, "USD"), "po_never", "bank_pending_fail"), Pending)
        assert bank.close_day(DAY) == []
        eventually(lambda: not bank_network.truth(status="pending"), "both are decided")
        (summary,) = bank.close_day(DAY)
        assert lines(bank.statement(summary.id)) == [(-100, "po_slow")]

    def test_pages_a_long_report(self, bank_network):
        for _ in range(5):
            sell(bank_network, Money(1_000, "USD"))
        registry.provider().bank.close_day(DAY)
        report_id = bank_network.truth(kind="capture")[0]["settled_in"]
        path = f"/v1/settlement-reports/{report_id}"
        page = bank_network.client.get(path, params={"limit": 3}).json()
        assert (len(page["operations"]), page["has_more"]) == (3, True)
        rest = bank_network.client.get(path, params={"after": page["operations"][-1]["seq"]}).json()
        assert (len(rest["operations"]), rest["has_more"]) == (2, False)
        assert len(registry.provider().settlement_report(report_id).lines) == 5

    def test_keeps_its_books_over_kill_nine(self, bank_network):
        bank = registry.provider().bank
        sell(bank_network, Money(10_000, "USD"))
        (summary,) = bank.close_day(DAY)
        xml = bank.statement(summary.id)
        bank_network.kill()
        with pytest.raises(ProviderUnavailable):
            bank.statement(summary.id)
        bank_network.start()
        assert bank.statement(summary.id) == xml
        assert bank.close_day(DAY) == []


class TestAsking:
    def test_for_what_is_not_there_is_refused(self, network):
        provider = registry.provider()
        with pytest.raises(ProviderRefused):
            provider.settlement_report("sr_none")
        with pytest.raises(ProviderRefused):
            provider.bank.statement("st_none")
        with pytest.raises(ProviderRefused):
            provider.bank.statement("../../sim/truth")

    def test_for_a_day_that_is_none_is_refused(self, network):
        answer = network.client.post("/bank/v1/close-day", json={"date": "2026-02-30"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_date")

    def test_a_payout_reference_must_fit_on_a_bank_line(self, network):
        outcome = pay_out(Money(1, "USD"), "p" * 36)
        assert getattr(outcome, "code", "") == "reference_too_long"
