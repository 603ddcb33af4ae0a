"""The figures of a day and of a vendor: they foot, and they are what the books say."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ledger.money import Money
from settlements import selectors
from tests.factories import settlements as make
from tests.kit import settling

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = AT.date()
EUR = "EUR"


def day_of(merchant, day=DAY):
    return {(row.currency, row.vendor_id): row for row in selectors.day_figures(merchant.pk, day)}


class TestDayFigures:
    def test_says_gross_refunds_commission_paid_out_and_pending(self, northwind, ada, bruno, network):
        make.sell(ada, Money(10_000, EUR), at=AT)
        make.sell(bruno, Money(4_000, EUR), at=AT)
        make.sell(bruno, Money(900, "JPY"), at=AT)
        settling.pay(settling.settle(ada, EUR, AT), AT)
        make.refund(ada, Money(700, EUR), from_pending=Money(0, EUR), at=AT)
        make.refund(bruno, Money(500, EUR), from_pending=Money(500, EUR), at=AT)
        found = day_of(northwind)
        whole, of_ada, of_bruno = found[EUR, None], found[EUR, ada.pk], found[EUR, bruno.pk]
        assert [whole.gross.minor, whole.refunds.minor, whole.commission.minor] == [14_000, 1_200, 1_400]
        assert [whole.paid_out.minor, whole.pending.minor, whole.receivable.minor] == [9_000, 3_100, 700]
        assert [of_ada.paid_out.minor, of_ada.pending.minor, of_ada.receivable.minor] == [9_000, 0, 700]
        assert [of_bruno.gross.minor, of_bruno.refunds.minor, of_bruno.pending.minor] == [4_000, 500, 3_100]
        assert found["JPY", None].pending == Money(810, "JPY")
        for row in found.values():
            left = row.gross - row.refunds - row.commission - row.paid_out
            assert left == row.pending - row.receivable

    def test_the_whole_is_the_sum_of_its_vendors(self, northwind, ada, bruno):
        make.sell(ada, Money(10_000, EUR), Money(33, EUR), at=AT)
        make.sell(bruno, Money(4_001, EUR), at=AT)
        rows = selectors.day_figures(northwind.pk, AT.date())
        for name in ("gross", "refunds", "commission", "paid_out", "pending", "receivable"):
            whole = sum(getattr(row, name).minor for row in rows if row.vendor_id is None)
            assert whole == sum(getattr(row, name).minor for row in rows if row.vendor_id)

    def test_a_day_ends_at_midnight_utc(self, northwind, ada):
        make.sell(ada, Money(100, EUR), at=datetime(2026, 3, 2, 23, 59, 59, 999_999, tzinfo=UTC))
        make.sell(ada, Money(7, EUR), at=datetime(2026, 3, 3, tzinfo=UTC))
        assert day_of(northwind)[EUR, None].gross.minor == 100
        assert day_of(northwind, date(2026, 3, 3))[EUR, None].gross.minor == 7

    def test_a_failed_payout_is_not_paid_out(self, northwind, ada, network):
        make.sell(ada, Money(100, EUR), commission_bps=0, at=AT)
        settling.send_to(ada, "bank_closed")
        settling.pay(settling.settle(ada, EUR, AT), AT)
        figures = day_of(northwind)[EUR, ada.pk]
        assert (figures.paid_out.minor, figures.pending.minor) == (0, 100)


class TestVendorInfo:
    def test_follows_the_money_to_the_bank(self, northwind, ada, own_network):
        settling.sell(own_network, ada, Money(10_000, EUR), AT)
        (before,) = selectors.vendor_info(northwind.pk, ada.pk)
        assert (before.open.net.minor, before.available.minor, before.last) == (9_000, 0, None)
        batch = settling.settle(ada, EUR, AT)
        (settled,) = selectors.vendor_info(northwind.pk, ada.pk)
        assert (settled.open.items, settled.available.minor, settled.last) == (0, 9_000, batch)
        settling.pay(batch, AT)
        (sent,) = selectors.vendor_info(northwind.pk, ada.pk)
        assert (sent.available.minor, sent.in_transit.minor, sent.paid.minor) == (0, 9_000, 0)
        own_network.close_day(AT.date().isoformat())
        settling.fetch(northwind, AT + timedelta(hours=1))
        (seen,) = selectors.vendor_info(northwind.pk, ada.pk)
        assert (seen.in_transit.minor, seen.paid.minor) == (0, 9_000)
