"""Closing a batch: what it takes, what it moves, and when it refuses."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from ledger import balances, events
from ledger.actors import SYSTEM
from ledger.chart import Code
from ledger.ids import uuid7
from ledger.money import BadCurrency, Money
from payments import numbers
from settlements import selectors
from settlements.models import BatchLine, SettlementBatch
from settlements.services import batching
from tests.factories import settlements as make
from tests.factories import vendors as who
from tests.kit.books import assert_all_invariants_hold
from tests.kit.owner import OWNERS
from vendors.models.vendors import VendorNotFound

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def ada():
    return who.create_vendor(who.create_merchant(), "Ada")


def settle(vendor, currency="USD", **options):
    options = {"batch_id": uuid7(), "at": AT, **options}
    return batching.settle(
        merchant_id=vendor.merchant_id, vendor_id=vendor.pk, currency=currency, actor=SYSTEM, **options
    )


def owed(vendor, code, currency="USD"):
    return -balances.balance(make.ref(vendor, code, currency)).minor


class TestSettle:
    @pytest.mark.parametrize(("currency", "exponent"), [("USD", 2), ("JPY", 0), ("BHD", 3)])
    def test_makes_everything_pending_payable(self, ada, currency, exponent):
        make.sell(ada, Money(10_000, currency), Money(2_345, currency))
        make.refund(ada, Money(1_000, currency), from_pending=Money(1_000, currency))
        batch = settle(ada, currency)
        assert batch.state == "closed"
        assert (batch.gross_minor, batch.commission_minor, batch.refunds_minor) == (12_345, 1_234, 1_000)
        assert (batch.recovered_minor, batch.net_minor, batch.items) == (0, 10_111, 5)
        assert owed(ada, Code.VENDOR_PENDING, currency) == 0
        assert owed(ada, Code.VENDOR_AVAILABLE, currency) == 10_111
        assert sum(line.amount_minor for line in batch.lines.all()) == 10_111
        assert (batch.business_date, batch.sequence) == (date(2026, 3, 2), 1)
        assert_all_invariants_hold()

    def test_recovers_what_the_vendor_owes_first(self, ada):
        make.sell(ada, Money(1_000, "USD"), commission_bps=0)
        settle(ada)
        make.refund(ada, Money(300, "USD"), from_pending=Money(0, "USD"))
        make.sell(ada, Money(500, "USD"), commission_bps=0)
        second = settle(ada)
        assert (second.recovered_minor, second.net_minor, second.sequence) == (300, 200, 2)
        assert owed(ada, Code.VENDOR_RECEIVABLE) == 0
        assert owed(ada, Code.VENDOR_AVAILABLE) == 1_200
        assert_all_invariants_hold()

    def test_carries_what_does_not_pay_and_pays_it_later(self, ada):
        make.sell(ada, Money(100, "USD"), commission_bps=0)
        make.refund(ada, Money(150, "USD"), from_pending=Money(0, "USD"))
        carried = settle(ada)
        assert (carried.state, carried.net_minor, carried.items) == ("carried", -50, 1)
        assert not carried.lines.exists()
        assert owed(ada, Code.VENDOR_PENDING) == 100
        make.sell(ada, Money(60, "USD"), commission_bps=0)
        paid = settle(ada)
        assert (paid.state, paid.net_minor, paid.recovered_minor, paid.items) == ("closed", 10, 150, 2)
        assert_all_invariants_hold()

    def test_carries_a_net_of_zero(self, ada):
        make.sell(ada, Money(100, "USD"), commission_bps=0)
        make.refund(ada, Money(100, "USD"), from_pending=Money(100, "USD"))
        assert settle(ada).state == "carried"

    def test_finds_nothing_the_second_time(self, ada):
        make.sell(ada, Money(100, "USD"))
        settle(ada)
        with pytest.raises(batching.NothingToSettle):
            settle(ada)
        assert SettlementBatch.objects.filter(vendor=ada).count() == 1

    def test_finds_nothing_new_after_a_carried_batch(self, ada):
        make.sell(ada, Money(100, "USD"), commission_bps=0)
        make.refund(ada, Money(200, "USD"), from_pending=Money(0, "USD"))
        settle(ada)
        with pytest.raises(batching.NothingToSettle):
            settle(ada, at=AT + timedelta(days=1))

    def test_gives_the_same_batch_for_the_same_id(self, ada):
        make.sell(ada, Money(100, "USD"))
        batch_id, answers = uuid7(), []
        first = settle(ada, batch_id=batch_id, answer=answers.append)
        again = settle(ada, batch_id=batch_id, answer=answers.append)
        assert first == again == answers[0] == answers[1]

    def test_keeps_currencies_apart(self, ada):
        make.sell(ada, Money(100, "USD"), commission_bps=0)
        make.sell(ada, Money(7, "JPY"), commission_bps=0)
        assert settle(ada).net_minor == 100
        assert settle(ada, "JPY").net_minor == 7

    def test_takes_a_posting_of_the_last_millisecond_of_a_day_exactly_once(self, ada):
        make.sell(ada, Money(100, "USD"), at=datetime(2026, 2, 28, 23, 59, 59, 999_000, tzinfo=UTC))
        settle(ada, business_date=date(2026, 2, 28))
        with pytest.raises(batching.NothingToSettle):
            settle(ada, business_date=date(2026, 3, 1))

    def test_refuses_a_day_that_has_not_begun(self, ada):
        make.sell(ada, Money(100, "USD"))
        with pytest.raises(batching.BusinessDateInFuture):
            settle(ada, business_date=date(2026, 3, 3))

    def test_refuses_a_currency_that_is_none(self, ada):
        with pytest.raises(BadCurrency):
            settle(ada, "usd")

    def test_does_not_see_the_vendor_of_another_merchant(self, ada):
        make.sell(ada, Money(100, "USD"))
        with pytest.raises(VendorNotFound):
            batching.settle(
                merchant_id=who.create_merchant("Southwind").pk,
                vendor_id=ada.pk,
                currency="USD",
                batch_id=uuid7(),
                actor=SYSTEM,
                at=AT,
            )

    def test_stops_when_the_items_are_not_the_balance(self, ada, monkeypatch):
        make.sell(ada, Money(100, "USD"))
        monkeypatch.setattr(selectors, "UNBATCHED", selectors.UNBATCHED + " AND p.purpose <> 'commission'")
        with pytest.raises(batching.BooksDisagree):
            settle(ada)
        assert not SettlementBatch.objects.filter(vendor=ada).exists()

    def test_finds_old_items_when_recent_ones_do_not_explain_the_balance(self, ada, monkeypatch):
        make.sell(ada, Money(100, "USD"), commission_bps=0)
        monkeypatch.setattr(selectors, "swept_until", lambda batch: uuid7())
        assert settle(ada).net_minor == 100

    def test_costs_the_same_few_queries_for_one_item_and_for_a_thousand(self, ada):
        bruno = who.create_vendor(ada.merchant, "Bruno")
        make.sell(ada, Money(100, "USD"))
        make.sell(bruno, *[Money(100, "USD")] * 1_000)
        numbers.take(ada.merchant_id, batching.NUMBER, AT)  # the block of numbers is taken by then
        settle_once = []
        for vendor in (ada, bruno):
            with CaptureQueriesContext(connection) as queries:
                settle(vendor)
            settle_once.append(len([q for q in queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))]))
        assert settle_once[0] == settle_once[1] <= 20

    def test_tells_its_news(self, ada):
        make.sell(ada, Money(100, "USD"))
        batch = settle(ada)
        (event,) = events.stream("settlement", batch.pk)
        assert event.type == "settlement.closed"
        assert event.payload["net"] == 90


class TestLaw:
    def test_a_posting_is_in_one_batch_only(self, ada):
        make.sell(ada, Money(100, "USD"))
        line = settle(ada).lines.first()
        with pytest.raises(IntegrityError, match="settlements_line_in_one_batch"), transaction.atomic():
            BatchLine.objects.create(
                batch_id=line.batch_id, entry_id=line.entry_id, line=line.line, purpose="sale", amount_minor=1
            )

    @pytest.mark.django_db(databases=OWNERS)
    @pytest.mark.parametrize(
        "change", ["UPDATE settlements_batchline SET amount_minor = 1", "DELETE FROM settlements_batchline"]
    )
    def test_lines_refuse_change_even_by_the_owner(self, as_owner, ada, change):
        with (
            pytest.raises(IntegrityError, match="append only"),
            transaction.atomic(),
            connection.cursor() as c,
        ):
            c.execute(change)

    def test_a_batch_refuses_figures_that_do_not_foot(self, ada):
        make.sell(ada, Money(100, "USD"))
        batch = settle(ada)
        with pytest.raises(IntegrityError, match="settlements_batch_foots"), transaction.atomic():
            SettlementBatch._base_manager.filter(pk=batch.pk).update(gross_minor=1)

    def test_a_batch_refuses_a_state_that_no_edge_reaches(self, ada):
        make.sell(ada, Money(100, "USD"))
        batch = settle(ada)
        with pytest.raises(IntegrityError, match="no edge"), transaction.atomic():
            SettlementBatch._base_manager.filter(pk=batch.pk).update(state="reconciled")
