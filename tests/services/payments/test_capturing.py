"""Capturing against the real sandbox: whole, in parts, declined, by job; every cent posted in its place."""

from uuid import UUID

import pytest

from ledger import jobs
from ledger.balances import balance
from ledger.chart import Code, account
from ledger.ids import uuid7
from ledger.models import JournalEntry, Posting
from ledger.states import StateConflict
from payments.models import Payment, PaymentTransaction
from payments.models.payments import CaptureTooLarge
from payments.services.calls import recovering
from payments.services.payments.capturing import AuthorizationExpired, CaptureAmountInvalid
from tests.kit.books import assert_all_invariants_hold
from tests.services.payments.cast import (
    captured,
    created,
    now_plus,
    operation_of,
    paid,
    types_of,
    wish,
)
from vendors.models import Vendor

pytestmark = pytest.mark.django_db


def pending(vendor: Vendor) -> int:
    """What a vendor is owed and cannot be paid yet (credit, so negative in the books)."""
    ref = account(Code.VENDOR_PENDING, vendor.merchant_id, "USD", vendor.pk)
    return -balance(ref).minor


def held(merchant_id: UUID, code: Code, owner: str = "") -> int:
    """An account's balance in dollars, debit positive."""
    return balance(account(code, merchant_id, "USD", owner)).minor


class TestCapture:
    def test_takes_the_whole_and_posts_every_cent(self, northwind, ada, bruno, network):
        payment = paid(northwind, network, shares=[(ada, 6_000), (bruno, 3_000)])
        answered = []
        payment = captured(payment, answer=answered.append)
        assert answered == [payment]
        assert (payment.state, payment.captured_minor, payment.capturing_minor) == ("captured", 10_000, 0)
        assert payment.is_processing is False
        assert [share.state for share in payment.share_rows] == ["captured", "captured"]
        fee = operation_of(payment, "capture:1").fee_minor
        assert fee > 0
        assert (pending(ada), pending(bruno)) == (5_400, 2_625)
        assert held(northwind.pk, Code.COMMISSION) == -975
        assert held(northwind.pk, Code.MERCHANT_BALANCE) == -1_000
        assert held(northwind.pk, Code.PROVIDER_FEES, "velocitypay") == fee
        assert held(northwind.pk, Code.PROVIDER_CLEARING, "velocitypay") == 10_000 - fee
        assert types_of(payment) == ["created", "authorized", "capture_asked", "captured"]
        assert_all_invariants_hold()

    def test_takes_parts_whose_shares_and_commissions_sum(self, northwind, ada, bruno, network):
        payment = paid(northwind, network, amount=1_001, shares=[(ada, 667), (bruno, 333)])
        for minor in (100, 1, 333):
            payment = captured(payment, minor)
            assert payment.state == "partly_captured"
            assert_all_invariants_hold()
        payment = captured(payment)
        assert (payment.state, payment.captured_minor) == ("captured", 1_001)
        shares = PaymentTransaction.objects.filter(payment=payment).order_by("position")
        assert [(s.captured_minor, s.commission_captured_minor, s.state) for s in shares] == [
            (667, 67, "captured"),
            (333, 42, "captured"),
        ]
        assert JournalEntry.objects.filter(source_id=payment.pk).count() == 4
        parts = ["capture_asked", "partly_captured"] * 3
        assert types_of(payment)[2:] == [*parts, "capture_asked", "captured"]
        assert_all_invariants_hold()

    def test_a_final_part_gives_the_rest_up(self, northwind, ada, bruno, network):
        payment = paid(northwind, network, amount=1_000, shares=[(ada, 1), (bruno, 999)])
        payment = captured(payment, 10, final=True)
        assert (payment.state, payment.captured_minor, payment.capturing_minor) == ("captured", 10, 0)
        shares = [(share.captured_minor, share.state) for share in payment.share_rows]
        assert shares == [(0, "cancelled"), (10, "captured")]
        with pytest.raises(StateConflict):
            captured(payment, 1)
        assert_all_invariants_hold()

    def test_the_same_request_captures_once(self, northwind, network):
        payment, operation_id = paid(northwind, network), uuid7()
        captured(payment, 4_000, operation_id)
        again = captured(payment, 4_000, operation_id)
        assert again.captured_minor == 4_000
        assert JournalEntry.objects.filter(source_id=payment.pk).count() == 1

    def test_refuses_more_than_is_left(self, northwind, network):
        payment = captured(paid(northwind, network), 9_000)
        with pytest.raises(CaptureTooLarge):
            captured(payment, 1_001)
        assert Payment.objects.get(pk=payment.pk).capturing_minor == 0

    @pytest.mark.parametrize("minor", [0, -1])
    def test_refuses_to_capture_nothing(self, northwind, network, minor):
        payment = paid(northwind, network)
        with pytest.raises(CaptureAmountInvalid):
            captured(payment, minor)

    def test_refuses_what_is_not_authorized(self, northwind):
        with pytest.raises(StateConflict):
            captured(created(northwind, wish()))

    def test_refuses_after_the_authorization_lapsed(self, northwind, network):
        payment = paid(northwind, network)
        with pytest.raises(AuthorizationExpired):
            captured(payment, at=now_plus(8 * 86_400))

    def test_a_declined_one_leaves_the_authorization(self, northwind, network):
        payment = captured(paid(northwind, network, "capture_declined"))
        assert (payment.state, payment.decline_code) == ("authorized", "do_not_honor")
        assert (payment.captured_minor, payment.capturing_minor) == (0, 0)
        assert types_of(payment)[-1] == "capture_failed"
        assert not Posting.objects.filter(entry__source_id=payment.pk).exists()
        assert_all_invariants_hold()

    def test_an_unknown_one_keeps_its_amount_aside(self, northwind, network):
        payment = captured(paid(northwind, network, "capture_lost"), 6_000)
        assert (payment.state, payment.is_processing) == ("authorized", True)
        assert (payment.capturing_minor, payment.captured_minor) == (6_000, 0)
        with pytest.raises(CaptureTooLarge):
            captured(payment, 4_001)
        recovering.sweep(now_plus(6))
        payment = Payment.objects.get(pk=payment.pk)
        assert (payment.state, payment.capturing_minor, payment.captured_minor) == (
            "partly_captured",
            0,
            6_000,
        )
        assert_all_invariants_hold()

    def test_two_captures_may_be_under_way(self, northwind, network):
        payment = captured(paid(northwind, network, "capture_lost"), 6_000)
        payment = captured(payment, 4_000)
        assert (payment.captured_minor, payment.capturing_minor) == (0, 10_000)
        recovering.sweep(now_plus(6))
        assert Payment.objects.get(pk=payment.pk).state == "captured"
        assert_all_invariants_hold()


class TestCaptureByJob:
    def test_captures_the_whole_once(self, northwind, ada, network):
        payment = paid(northwind, network, capture_method="automatic", shares=[(ada, 5_000)])
        assert jobs.run_due(now_plus(1)) >= 1
        payment = Payment.objects.get(pk=payment.pk)
        assert payment.state == "captured"
        jobs.kinds["payments.capture"].work(str(payment.pk), now_plus(2))
        assert JournalEntry.objects.filter(source_id=payment.pk).count() == 1

    def test_has_nothing_to_do_when_somebody_was_faster(self, northwind, network):
        payment = captured(paid(northwind, network, capture_method="automatic"))
        jobs.run_due(now_plus(1))
        assert JournalEntry.objects.filter(source_id=payment.pk).count() == 1
