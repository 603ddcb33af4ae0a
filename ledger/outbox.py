"""The outbox: news for the floors above, written with the event, delivered at least once and in order per
subject.

A handler is named by `@handles(event_type)` and must be idempotent: it runs in phases of its own, after the
event's transaction, and may run again after a crash. Delivery claims rows with SKIP LOCKED and a lease; it
never pages by "id greater than the last seen", because ids do not commit in order. A handler that keeps
failing is parked as dead after `TRIES_MAX` and shown to staff; its subject's later messages wait for nobody
then.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, models

from ledger import metrics, reading, writing
from ledger.errors import DomainError
from ledger.models import Event, OutboxMessage
from ledger.writing import Write

log = logging.getLogger(__name__)

Handler = Callable[[Event], None]
ManyHandler = Callable[[Sequence[Event]], None]

LEASE: Final = timedelta(seconds=60)
TRIES_MAX: Final = 12
PAUSE_FIRST_SECONDS: Final = 2
PAUSE_MAX_SECONDS: Final = 3600

_handlers: dict[str, dict[str, Handler]] = {}
_together: dict[Handler, ManyHandler] = {}


def handles(*event_types: str, together: ManyHandler | None = None) -> Callable[[Handler], Handler]:
    """Register a function as a handler of these event types; its dotted name is its address for ever.

    `together` does the same for events of several subjects at once, all or nothing: what it fails with is
    tried one by one, so that one event's trouble is no other's.
    """

    def register(function: Handler) -> Handler:
        name = f"{function.__module__}.{function.__qualname__}"
        for event_type in event_types:
            _handlers.setdefault(event_type, {})[name] = function
        if together is not None:
            _together[function] = together
        return function

    return register


def heard_types() -> set[str]:
    """Return every event type that somebody handles."""
    return set(_handlers)


def enqueue(events: Sequence[Event], at: datetime) -> None:
    """Write one message per event and handler, in the caller's phase; nothing when nobody listens."""
    writing.write(*messages(events, at))


def messages(events: Sequence[Event], at: datetime) -> list[Write]:
    """Return the write of one message per event and handler; none when nobody listens."""
    rows = [
        reading.new(
            OutboxMessage,
            event_id=event.pk,
            handler=name,
            subject_id=event.subject_id,
            sequence=event.sequence,
            due_at=at,
        )
        for event in events
        for name in _handlers.get(event.type, ())
    ]
    return [writing.inserting(OutboxMessage, rows)] if rows else []


def relay(at: datetime, limit: int = 200) -> int:
    """Deliver what is due; return how many messages were delivered.

    A message waits while an earlier one of the same subject and handler is undelivered.
    """
    delivered = 0
    claimed = _claim(at, limit)
    for hear, messages in _heard_together(claimed).items():
        if _deliver_together(hear, messages, at):
            delivered += len(messages)
            told = {message.pk for message in messages}
            claimed = [message for message in claimed if message.pk not in told]
    for message in claimed:
        delivered += _deliver(message, at)
    return delivered


def relay_all(at: datetime, rounds_max: int = 1000) -> int:
    """Deliver until nothing more is due (one run of the relay); return how many."""
    total = 0
    for _ in range(rounds_max):
        delivered = relay(at)
        if not delivered:
            break
        total += delivered
    return total


def retry_dead(message_id: int, at: datetime) -> bool:
    """Give a dead message its tries again; False when it is not dead."""
    found = OutboxMessage.objects.filter(pk=message_id).exclude(dead_at=None)
    return bool(found.update(dead_at=None, tries=0, due_at=at, lease_until=None))


def lag_seconds(at: datetime) -> float:
    """Return the age of the oldest message that is due and not delivered, in seconds; 0 when none is."""
    oldest = (
        OutboxMessage.objects.filter(sent_at=None, dead_at=None)
        .order_by("due_at")
        .values_list("due_at", flat=True)
    ).first()
    return max(0.0, (at - oldest).total_seconds()) if oldest else 0.0


def _claim(at: datetime, limit: int) -> list[OutboxMessage]:
    # The first undelivered message of each subject and handler, in the order in which they fell due.
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE ledger_outbox SET lease_until = %s, tries = tries + 1 WHERE id IN (
                   SELECT m.id FROM ledger_outbox m
                   WHERE m.sent_at IS NULL AND m.dead_at IS NULL AND m.due_at <= %s
                     AND (m.lease_until IS NULL OR m.lease_until < %s)
                     AND NOT EXISTS (SELECT 1 FROM ledger_outbox earlier
                                     WHERE earlier.handler = m.handler AND earlier.subject_id = m.subject_id
                                       AND earlier.sequence < m.sequence
                                       AND earlier.sent_at IS NULL AND earlier.dead_at IS NULL)
                   ORDER BY m.due_at, m.id LIMIT %s FOR UPDATE SKIP LOCKED)
               RETURNING id""",
            [at + LEASE, at, at, limit],
        )
        claimed = [row[0] for row in cursor.fetchall()]
    # The subject, too, is compared: events lie in partitions by it.
    found = OutboxMessage.objects.filter(pk__in=claimed, event__subject_id=models.F("subject_id"))
    return list(found.select_related("event").order_by("due_at", "pk"))


def _heard_together(claimed: Sequence[OutboxMessage]) -> dict[ManyHandler, list[OutboxMessage]]:
    """Return the messages that some function hears at once, where there are several for it."""
    found: dict[ManyHandler, list[OutboxMessage]] = {}
    for message in claimed:
        handler = _handlers.get(message.event.type, {}).get(message.handler)
        if handler in _together:
            found.setdefault(_together[handler], []).append(message)
    return {hear: messages for hear, messages in found.items() if len(messages) > 1}


def _deliver_together(hear: ManyHandler, messages: Sequence[OutboxMessage], at: datetime) -> bool:
    try:
        hear([message.event for message in messages])
    except Exception:
        # The border of handlers: whose trouble it is shows when they are delivered one by one.
        log.warning("news could not be heard together", extra={"count": len(messages)})
        return False
    rows = OutboxMessage.objects.filter(pk__in=[message.pk for message in messages])
    rows.update(sent_at=at, lease_until=None, last_error="")
    return True


def _handler_of(message: OutboxMessage) -> Handler:
    handler = _handlers.get(message.event.type, {}).get(message.handler)
    if handler is None:
        # Another release, side by side with this one, may have it: the message waits like any that failed.
        raise LookupError(f"no handler {message.handler} in this release")
    return handler


def _deliver(message: OutboxMessage, at: datetime) -> int:
    row = OutboxMessage.objects.filter(pk=message.pk)
    try:
        _handler_of(message)(message.event)
    except Exception as error:
        # The border of handlers: whatever went wrong is kept on the row, and it is delivered again later.
        metrics.outbox_failures.labels(message.handler).inc()
        pause = min(PAUSE_FIRST_SECONDS * 2 ** (message.tries - 1), PAUSE_MAX_SECONDS)
        is_dead = message.tries >= TRIES_MAX
        if not isinstance(error, DomainError):
            log.exception(
                "outbox handler failed", extra={"handler": message.handler, "message_id": message.pk}
            )
        row.update(
            due_at=at + timedelta(seconds=pause),
            lease_until=None,
            last_error=f"{type(error).__name__}: {error}"[:2000],
            dead_at=at if is_dead else None,
        )
        return 0
    row.update(sent_at=at, lease_until=None, last_error="")
    return 1
