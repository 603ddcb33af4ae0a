"""What a refund does to commission, and what is owed when a balance cannot bear it."""

import pytest

from ledger import chart, clock
from ledger.chart import Code
from ledger.ids import uuid7
from ledger.journal import EntryDraft, credit, debit
from ledger.locks import phase
from ledger.money import Money
from payments import selectors
from payments.models import Payment, Refund
from tests.kit.books import assert_all_invariants_hold, post
from tests.kit.refunds import balance, payment_of, process, request, share_of
from tests.kit.shop import Shop, split

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(shop: Shop, ada, bruno) -> Payment:
    """100.00 captured: 60.00 Ada's at 10 %, 30.00 Bruno's at 12.5 %, 10.00 the merchant's own."""
    return payment_of(shop.captured(vendor_split=split((ada, 6_000), (bruno, 3_000))))


class TestCommissionPolicy:
    def test_kept_stays_with_the_merchant_and_is_told(self, payment: Payment, ada) -> None:
        payment.merchant.commission_on_return = "kept"
        payment.merchant.save()
        refund = process(request(payment, 6_000, {share_of(payment, ada).pk: 6_000}))
        (part,) = selectors.refund_shares_of(Refund.objects.get(pk=refund.pk))
        assert (part.commission_back_minor, part.commission_kept_minor) == (0, 600)
        assert balance(payment.merchant, Code.COMMISSION) == -975
        assert balance(payment.merchant, Code.VENDOR_RECEIVABLE, ada.pk) == 600
        assert_all_invariants_hold()

    def test_that_changes_between_two_refunds_gives_back_only_the_second_part(self, payment, ada) -> None:
        share = share_of(payment, ada)
        payment.merchant.commission_on_return = "kept"
        payment.merchant.save()
        process(request(payment, 3_000, {share.pk: 3_000}))
        payment.merchant.commission_on_return = "given_back"
        payment.merchant.save()
        process(request(payment, 3_000, {share.pk: 3_000}))
        share.refresh_from_db()
        assert (share.commission_refunded_minor, share.commission_kept_minor) == (300, 300)
        assert_all_invariants_hold()

    def test_what_the_merchant_itself_cannot_bear_is_owed(self, shop: Shop) -> None:
        paid = payment_of(shop.captured())
        with phase():
            account = chart.account(Code.MERCHANT_BALANCE, paid.merchant_id, "USD")
            elsewhere = chart.account(Code.SUSPENSE, paid.merchant_id, "USD")
            legs = [
                debit(account, Money(8_000, "USD"), "taken"),
                credit(elsewhere, Money(8_000, "USD"), "taken"),
            ]
            post([EntryDraft(id=uuid7(), merchant_id=paid.merchant_id, kind="test", source_type="test",
                             source_id=uuid7(), step="1", occurred_at=clock.now(), legs=legs)])  # fmt: skip
        assert process(request(paid)).state == "completed"
        assert balance(paid.merchant, Code.MERCHANT_RECEIVABLE) == 8_000
        assert_all_invariants_hold()
