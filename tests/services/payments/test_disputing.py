"""A provider's word on disputes: opened once, in any order, its money booked once and borne as agreed."""

from itertools import permutations

import pytest

from ledger import balances, chart
from ledger.actors import SYSTEM
from ledger.chart import Code
from ledger.ids import uuid7
from ledger.models import AuditRecord, Event, JournalEntry
from payments.models import Dispute, DisputeShare, Payment, PaymentTransaction
from payments.rules.refund_division import RefundTooLarge
from payments.services.disputes.disputing import DisputeUnreadable
from payments.services.refunds import requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from tests.factories import disputes as told
from tests.factories import payments as rows
from tests.kit.books import assert_all_invariants_hold

pytestmark = pytest.mark.django_db


def balance(payment: Payment, code: Code, owner: object = "") -> int:
    return balances.balance(chart.account(code, payment.merchant_id, payment.currency, str(owner))).minor


@pytest.fixture
def payment(northwind, ada, bruno) -> Payment:
    """100.00 captured: 60.00 Ada's (6.00 commission), 30.00 Bruno's (3.75), 10.00 the merchant's own."""
    return rows.captured_payment(northwind, shares=((ada, 6_000, 600), (bruno, 3_000, 375)))


def again(payment: Payment) -> Payment:
    return Payment.objects.get(pk=payment.pk)


class TestWithdrawn:
    def test_is_borne_by_the_shares_and_the_merchant_in_proportion(self, payment, ada, bruno) -> None:
        dispute = told.chargeback(payment)
        assert (dispute.state, dispute.withheld_minor, dispute.covered_minor) == (
            "chargeback",
            10_000,
            10_000,
        )
        assert balance(payment, Code.PROVIDER_CLEARING, "velocitypay") == -1_500
        assert balance(payment, Code.DISPUTED, "velocitypay") == 10_000
        assert balance(payment, Code.DISPUTE_RESERVE) == -10_000
        assert balance(payment, Code.PROVIDER_FEES, "velocitypay") == 1_500
        for owner in (ada.pk, bruno.pk):
            assert balance(payment, Code.VENDOR_PENDING, owner) == 0
            assert balance(payment, Code.VENDOR_RECEIVABLE, owner) == 0
        assert balance(payment, Code.MERCHANT_BALANCE) == 0
        assert balance(payment, Code.COMMISSION) == 0
        assert (again(payment).disputed_minor, again(payment).refundable.minor) == (10_000, 0)
        assert_all_invariants_hold()

    def test_what_a_vendor_cannot_bear_is_owed(self, payment, ada) -> None:
        with_nothing_left = told.chargeback(payment, amount=5_000)
        other = rows.captured_payment(payment.merchant, shares=((ada, 10_000, 1_000),))
        told.chargeback(other)
        assert with_nothing_left.covered_minor == 5_000
        pending = balance(payment, Code.VENDOR_PENDING, ada.pk)
        assert pending == -2_700  # what is left of the first payment: 30.00 less 3.00 commission

    def test_is_the_merchants_alone_by_its_policy(self, payment, ada) -> None:
        payment.merchant.dispute_bearer = "merchant"
        payment.merchant.save()
        told.chargeback(payment)
        assert DisputeShare.objects.filter(dispute__payment=payment).count() == 0
        assert balance(payment, Code.VENDOR_PENDING, ada.pk) == -5_400
        assert balance(payment, Code.MERCHANT_BALANCE) == 0  # it had 10.00 of its own
        assert balance(payment, Code.MERCHANT_RECEIVABLE) == 9_000
        assert_all_invariants_hold()

    def test_keeps_the_commission_by_the_merchants_policy(self, payment, ada) -> None:
        payment.merchant.commission_on_return = "kept"
        payment.merchant.save()
        told.chargeback(payment)
        share = PaymentTransaction.objects.get(payment=payment, vendor=ada)
        assert (share.commission_disputed_minor, share.commission_kept_minor) == (0, 600)
        assert balance(payment, Code.COMMISSION) == -975
        assert balance(payment, Code.VENDOR_RECEIVABLE, ada.pk) == 600
        assert_all_invariants_hold()

    def test_beyond_what_was_captured_the_merchant_bears_it_and_a_person_is_told(self, payment) -> None:
        requesting_refunds.request(
            merchant_id=payment.merchant_id,
            wish=RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=9_000),
            actor=SYSTEM,
            at=told.AT,
        )
        dispute = told.chargeback(payment)
        assert (dispute.withheld_minor, dispute.covered_minor) == (10_000, 1_000)
        assert again(payment).refundable.minor == 0
        assert AuditRecord.objects.filter(
            action="dispute.beyond_captured", object_id=dispute.public_id
        ).exists()
        assert_all_invariants_hold()

    def test_leaves_nothing_to_refund(self, payment) -> None:
        told.chargeback(payment, amount=6_000)
        with pytest.raises(RefundTooLarge):
            requesting_refunds.request(
                merchant_id=payment.merchant_id,
                wish=RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=4_001),
                actor=SYSTEM,
                at=told.AT,
            )

    def test_an_inquiry_takes_nothing(self, payment) -> None:
        dispute = told.follow(told.notice(payment, stage="inquiry"))
        assert (dispute.state, dispute.withheld_minor, again(payment).disputed_minor) == ("inquiry", 0, 0)


class TestDecided:
    def test_won_gives_everybody_his_money_again(self, payment, ada, bruno) -> None:
        before = _balances(payment, ada, bruno)
        taken = told.movement("withdrawal", 10_000, 1_500)
        back = told.movement("reinstatement", 10_000)
        one = told.notice(payment, movements=[taken])
        told.follow(one)
        dispute = told.follow(
            told.notice(payment, reference=one.dispute, version=2, standing="won", movements=[taken, back])
        )
        assert (dispute.state, dispute.withheld_minor, dispute.settled_minor) == ("won", 0, 0)
        assert _balances(payment, ada, bruno) == before
        assert balance(payment, Code.PROVIDER_FEES, "velocitypay") == 1_500
        assert again(payment).refundable.minor == 10_000
        assert_all_invariants_hold()

    def test_lost_is_given_up(self, payment) -> None:
        taken = told.movement("withdrawal", 10_000)
        one = told.notice(payment, movements=[taken])
        told.follow(one)
        dispute = told.follow(
            told.notice(payment, reference=one.dispute, version=2, standing="lost", movements=[taken])
        )
        assert (dispute.state, dispute.settled_minor) == ("lost", 10_000)
        assert balance(payment, Code.DISPUTED, "velocitypay") == 0
        assert balance(payment, Code.DISPUTE_RESERVE) == 0
        assert again(payment).disputed_minor == 10_000
        assert_all_invariants_hold()

    def test_a_loss_that_is_overturned_comes_back_through_clearing_alone(self, payment, ada, bruno) -> None:
        before = _balances(payment, ada, bruno)
        taken, back = told.movement("withdrawal", 10_000), told.movement("reinstatement", 10_000)
        one = told.notice(payment, standing="lost", movements=[taken])
        told.follow(one)
        dispute = told.follow(
            told.notice(payment, reference=one.dispute, version=2, standing="won", movements=[taken, back])
        )
        assert (dispute.state, dispute.settled_minor) == ("won", 0)
        assert _balances(payment, ada, bruno) == before
        assert_all_invariants_hold()

    def test_a_won_dispute_may_be_taken_to_pre_arbitration(self, payment) -> None:
        taken, back = told.movement("withdrawal", 10_000), told.movement("reinstatement", 10_000)
        again_taken = told.movement("withdrawal", 10_000)
        one = told.notice(payment, standing="won", movements=[taken, back])
        told.follow(one)
        dispute = told.follow(
            told.notice(
                payment,
                reference=one.dispute,
                version=3,
                stage="pre_arbitration",
                movements=[taken, back, again_taken],
            )
        )
        assert (dispute.state, dispute.withheld_minor, dispute.response) == (
            "pre_arbitration",
            10_000,
            "none",
        )
        assert_all_invariants_hold()


class TestOrder:
    def test_any_order_of_messages_comes_to_the_same(self, northwind, ada) -> None:
        taken, fee = told.movement("withdrawal", 4_000, 1_500), told.movement("withdrawal", 0, 300)
        back = told.movement("reinstatement", 4_000)
        ends = set()
        for order in permutations(range(4)):
            payment = rows.captured_payment(northwind, shares=((ada, 6_000, 600),))
            mine = [
                told.DisputeMovement(
                    f"{one.reference[:40]}-{payment.pk.hex[:20]}", one.kind, one.amount, one.fee
                )
                for one in (taken, fee, back)
            ]
            words = [
                told.notice(payment, reference=f"dp_{payment.pk.hex}", amount=4_000, version=version, **more)
                for version, more in enumerate(
                    (
                        {"stage": "inquiry"},
                        {"movements": mine[:1]},
                        {"stage": "pre_arbitration", "movements": mine[:2]},
                        {"stage": "pre_arbitration", "standing": "won", "movements": mine},
                    ),
                    start=1,
                )
            ]
            for index in order:
                dispute = told.follow(words[index])
            for word in words:
                dispute = told.follow(word)
            shares = DisputeShare.objects.filter(dispute=dispute).values_list("amount_minor", flat=True)
            ends.add((
                dispute.state, dispute.withheld_minor, dispute.fee_minor, dispute.provider_version,
                again(payment).disputed_minor, sum(shares),
                JournalEntry.objects.filter(source_id=dispute.pk).count(),
            ))  # fmt: skip
        assert ends == {("won", 0, 1_800, 4, 0, 0, 3)}
        assert Dispute.objects.filter(merchant=northwind).count() == 24
        assert_all_invariants_hold()

    def test_the_same_message_again_changes_nothing(self, payment) -> None:
        one = told.notice(payment, movements=[told.movement("withdrawal", 10_000)])
        dispute = told.follow(one)
        events = Event.objects.filter(subject_id=dispute.pk).count()
        assert told.follow(one).pk == dispute.pk
        assert Event.objects.filter(subject_id=dispute.pk).count() == events

    def test_a_contradiction_changes_no_state_and_calls_a_person(self, payment) -> None:
        one = told.notice(payment, standing="accepted")
        told.follow(one)
        dispute = told.follow(told.notice(payment, reference=one.dispute, version=2, standing="won"))
        assert dispute.state == "accepted"
        assert AuditRecord.objects.filter(action="dispute.contradicted").exists()

    @pytest.mark.parametrize(
        "movements",
        [
            [told.movement("withdrawal", 10, currency="EUR")],
            [told.movement("reinstatement", 10)],
            [
                told.DisputeMovement(
                    "x" * 65, told.MovementKind.WITHDRAWAL, told.Money(1, "USD"), told.Money(0, "USD")
                )
            ],
        ],
        ids=["other currency", "more back than taken", "reference too long"],
    )
    def test_what_does_not_add_up_is_refused_and_nothing_is_written(self, payment, movements) -> None:
        with pytest.raises(DisputeUnreadable):
            told.follow(told.notice(payment, movements=movements))
        assert not Dispute.objects.filter(payment=payment).exists()


def _balances(payment: Payment, *vendors) -> list[int]:
    own = [balance(payment, code) for code in (Code.MERCHANT_BALANCE, Code.COMMISSION, Code.DISPUTE_RESERVE)]
    return own + [
        balance(payment, code, vendor.pk)
        for vendor in vendors
        for code in (Code.VENDOR_PENDING, Code.VENDOR_RECEIVABLE)
    ]
