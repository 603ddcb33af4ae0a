"""One call that creates, screens, authorizes and captures: a sale, with the network behind it.

Whoever learns the outcome first (the caller, the recovery, the callback) concludes both the authorization and
the capture; the books and the network's own truth are compared.
"""

from datetime import timedelta

import pytest
from django.db import connection

from fraud.engine.velocity import FACTS_SQL
from fraud.models import FraudCheck
from fraud.services import screening
from ledger import clock, jobs
from ledger.actors import SYSTEM
from ledger.locks import phase
from ledger.models import Job, JournalEntry
from ledger.recording import record
from payments import locks as payment_locks
from payments.models import Payment, ProviderOperation
from payments.providers import registry
from payments.providers.base import Capability
from payments.services.calls import operations, recovering
from payments.services.calls.operations import OperationOpen
from payments.services.payments import capture_steps
from payments.services.payments.creating import DateInvalid
from payments.services.webhooks import webhook_intake
from tests.kit.books import assert_all_invariants_hold
from tests.kit.callbacks import callback_of
from tests.kit.network import eventually
from tests.kit.shop import work_until
from tests.services.payments.cast import (
    cancelled,
    captured,
    now_plus,
    operation_of,
    sold,
    types_of,
    wish,
)

pytestmark = pytest.mark.django_db(transaction=True)


def fresh(payment):
    return Payment.objects.get(pk=payment.pk)


def entries(payment):
    return JournalEntry.objects.filter(source_id=payment.pk).count()


class TestASale:
    def test_is_one_operation_at_the_network_and_two_in_our_books(self, till, network, ada, bruno):
        payment = till("visa", shares=[(ada, 6_000), (bruno, 3_000)])
        assert (payment.state, payment.authorized_minor, payment.captured_minor) == (
            "captured", 10_000, 10_000,
        )  # fmt: skip
        assert types_of(payment) == ["created", "captured"]
        authorization, capture = operation_of(payment, "authorize"), operation_of(payment, "capture:1")
        told = {row["kind"]: row for row in network.truth(reference=payment.public_id)}
        assert told["authorize"]["idempotency_key"] == authorization.idempotency_key
        assert told["capture"]["idempotency_key"] == capture.idempotency_key
        assert (told["capture"]["id"], told["capture"]["fee"]) == (
            capture.provider_reference, capture.fee_minor,
        )  # fmt: skip
        assert entries(payment) == 1
        assert [share.state for share in payment.share_rows] == ["captured", "captured"]
        assert not Job.objects.filter(reference=str(payment.pk)).exists()
        assert_all_invariants_hold()

    def test_is_repeated_without_a_second_effect(self, till, network):
        payment = till("visa")
        again = till("visa", payment_id=payment.pk)
        assert (again.pk, again.state) == (payment.pk, "captured")
        assert len(network.truth(reference=payment.public_id)) == 2
        assert entries(payment) == 1

    @pytest.mark.parametrize("card", ["late", "lost_answer", "error_before", "pending_ok"])
    def test_that_is_not_known_is_concluded_whole_by_the_recovery(self, till, network, ada, card):
        payment = till(card, shares=[(ada, 6_000)])
        assert (payment.state, payment.is_processing) == ("created", True)
        assert network.faults()[f"scenario:{card}"]
        if card == "pending_ok":
            eventually(
                lambda: network.truth(reference=payment.public_id, status="authorized"), "it is authorized"
            )
        for seconds in (10, 40, 80):
            recovering.sweep(now_plus(seconds))
        assert (fresh(payment).state, fresh(payment).captured_minor, entries(payment)) == (
            "captured", 10_000, 1,
        )  # fmt: skip
        kinds = sorted(row["kind"] for row in network.truth(reference=payment.public_id))
        assert kinds == ["authorize", "capture"]
        assert_all_invariants_hold()

    def test_that_is_not_known_is_concluded_whole_by_the_callback(self, till, network):
        payment = till("lost_answer")
        told = callback_of(network, operation_of(payment, "authorize").idempotency_key)
        webhook_intake.receive("velocitypay", told.headers(), told.body, clock.now())
        work_until(now_plus(0))
        assert (fresh(payment).state, entries(payment)) == ("captured", 1)
        recovering.sweep(now_plus(60))
        assert entries(payment) == 1

    def test_that_is_declined_fails_with_its_shares(self, till, ada):
        payment = till("insufficient_funds", shares=[(ada, 6_000)])
        assert (payment.state, payment.decline_code) == ("failed", "insufficient_funds")
        assert [share.state for share in payment.share_rows] == ["failed"]
        assert_all_invariants_hold()

    def test_whose_capture_is_refused_stays_authorized_and_is_tried_by_the_job(self, till, network):
        payment = till("capture_declined")
        assert payment.state == "authorized"
        jobs.run_due(now_plus(0))
        assert fresh(payment).decline_code == "do_not_honor"
        assert_all_invariants_hold()

    def test_is_an_authorization_where_the_provider_cannot(self, till, monkeypatch):
        monkeypatch.setattr(
            registry.provider(), "capabilities", frozenset(set(Capability) - {Capability.SALE})
        )
        payment = till("visa")
        assert payment.state == "authorized"
        jobs.run_due(now_plus(0))
        assert fresh(payment).state == "captured"

    @pytest.mark.parametrize("fault", ["wrong_amount", "wrong_currency"])
    def test_of_other_money_is_held(self, till, network, fault):
        network.script(fault, operation="authorize")
        payment = till("visa")
        assert (payment.state, entries(payment)) == ("created", 0)
        assert operation_of(payment, "authorize").is_held

    def test_cannot_be_cancelled_before_it_is_known(self, till):
        payment = till("lost_answer")
        with pytest.raises(OperationOpen):
            cancelled(payment)
        recovering.sweep(now_plus(10))
        assert fresh(payment).state == "captured"

    def test_is_refunded_like_any_capture(self, till):
        payment = till("visa")
        with pytest.raises(Exception, match="captured"):
            captured(payment)
        assert payment.refundable.minor == 10_000


class TestSlowFacts:
    def test_the_payment_is_judged_without_them_and_made(self, till, northwind, monkeypatch):
        slow = FACTS_SQL.replace(" AS check_id,", " AS check_id, pg_sleep(5) AS slept,")
        with monkeypatch.context() as patch:
            patch.setattr(screening, "FACTS_SQL", slow)
            patch.setattr(screening.settings, "FRAUD_FACTS_TIMEOUT_SECONDS", 0.05)
            payment = till("visa")
        check = FraudCheck.objects.get(merchant=northwind, payment_ref=payment.public_id)
        assert check.is_degraded
        assert payment.state == "under_review"
        assert payment.fraud_check_ref == check.public_id


class TestManual:
    def test_capture_is_left_to_the_merchant(self, till):
        payment = till("visa", capture_method="manual")
        assert payment.state == "authorized"
        assert not Job.objects.filter(reference=str(payment.pk)).exists()
        assert captured(payment, 4_000).state == "partly_captured"


class TestOnADate:
    def test_a_capture_waits_for_its_date(self, till):
        at = clock.now()
        payment = till("visa", capture_method="scheduled", capture_at=at + timedelta(days=2))
        assert payment.state == "authorized"
        jobs.run_due(at + timedelta(days=1))
        assert fresh(payment).state == "authorized"
        jobs.run_due(at + timedelta(days=2, seconds=1))
        assert fresh(payment).state == "captured"
        assert_all_invariants_hold()

    def test_a_payment_waits_for_its_date_and_is_sold_then(self, till, network):
        at = clock.now()
        payment = till("visa", scheduled_at=at + timedelta(days=30))
        assert (payment.state, payment.is_processing) == ("created", False)
        assert network.truth(reference=payment.public_id) == []
        jobs.run_due(at + timedelta(days=29))
        assert fresh(payment).state == "created"
        jobs.run_due(at + timedelta(days=30, seconds=1))
        assert fresh(payment).state == "captured"
        assert_all_invariants_hold()

    def test_a_cancelled_one_is_not_carried_out(self, till, network):
        at = clock.now()
        payment = till("visa", scheduled_at=at + timedelta(days=1))
        assert cancelled(payment).state == "cancelled"
        jobs.run_due(at + timedelta(days=2))
        assert network.truth(reference=payment.public_id) == []

    @pytest.mark.parametrize(
        "dates",
        [
            {"scheduled_at": timedelta(days=-1)},
            {"scheduled_at": timedelta(days=400)},
            {"capture_at": timedelta(days=1)},
            {"capture_method": "scheduled"},
            {"capture_method": "scheduled", "capture_at": timedelta(days=8)},
            {"capture_method": "scheduled", "capture_at": timedelta(minutes=-1)},
        ],
        ids=str,
    )
    def test_dates_that_cannot_be_kept_are_refused(self, northwind, till, dates):
        at = clock.now()
        options = {
            name: at + value if isinstance(value, timedelta) else value for name, value in dates.items()
        }
        with pytest.raises(DateInvalid):
            till("visa", **options)
        assert not Payment.objects.filter(merchant=northwind).exists()


@pytest.fixture
def till(northwind, network):
    """Pay in one call as Northwind's key: `till(card, **options of wish)`."""

    def pay(card="visa", *, payment_id=None, **options):
        wanted = wish(network.card(card)["token"], **{"capture_method": "automatic", **options})
        return sold(northwind, wanted, payment_id)

    return pay


class TestRowsThatThisProcessHasWritten:
    """They are not read again to be concluded, unless somebody changed them during the call."""

    @pytest.fixture
    def during_the_call(self, monkeypatch):
        def put(step):
            call = operations.call

            def changed(operation):
                outcome = call(operation)
                step(operation)
                return outcome

            monkeypatch.setattr(operations, "call", changed)

        return put

    def test_an_operation_that_was_asked_about_keeps_what_was_noted(
        self, northwind, network, during_the_call
    ):
        during_the_call(lambda row: ProviderOperation.objects.filter(pk=row.pk).update(asks=3))
        payment = sold(northwind, wish(network.card()["token"], capture_method="automatic"))
        assert (payment.state, operation_of(payment, "authorize").asks) == ("captured", 3)

    def test_a_payment_that_was_moved_is_judged_as_it_stands(self, northwind, network, during_the_call):
        def fail(row):
            with phase():
                payment = payment_locks.payment(row.merchant_id, row.payment_id)
                with record(payment, actor=SYSTEM, at=clock.now()) as entry:
                    payment.fail("given up", clock.now())
                    entry.announce({})

        during_the_call(fail)
        payment = sold(northwind, wish(network.card()["token"], capture_method="automatic"))
        assert (fresh(payment).state, operation_of(payment, "authorize").is_held) == ("failed", True)
        assert entries(payment) == 0

    def test_a_phase_that_is_run_again_reads_all_of_them(self, northwind, network, ada, monkeypatch):
        tried = []
        divide = capture_steps.divide

        def once(*told, **more):
            tried.append(told)
            if len(tried) == 1:
                with connection.cursor() as cursor:
                    cursor.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$")
            return divide(*told, **more)

        monkeypatch.setattr(capture_steps, "divide", once)
        payment = sold(
            northwind, wish(network.card()["token"], shares=[(ada, 900)], capture_method="automatic")
        )
        assert len(tried) == 2
        assert tried[0][0] is not tried[1][0]
        assert (fresh(payment).state, fresh(payment).version) == ("captured", 2)
