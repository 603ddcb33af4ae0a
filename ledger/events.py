"""Events: the history of every subject, appended with its state change, signed, chained per subject.

A subject's sequence is its row's version, and the hash of its last event is kept on the row, so appending
needs no look-up and no lock but the row's own. `verify_chain` recomputes a stream and names the first event
that was touched.
"""

import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from django.conf import settings

from ledger import reading
from ledger.actors import Actor, current_request
from ledger.changes import Changes
from ledger.models import Event

_SIMPLE: Final = frozenset({str, int, bool, type(None)})
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Cause:
    """What made it happen: an operation, a request, a job."""

    type: str = ""
    id: str = ""


class Fact(NamedTuple):
    """An event not yet written. A tuple, for each step makes one for every subject."""

    id: UUID
    merchant_id: UUID
    subject_type: str
    subject_id: UUID
    sequence: int
    type: str
    from_state: str
    to_state: str
    payload: dict[str, Any]
    cause: Cause
    actor: Actor
    entry_id: UUID | None
    occurred_at: datetime
    previous_hash: bytes
    changes: Changes | None = None


def build(fact: Fact) -> Event:
    """Return the event row of a fact, signed with the current key; it is not saved."""
    event = reading.new(
        Event,
        id=fact.id, merchant_id=fact.merchant_id, subject_type=fact.subject_type, subject_id=fact.subject_id,
        sequence=fact.sequence, type=fact.type, from_state=fact.from_state, to_state=fact.to_state,
        payload=fact.payload, changes=fact.changes, cause_type=fact.cause.type, cause_id=fact.cause.id,
        actor_kind=fact.actor.kind, actor_id=fact.actor.id, entry_id=fact.entry_id,
        request_id=current_request().request_id, occurred_at=fact.occurred_at,
        previous_hash=fact.previous_hash, key_id=settings.EVENT_SIGNING_KEY_ID,
    )  # fmt: skip
    event.hash = signature(event)
    return event


def signature(event: Event) -> bytes:
    """Return the HMAC-SHA-256 (RFC 2104) of an event's content and of the event before it.

    What it says of the row is part of it since events say that; one that says nothing is signed as before.

    :raises KeyError: the key that signed it is not configured.
    """
    content = {
        "id": str(event.id), "merchant": str(event.merchant_id), "subject": event.subject_type,
        "subject_id": str(event.subject_id), "sequence": event.sequence, "type": event.type,
        "from": event.from_state, "to": event.to_state, "payload": event.payload,
        "cause": [event.cause_type, event.cause_id], "actor": [event.actor_kind, event.actor_id],
        "entry": str(event.entry_id or ""), "request": event.request_id,
        "at": int(event.occurred_at.timestamp()) * 1_000_000 + event.occurred_at.microsecond,
        "previous": bytes(event.previous_hash).hex(),
    }  # fmt: skip
    if event.changes is not None:
        content["changes"] = event.changes
    key = settings.EVENT_SIGNING_KEYS[event.key_id].encode()
    return hmac.digest(key, canonical(content, event.payload), "sha256")


def canonical(content: dict[str, Any], payload: Any) -> bytes:
    """Return the JSON that is signed: keys in order, no spaces, characters as they are.

    `payload` is the part of it that may hold anything: orjson writes the same bytes five times as fast, but
    for numbers that are not whole, large ones, and kinds that JSON does not have.
    """
    if _is_simple(payload):
        try:
            return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:  # an integer beyond 64 bits, half a character
            pass
    return _CANONICAL.encode(content).encode()


def _is_simple(value: Any) -> bool:
    kind = type(value)
    if kind in _SIMPLE:
        return True
    if kind is dict:
        return all(type(name) is str and _is_simple(inner) for name, inner in value.items())
    return kind is list and all(map(_is_simple, value))


def stream(subject_type: str, subject_id: UUID) -> Iterator[Event]:
    """Return a subject's events in sequence."""
    events = Event.objects.filter(subject_type=subject_type, subject_id=subject_id)
    return events.order_by("sequence").iterator(chunk_size=500)


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first event of a stream that is not as it was written, and why."""

    event_id: UUID
    sequence: int
    reason: str


def verify_chain(events: Iterator[Event], last: int = 0, last_hash: bytes = b"") -> ChainBreak | None:
    """Recompute a whole stream from its first event, or from that after number `last`, whose hash is known.

    Return the first break, or None.
    """
    previous, expected = last_hash, last + 1
    for event in events:
        if event.sequence != expected:
            return ChainBreak(event.id, event.sequence, f"sequence {expected} is missing")
        if bytes(event.previous_hash) != previous:
            return ChainBreak(event.id, event.sequence, "does not follow the event before it")
        if not hmac.compare_digest(bytes(event.hash), signature(event)):
            return ChainBreak(event.id, event.sequence, "content does not match its signature")
        previous, expected = bytes(event.hash), expected + 1
    return None
