"""Marketplace payments: several sellers, one buyer, whole or not at all; undone in reverse, never twice."""

from datetime import timedelta

import pytest
from django.db import connection

from ledger import balances, chart, clock, events
from ledger.actors import SYSTEM, staff_actor
from ledger.chart import Code
from ledger.models import AuditRecord, Event, JournalEntry, Posting
from ledger.states import StateConflict
from payments.models import PaymentTransaction
from payments.rules.share_division import Line, SplitInvalid, SplitTooLarge
from payments.services.marketplace import carrying_sagas, marketplace, recording_shares
from payments.services.marketplace.recording_shares import PaymentClosedToShares, ShareWish
from payments.services.payments import capturing
from payments.services.payments.capturing import CaptureManaged
from tests.kit.books import assert_all_invariants_hold
from tests.kit.sagas import KEY, begun, carried, seen, steps_of
from tests.services.payments.cast import authorized, cancelled, captured, now_plus
from vendors.services import onboarding

pytestmark = pytest.mark.django_db


def thirds(ada, bruno):
    return [(ada, Line(weight=2)), (bruno, Line(weight=1))]


def suspend(vendor):
    onboarding.suspend_vendor(
        merchant_id=vendor.merchant_id, vendor_id=vendor.pk, reason="KYC", actor=SYSTEM, at=clock.now()
    )


def let_go_on(saga, reason):
    marketplace.resume(
        merchant_id=saga.merchant_id,
        saga_id=saga.pk,
        reason=reason,
        actor=staff_actor(7, "finn"),
        at=clock.now(),
    )


def assert_in_its_month(table, column, key):
    """Its records leave with a month: none lies where what names no month does."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT tableoid::regclass::text FROM {table} WHERE {column} = %s", [key])
        assert cursor.fetchall() == [(f"{table}_{clock.now():%Y_%m}",)]


class TestWhole:
    def test_divides_captures_and_finds_it_in_the_books(self, northwind, ada, bruno, network):
        saga = begun(northwind, network.card()["token"], thirds(ada, bruno))
        assert (saga.state, saga.payment.state) == ("running", "created")

        saga = carried(saga)

        assert (saga.state, saga.payment.state) == ("completed", "captured")
        assert (saga.fee_held_minor, saga.allocated_minor) == (500, 9_500)
        shares = PaymentTransaction.objects.filter(payment=saga.payment).order_by("position")
        assert [share.amount_minor for share in shares] == [6_333, 3_167]
        assert all(step.endswith(" done") for step in steps_of(saga))
        for share in shares:
            owed = balances.balance(chart.account(Code.VENDOR_PENDING, northwind.pk, "USD", share.vendor_id))
            assert -owed.minor == share.amount_minor - share.commission_minor
        assert_in_its_month("ledger_event", "subject_id", saga.payment_id)
        assert_in_its_month("ledger_fact", "source_id", saga.payment_id)
        assert JournalEntry.objects.filter(source_id=saga.payment_id).count() == 1
        assert_all_invariants_hold()

    @pytest.mark.parametrize(("currency", "amount"), [("JPY", 1_001), ("BHD", 10_007)])
    def test_in_currencies_with_other_exponents(self, northwind, ada, bruno, network, currency, amount):
        token = network.card()["token"]
        saga = carried(begun(northwind, token, thirds(ada, bruno), amount=amount, currency=currency, fee=1))
        assert saga.state == "completed"
        assert saga.fee_held_minor + saga.allocated_minor == amount

    def test_begun_again_it_is_found(self, northwind, ada, network):
        token = network.card()["token"]
        first = begun(northwind, token, [(ada, Line(weight=1))])
        again = begun(northwind, token, [(ada, Line(weight=1))], saga_id=first.pk)
        assert again.pk == first.pk
        assert len(seen(first).step_rows) == 5

    def test_a_challenge_is_waited_for(self, northwind, ada, network):
        saga = carried(begun(northwind, network.card("challenge")["token"], [(ada, Line(weight=1))]))
        assert (saga.state, saga.payment.state) == ("running", "requires_action")
        assert steps_of(saga)[0] == "authorize started"


class TestRefusedAtOnce:
    @pytest.mark.parametrize(
        ("lines", "fee", "error"),
        [
            ([Line(amount_minor=9_000)], 500, SplitInvalid),
            ([Line(amount_minor=9_600)], 500, SplitTooLarge),
            ([], 500, marketplace.NoSellers),
        ],
    )
    def test_what_does_not_come_to_the_whole(self, northwind, ada, lines, fee, error):
        with pytest.raises(error):
            begun(northwind, "vpt_none", [(ada, line) for line in lines], fee=fee)

    def test_a_seller_twice(self, northwind, ada):
        with pytest.raises(SplitInvalid):
            begun(northwind, "vpt_none", [(ada, Line(weight=1)), (ada, Line(weight=1))])


class TestTurnedBack:
    def test_a_declined_card_leaves_nothing(self, northwind, ada, bruno, network):
        saga = carried(begun(northwind, network.card("insufficient_funds")["token"], thirds(ada, bruno)))
        assert (saga.state, saga.payment.state) == ("failed", "failed")
        assert steps_of(saga)[0] == "authorize failed"
        assert steps_of(saga, "back") == []
        assert (saga.fee_held_minor, saga.allocated_minor) == (0, 0)
        assert_all_invariants_hold()

    def test_a_seller_who_cannot_sell_undoes_the_others_in_reverse(self, northwind, ada, bruno, network):
        saga = begun(northwind, network.card()["token"], thirds(ada, bruno))
        suspend(bruno)

        saga = carried(saga)

        assert (saga.state, saga.payment.state) == ("failed", "cancelled")
        assert "cannot sell" in saga.reason
        assert steps_of(saga, "back") == ["allocate done", "hold_fee done", "authorize done"]
        undone = Event.objects.filter(subject_id=saga.pk, type="saga.step_undone").order_by("sequence")
        assert [event.payload["fee_held_minor"] for event in undone] == [500, 0, 0]
        assert [event.payload["allocated_minor"] for event in undone] == [0, 0, 0]
        assert PaymentTransaction.objects.get(payment=saga.payment).state == "cancelled"
        assert (saga.fee_held_minor, saga.allocated_minor) == (0, 0)
        assert not JournalEntry.objects.filter(source_id=saga.payment_id).exists()
        assert_all_invariants_hold()

    def test_a_declined_capture_gives_the_reservation_back(self, northwind, ada, network):
        saga = carried(begun(northwind, network.card("capture_declined")["token"], [(ada, Line(weight=1))]))
        assert (saga.state, saga.payment.state) == ("failed", "cancelled")
        assert "refused the capture" in saga.reason
        assert_all_invariants_hold()

    def test_the_merchant_cancels_while_the_customer_is_away(self, northwind, ada, network):
        saga = carried(begun(northwind, network.card("challenge")["token"], [(ada, Line(weight=1))]))
        marketplace.cancel(
            merchant_id=northwind.pk, saga_id=saga.pk, reason="sold out", actor=KEY, at=clock.now()
        )
        saga = carried(saga)
        assert (saga.state, saga.payment.state, saga.reason) == ("failed", "cancelled", "sold out")
        assert_all_invariants_hold()

    def test_its_time_passes(self, northwind, ada, network):
        saga = carried(begun(northwind, network.card("challenge")["token"], [(ada, Line(weight=1))]))
        saga = carried(saga, saga.deadline_at + timedelta(seconds=1))
        assert (saga.state, saga.reason) == ("failed", carrying_sagas.TOO_LATE)
        assert saga.payment.state in ("cancelled", "failed")
        assert_all_invariants_hold()

    def test_too_late_to_cancel(self, northwind, ada, network):
        saga = carried(begun(northwind, network.card()["token"], [(ada, Line(weight=1))]))
        with pytest.raises(StateConflict):
            marketplace.cancel(
                merchant_id=northwind.pk, saga_id=saga.pk, reason="", actor=KEY, at=clock.now()
            )

    def test_a_payment_cancelled_beside_it_turns_it_back(self, northwind, ada, network):
        saga = begun(northwind, network.card()["token"], [(ada, Line(weight=1))])
        cancelled(authorized(saga.payment))
        saga = carried(saga)
        assert (saga.state, saga.payment.state) == ("failed", "cancelled")
        assert_all_invariants_hold()


class TestOnlyTheSagaMoves:
    def test_its_payment_is_captured_and_divided_by_nobody_else(self, northwind, ada, bruno, network):
        saga = begun(northwind, network.card()["token"], [(ada, Line(weight=1))])
        wish = ShareWish(saga.pk, saga.payment_id, bruno.pk, 100)
        with pytest.raises(PaymentClosedToShares):
            recording_shares.record_share(merchant_id=northwind.pk, wish=wish, actor=KEY, at=clock.now())
        payment = authorized(saga.payment)
        with pytest.raises(CaptureManaged):
            captured(payment)
        assert capturing.CaptureManaged.code == "capture_managed"
        assert carried(saga).state == "completed"


class TestBlocked:
    def test_a_void_that_is_refused_calls_a_person_who_lets_it_go_on(self, northwind, ada, network):
        saga = begun(northwind, network.card()["token"], [(ada, Line(weight=1))])
        suspend(ada)
        network.script(*["decline:processing_error"] * carrying_sagas.UNDO_TRIES, operation="void")
        for minutes in range(carrying_sagas.UNDO_TRIES):
            assert saga.state in ("running", "compensating")
            saga = carried(saga, now_plus(120 * minutes))
        assert (saga.state, saga.payment.state) == ("blocked", "authorized")
        assert "refused the void" in saga.reason
        assert AuditRecord.objects.filter(action="saga.blocked", object_id=saga.public_id).exists()
        assert_all_invariants_hold()

        let_go_on(saga, "the provider is well again")
        saga = carried(saga, now_plus(900))
        assert (saga.state, saga.payment.state) == ("failed", "cancelled")
        assert_all_invariants_hold()

    def test_books_that_differ_from_the_plan_call_a_person(self, northwind, ada, network, monkeypatch):
        def wrong(entry, share):
            return 1

        saga = begun(northwind, network.card()["token"], [(ada, Line(weight=1))])
        with monkeypatch.context() as patched:
            patched.setattr("payments.services.marketplace.saga_steps._posted_for", wrong)
            saga = carried(saga)
        assert saga.state == "blocked"
        assert Posting.objects.filter(entry__source_id=saga.payment_id).exists()
        let_go_on(saga, "the books are right")
        assert carried(saga).state == "completed"
        kinds = [event.type for event in events.stream("saga", saga.pk)]
        assert kinds[-3:] == ["saga.blocked", "saga.resumed", "saga.completed"]
        assert_all_invariants_hold()
