"""Callbacks are applied in batches, in order per subject; trouble with one keeps no other waiting."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from kombu.exceptions import OperationalError

from config.celery import SOFT_TIME_LIMIT_SECONDS
from ledger import clock, jobs
from ledger.actors import Actor
from ledger.ids import uuid7
from ledger.locks import phase
from ledger.models import AuditRecord
from ledger.states import StateConflict
from payments import locks, selectors, tasks, webhook_selectors
from payments.models import Payment, ProviderOperation, ProviderWebhook
from payments.services.calls import operations
from payments.services.webhooks import webhook_applying, webhook_intake
from tests.factories import payments as rows
from tests.kit.callbacks import Callback, apply_due, said_of
from tests.kit.queries import statement_budget
from vendors.models import Merchant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed")]

GRACE = Actor("staff", "7", "grace")


@pytest.fixture
def payment(northwind: Merchant) -> Payment:
    return rows.captured_payment(northwind)


def known(payment: Payment, number: int) -> list[ProviderOperation]:
    """Operations that are over, as almost all are when their callbacks come."""
    return [rows.create_operation(payment, "void", f"void:{place}") for place in range(number)]


def receive(callback: Callback, at: datetime | None = None) -> ProviderWebhook:
    webhook_intake.receive("velocitypay", callback.headers(), callback.body, at or clock.now())
    return ProviderWebhook.objects.get(event_id=callback.event_id)


def stranger(payment: Payment) -> Callback:
    """A genuine message about an operation that is not there."""
    operation = rows.create_operation(payment, "void", f"void:{uuid7().hex[:8]}")
    callback = said_of(operation)
    operation.delete()
    return callback


def fresh(row: ProviderWebhook) -> ProviderWebhook:
    row.refresh_from_db()
    return row


def stopwatch(monkeypatch: pytest.MonkeyPatch, each_seconds: float) -> Callable[[], float]:
    """Let each message take so long by the stopwatch; returns what reads it."""
    seconds = [0.0]
    apply_apart = webhook_applying._apply_apart

    def slowly(*arguments: Any) -> Any:
        seconds[0] += each_seconds
        return apply_apart(*arguments)

    monkeypatch.setattr(webhook_applying, "_apply_apart", slowly)
    monkeypatch.setattr(clock, "monotonic", lambda: seconds[0])
    return lambda: seconds[0]


def trouble(monkeypatch: pytest.MonkeyPatch, *, times: int) -> list[str]:
    """Let the first conclusions fail; returns what was tried."""
    tried: list[str] = []
    conclude = operations.conclude

    def failing(operation: ProviderOperation, *args: Any, **options: Any) -> Any:
        tried.append(operation.idempotency_key)
        if len(tried) <= times:
            raise RuntimeError("the disk is full")
        return conclude(operation, *args, **options)

    monkeypatch.setattr(operations, "conclude", failing)
    return tried


class TestBatches:
    @pytest.mark.parametrize(("number", "statements"), [(1, 6), (40, 7)])
    def test_cost_the_same_whatever_their_size(self, payment: Payment, number: int, statements: int) -> None:
        """With a job for each they cost nine statements each, and a message to the broker."""
        kept = [receive(said_of(operation)) for operation in known(payment, number)]
        # Heads, leases, rows; operations; locks, verdicts; after many, the next heads.
        with statement_budget(exactly=statements):
            assert apply_due(clock.now()) == number
        assert {(fresh(row).state, row.tries, row.verdict) for row in kept} == {
            ("applied", 1, webhook_applying.KNOWN)
        }
        assert {row.merchant_id for row in kept} == {payment.merchant_id}

    def test_receiving_costs_one_statement_and_no_message_of_its_own(
        self, payment: Payment, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
    ) -> None:
        callbacks = [said_of(operation) for operation in known(payment, 20)]
        sent: list[str] = []
        monkeypatch.setattr(current_app, "send_task", lambda task, **_: sent.append(task))
        monkeypatch.setattr(jobs, "_hurried", {})
        monkeypatch.setattr(clock, "monotonic", lambda: 1_000.0)
        with statement_budget(exactly=20), django_capture_on_commit_callbacks(execute=True):
            for callback in callbacks:
                webhook_intake.receive("velocitypay", callback.headers(), callback.body, clock.now())
        assert sent == [webhook_intake.APPLY_TASK]

    def test_a_broker_that_is_away_costs_a_second(
        self, payment: Payment, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
    ) -> None:
        failed: list[str] = []

        def away(task: str, **_: Any) -> None:
            failed.append(task)
            raise OperationalError("the broker is away")

        monkeypatch.setattr(current_app, "send_task", away)
        monkeypatch.setattr(jobs, "_hurried", {})
        with django_capture_on_commit_callbacks(execute=True):
            row = receive(said_of(known(payment, 1)[0]))
        assert failed == [webhook_intake.APPLY_TASK]
        apply_due(clock.now())  # the timetable's turn
        assert fresh(row).state == "applied"


class TestOrder:
    def test_a_second_message_waits_for_the_first(
        self, northwind: Merchant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waiting = rows.create_payment(northwind)
        operation = _open_operation(waiting)
        first, second = receive(said_of(operation)), receive(said_of(operation, status="pending"))
        other = receive(said_of(known(rows.captured_payment(northwind), 1)[0]))
        tried = trouble(monkeypatch, times=1)
        at = clock.now()
        assert apply_due(at) == 3
        assert (fresh(first).state, fresh(second).state, fresh(other).state) == (
            "received", "received", "applied",
        )  # fmt: skip
        assert (first.tries, second.tries, first.last_error) == (1, 0, "RuntimeError: the disk is full")
        assert second.apply_at == first.apply_at > at
        assert apply_due(at) == 0
        assert apply_due(at + timedelta(seconds=2)) == 2
        assert (fresh(first).verdict, fresh(second).state) == (webhook_applying.CONCLUDED, "applied")
        assert tried[:2] == [operation.idempotency_key] * 2
        assert Payment.objects.get(pk=waiting.pk).state == "authorized"

    def test_what_is_leased_is_left_to_its_taker_until_the_lease_ends(self, payment: Payment) -> None:
        [operation] = known(payment, 1)
        receive(said_of(operation))
        at = clock.now()
        assert len(locks.claim_webhooks(at, 10)) == 1
        receive(said_of(operation))  # the same subject: it goes with the first
        assert locks.claim_webhooks(clock.now(), 10) == []
        later = at + timedelta(seconds=locks.WEBHOOK_LEASE_SECONDS + 1)
        assert [row.subject for row in locks.claim_webhooks(later, 10)] == [operation.idempotency_key] * 2

    def test_subjects_behind_a_parked_one_are_not_starved(self, payment: Payment) -> None:
        at = clock.now()
        parked = [stranger(payment) for _ in range(3)]
        for callback in parked:
            receive(callback)
        apply_due(at + timedelta(seconds=1))
        fine = receive(said_of(known(payment, 1)[0]))
        assert [row.pk for row in locks.claim_webhooks(clock.now(), 1)] == [fine.pk]

    def test_only_the_first_of_a_batch_concludes(
        self, northwind: Merchant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The others find it concluded: they lock nothing, and say so."""
        operation = _open_operation(rows.create_payment(northwind))
        kept = [receive(said_of(operation, id="auth_1")) for _ in range(4)]
        tried = trouble(monkeypatch, times=0)
        apply_due(clock.now())
        assert [fresh(row).verdict for row in kept] == [
            webhook_applying.CONCLUDED, *[webhook_applying.KNOWN] * 3,
        ]  # fmt: skip
        assert tried == [operation.idempotency_key]


class TestTries:
    @pytest.mark.parametrize("tries", [1, 2, 5, 9, 20, 60])
    def test_pauses_double_up_to_five_minutes_and_differ(self, tries: int) -> None:
        plain = min(2 ** (tries - 1), 300)
        pauses = {webhook_applying.pause_seconds(tries) for _ in range(50)}
        assert len(pauses) > 40
        assert all(0.8 * plain <= pause <= 1.2 * plain for pause in pauses)

    def test_trouble_ends_as_a_dead_letter_with_its_tries(
        self, northwind: Merchant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = receive(said_of(_open_operation(rows.create_payment(northwind))))
        tried = trouble(monkeypatch, times=99)
        at = clock.now()
        for _ in range(webhook_applying.TRIES_MAX + 2):
            apply_due(at)
            at += timedelta(seconds=400)
        assert len(tried) == webhook_applying.TRIES_MAX
        assert (fresh(row).state, row.tries, row.apply_at) == ("failed", webhook_applying.TRIES_MAX, None)
        assert row.merchant_id == northwind.pk  # it is understood, so its merchant may see it
        assert {attempt["result"] for attempt in row.attempts} == {"RuntimeError: the disk is full"}

    def test_a_secret_that_is_gone_is_trouble_too(self, payment: Payment, settings: Any) -> None:
        from payments.providers import registry

        row = receive(said_of(known(payment, 1)[0]))
        settings.VELOCITYPAY_WEBHOOK_SECRET = "whsec_YW5vdGhlciBzZWNyZXQ="
        registry.reset()
        apply_due(clock.now())
        assert (fresh(row).state, row.tries) == ("received", 1)
        assert row.last_error.startswith("it cannot be read any more")


class TestTheTask:
    """A long backlog is taken in pieces: a run ends in time, and each batch has a lease of its own."""

    @pytest.fixture
    def backlog(self, payment: Payment, monkeypatch: pytest.MonkeyPatch) -> list[ProviderOperation]:
        monkeypatch.setattr(webhook_applying, "BATCH", 1)
        found = known(payment, 3)
        for operation in found:
            for _ in range(locks.SUBJECT_AT_ONCE):
                receive(said_of(operation))
        return found

    def test_leaves_the_rest_to_the_next_run_when_its_time_is_over(
        self, backlog: list[ProviderOperation], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        each = tasks.APPLYING_SECONDS / locks.SUBJECT_AT_ONCE
        stopwatch(monkeypatch, each)
        tasks.apply_webhooks()
        assert self.waiting(backlog) == 2 * locks.SUBJECT_AT_ONCE - 1
        tasks.apply_webhooks()
        tasks.apply_webhooks()
        assert self.waiting(backlog) == 0

    def test_gives_back_what_is_left_of_a_batch_when_its_time_is_over(
        self, payment: Payment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Rows that stay locked cost a message 25 s: who is ended by his limit marks nothing of the batch."""
        apply_due(clock.now())  # what other tests left
        found = known(payment, 5)
        kept = [receive(said_of(operation)) for operation in found]
        seconds = stopwatch(monkeypatch, 25.0)
        tasks.apply_webhooks()
        assert seconds() < SOFT_TIME_LIMIT_SECONDS
        assert self.waiting(found) == len(found) - 1
        for row in map(fresh, kept[1:]):
            assert (row.tries, row.lease_until) == (0, None)
            assert row.apply_at is not None
            assert row.apply_at <= clock.now()
        for _ in found[1:]:
            tasks.apply_webhooks()
        assert [(row.state, row.tries) for row in map(fresh, kept)] == [("applied", 1)] * len(kept)

    def test_takes_each_batch_at_its_own_instant(
        self, backlog: list[ProviderOperation], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        claimed: list[datetime] = []
        claim = locks.claim_webhooks

        def noted(at: datetime, limit: int) -> list[ProviderWebhook]:
            claimed.append(at)
            return claim(at, limit)

        monkeypatch.setattr(locks, "claim_webhooks", noted)
        tasks.apply_webhooks()
        assert self.waiting(backlog) == 0
        assert len(claimed) >= 3
        assert len(set(claimed)) == len(claimed)

    @staticmethod
    def waiting(operations: list[ProviderOperation]) -> int:
        keys = [operation.idempotency_key for operation in operations]
        return ProviderWebhook.objects.filter(subject__in=keys, state="received").count()


class TestPeople:
    def test_ignore_what_waits_with_a_reason(self, payment: Payment) -> None:
        row = receive(stranger(payment))
        webhook_applying.ignore(webhook_id=row.pk, actor=GRACE, reason="not ours", at=clock.now())
        assert (fresh(row).state, row.verdict) == ("ignored", "not ours")
        assert AuditRecord.objects.get(object_id=row.public_id).action == "provider_webhook.ignored"
        with pytest.raises(StateConflict):
            webhook_applying.ignore(webhook_id=row.pk, actor=GRACE, reason="again", at=clock.now())

    def test_do_not_ignore_what_is_being_applied(self, payment: Payment) -> None:
        row = receive(stranger(payment))
        locks.claim_webhooks(clock.now(), 1)
        with pytest.raises(webhook_applying.WebhookBusy):
            webhook_applying.ignore(webhook_id=row.pk, actor=GRACE, reason="not ours", at=clock.now())

    def test_retry_many_and_the_sweep_applies_them(self, payment: Payment) -> None:
        dead = [rows.webhook_about(payment) for _ in range(3)]
        found = webhook_applying.retry_all(
            merchant_id=selectors.ALL, provider="", actor=GRACE, reason="mended", at=clock.now(), limit=9_999
        )
        assert found[0] >= 3
        assert {(fresh(row).state, row.tries) for row in dead} == {("received", 0)}
        assert AuditRecord.objects.filter(reason="mended", object_id=dead[0].public_id).exists()


def test_the_backlog_tells_what_is_late_and_what_was_given_up(payment: Payment) -> None:
    _, dead_before = webhook_selectors.webhook_backlog(clock.now())
    at = clock.now()
    receive(stranger(payment), at)
    rows.webhook_about(payment)
    late, dead = webhook_selectors.webhook_backlog(at + timedelta(seconds=90))
    assert (late >= 90, dead) == (True, dead_before + 1)


def _open_operation(payment: Payment) -> ProviderOperation:
    with phase():
        locks.payment(payment.merchant_id, payment.pk)
        return rows.create_operation(
            payment, "authorize", "authorize", outcome="unknown", provider_reference="", concluded_at=None,
            ask_at=clock.now(),
        )  # fmt: skip
