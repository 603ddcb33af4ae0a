"""Stripe's payouts in the sandbox, read by the official library: what is in one, once, over a crash."""

from pathlib import Path
from typing import Any

import pytest

from payments.providers import registry
from payments.providers.errors import ProviderUnavailable
from payments.simulator.storage import Storage
from payments.simulator.stripe import books, charges
from payments.simulator.stripe.books import Record
from payments.simulator.stripe.desk import Desk, Rules
from payments.simulator.stripe.payouts import Payouts
from tests.kit.network import Network, point_adapter_at, started_network
from tests.kit.stripe import StripeSandbox
from tests.kit.tills import PRICE, StripeDesk, Till

DAY = "2026-11-20"


@pytest.fixture(scope="module")
def own_process(tmp_path_factory: Any) -> Any:
    with started_network(tmp_path_factory.mktemp("payouts")) as network:
        yield network


@pytest.fixture
def there(own_process: Network, settings: Any) -> Any:
    own_process.reset()
    point_adapter_at(own_process, settings)
    yield StripeSandbox(own_process)
    registry.reset()


class TestAPayout:
    def test_lists_its_movements_and_its_own(self, there):
        till = Till(StripeDesk(there.network))
        till.captured()
        till.refund(PRICE)
        till.captured(PRICE)
        there.network.close_day(DAY)
        (payout,) = there.truth("payout")
        library = there.library().v1
        assert library.payouts.retrieve(payout["id"]).amount == 1999 - 88 - 88
        page = library.balance_transactions.list({"payout": payout["id"], "limit": 2})
        rest = library.balance_transactions.list({"payout": payout["id"], "starting_after": page.data[-1].id})
        assert page.has_more
        found = [*page.data, *rest.data]
        assert [row.type for row in found] == ["payout", "charge", "refund", "charge"]
        assert sum(row.net for row in found) == 0
        assert {row.status for row in found[1:]} == {"available"}
        later = Till(StripeDesk(there.network))
        later.captured()
        there.network.close_day(DAY)
        assert len(library.payouts.list().data) == 2
        assert len(library.balance_transactions.list({"payout": payout["id"]}).data) == 4

    def test_is_read_over_several_pages(self, there, monkeypatch):
        monkeypatch.setattr("payments.providers.stripe.reports.PAGE", 2)
        for _ in range(3):
            Till(StripeDesk(there.network)).captured()
        there.network.close_day(DAY)
        (payout,) = there.truth("payout")
        report = registry.provider("stripe").settlement_report(payout["id"])
        assert (len(report.lines), report.net.minor) == (3, 3 * (1999 - 88))

    def test_is_asked_for_again_when_stripe_does_not_answer(self, there):
        Till(StripeDesk(there.network)).captured()
        there.network.close_day(DAY)
        (payout,) = there.truth("payout")
        there.client.post("/sim/down", json={"down": True})
        with pytest.raises(ProviderUnavailable):
            registry.provider("stripe").settlement_report(payout["id"])
        there.client.post("/sim/down", json={"down": False})

    def test_draws_money_when_refunds_exceed_sales(self, there):
        till = Till(StripeDesk(there.network))
        till.captured()
        there.network.close_day(DAY)
        till.refund(PRICE)
        (made,) = there.network.close_day(DAY)
        assert (made["opening"], made["closing"]) == (1999 - 88, -88)


class TestThePayer:
    @pytest.fixture
    def payer(self, tmp_path: Path) -> Payouts:
        self.storage = Storage(tmp_path, books.FILE, books.SCHEMA, books.TABLES)
        self.told = 0
        return Payouts(self.storage, Rules(), self.count)

    def count(self) -> None:
        self.told += 1

    def earn(self, currency: str, amount: int, key: str) -> None:
        with self.storage.writing() as connection:
            source = Record(f"ch_{key}", "charge", "", 0.0, {"currency": currency})
            charges.balance_transaction(Desk(connection, Rules(), key, "req"), source, "charge", amount, 0)

    def test_settles_once_for_a_statement_and_answers_again(self, payer):
        self.earn("usd", 700, "a")
        assert payer.unsettled() == ["USD"]
        first = payer.settle("USD", DAY, "st_usd_1")
        assert first is not None
        assert (first.net, first.remittance) == (700, f"STRIPE PAYOUT {first.id}")
        self.earn("usd", 300, "b")
        assert payer.settle("USD", "2026-11-21", "st_usd_1") == first
        assert payer.unsettled() == ["USD"]
        second = payer.settle("USD", DAY, "st_usd_2")
        assert second is not None
        assert (second.net, payer.unsettled()) == (300, [])

    def test_leaves_a_balance_of_zero_for_the_next(self, payer):
        self.earn("usd", 700, "a")
        self.earn("usd", -700, "b")
        assert payer.settle("USD", DAY, "st_usd_1") is None
        assert (payer.unsettled(), self.told) == (["USD"], 0)

    @pytest.mark.parametrize(("currency", "units", "minor"), [("isk", 90_000, 900), ("mga", 90, 9_000)])
    def test_pays_in_the_banks_minor_units(self, payer, currency, units, minor):
        self.earn(currency, units, "a")
        made = payer.settle(currency.upper(), DAY, f"st_{currency}_1")
        assert made is not None
        assert made.net == minor
