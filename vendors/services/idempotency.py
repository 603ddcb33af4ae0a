"""Idempotency keys: claim, take over, fence, finish, let go. The behaviour at the desk is in the API.

1. A claim is one statement that commits at once, before anything else is done (an uncommitted row would make
   others wait for the whole request instead of answering 409). It does not wait for the disk: whatever the
   request does outside the database follows a commit that does, and what was committed before lies before it
   in the log. A claim that a crash loses is one of a request that has done nothing yet.
2. Whoever works on the request holds a lease, named by `locked_by`; every later write to the row says
   WHERE locked_by = me. A worker whose lease was taken over writes nothing: its phase rolls back (LeaseLost).
3. The answer is written in the transaction of the effect. 5xx, 429 and retryable refusals are never kept:
   the row stays unfinished, and a retry drives it on with the same `effect_id`; after a 5xx, where nobody
   knows how far it came, the completer does too.
4. A sender who was refused for now (`give_back`) has his answer and decides himself whether to ask again,
   perhaps under another key: nobody may do it behind his back. Such a row has no `locked_by`.
5. Answers are kept for 30 days. A request that nobody was answered is never deleted.
6. A request whose body may not be kept (card data, even encrypted) has none in its row: only its sender can
   drive it on, by sending it again.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from django.db import connection

from ledger import locks, writing
from ledger.errors import Conflict, Forbidden, Invalid
from ledger.ids import uuid7
from ledger.writing import Write
from vendors.models import ApiKey, IdempotencyKey

LEASE: Final = timedelta(seconds=60)
QUIET_BEFORE_RESUMING: Final = timedelta(seconds=30)
KEPT_FOR: Final = timedelta(days=30)
PAUSE_MAX: Final = timedelta(hours=1)
STARTED: Final = "started"
FINISHED: Final = "finished"


class KeyReused(Invalid):
    """The key named another request before."""

    code = "idempotency_key_reused"
    advice = "Use a fresh Idempotency-Key for a new request; repeat a request with the same body."


class KeyRevoked(Forbidden):
    """The API key was revoked while its request came in: nothing was begun."""

    code = "api_key_revoked"
    advice = "Use another API key."


class InProgress(Conflict):
    """The request with this key is being worked on."""

    code = "idempotency_in_progress"
    advice = "Wait the seconds of Retry-After, then send the same request again."
    retryable = True


class LeaseLost(Conflict):
    """Somebody else took this request over; what this worker did in its last phase is undone."""

    code = "idempotency_lease_lost"
    advice = "Send the same request again, with the same Idempotency-Key."
    retryable = True


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as its key names it: who, what, and what is needed to drive it on."""

    merchant_id: UUID
    api_key_id: UUID
    mode: str
    key: str
    method: str
    route: str
    path: str
    api_version: str
    fingerprint: bytes
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a request: the row, the lease's token, and the id of what will be made."""

    id: UUID
    merchant_id: UUID
    api_key_id: UUID
    token: UUID
    effect_id: UUID
    tries: int
    recovery_point: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A final answer, byte for byte."""

    status: int
    headers: dict[str, str]
    body: bytes


def claim(asked: Asked, at: datetime) -> Claim | Stored:
    """Claim a request, or return the answer it has.

    :raises KeyReused: the key named another request. :raises InProgress: somebody works on it.
    :raises KeyRevoked: the API key was revoked since it was looked at.
    """
    fresh = _insert(asked, at)
    if fresh is not None:
        return fresh
    row = _row_of(asked)
    if row is None or (row.is_finished and row.expires_at <= at):
        if row is not None:
            IdempotencyKey.objects.filter(pk=row.pk, finished_at=row.finished_at).delete()
        fresh = _insert(asked, at)
        if fresh is None:
            raise KeyRevoked("the API key is revoked") if _is_revoked(asked) else _in_progress()
        return fresh
    if bytes(row.fingerprint) != asked.fingerprint:
        raise KeyReused("this Idempotency-Key was used for another request", param="Idempotency-Key")
    if row.is_finished:
        return stored_answer(row)
    taken = take_over(row.pk, at)
    if taken is None:
        raise _in_progress()
    return taken


def take_over(key_id: UUID, at: datetime) -> Claim | None:
    """Take the lease of an unfinished request whose lease is over; None when somebody holds it."""
    token = uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE vendors_idempotencykey
               SET locked_by = %s, locked_until = %s, resume_at = %s, tries = tries + 1
               WHERE id = %s AND finished_at IS NULL AND locked_until <= %s
               RETURNING merchant_id, api_key_id, effect_id, tries, recovery_point""",
            [token, at + LEASE, at + LEASE, key_id, at],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    merchant_id, api_key_id, effect_id, tries, point = row
    return Claim(key_id, merchant_id, api_key_id, token, effect_id, tries, point)


def reach(claimed: Claim, point: str, at: datetime) -> None:
    """Note in the caller's phase that the request reached a recovery point, and prolong the lease.

    :raises LeaseLost: the lease was taken over; the phase must roll back.
    """
    moved = IdempotencyKey.objects.filter(
        pk=claimed.id, locked_by=claimed.token, finished_at__isnull=True
    ).update(recovery_point=point, locked_until=at + LEASE, resume_at=at + LEASE)
    if not moved:
        raise _lease_lost()


def finish(claimed: Claim, answer: Stored, at: datetime) -> None:
    """Keep the final answer, in the caller's transaction; the stored request is no longer needed.

    :raises LeaseLost: the lease was taken over; the phase must roll back. In a gathered phase it is
        raised when the writes are sent.
    """
    kept = Write(
        """UPDATE vendors_idempotencykey
           SET recovery_point = %s, finished_at = %s, response_status = %s, response_headers = %s,
               response_body = %s, request_body = NULL, locked_by = NULL
           WHERE id = %s AND locked_by = %s""",  # nobody holds one that is finished
        [FINISHED, at, answer.status, json.dumps(answer.headers), answer.body, claimed.id, claimed.token],
        keys=frozenset({(IdempotencyKey, claimed.id)}),
        missing=_lease_lost,
    )
    (writing.write if locks.is_in_phase() else writing.send)(kept)


def let_go(claimed: Claim, at: datetime) -> None:
    """End the lease without an answer: a retry may take over at once, the completer after a growing pause."""
    pause = min(QUIET_BEFORE_RESUMING * 2 ** min(claimed.tries - 1, 10), PAUSE_MAX)
    IdempotencyKey.objects.filter(pk=claimed.id, locked_by=claimed.token, finished_at__isnull=True).update(
        locked_until=at, resume_at=at + pause
    )


def give_back(claimed: Claim, at: datetime) -> None:
    """End the lease of a request whose sender was told to try again later: only he does."""
    IdempotencyKey.objects.filter(pk=claimed.id, locked_by=claimed.token, finished_at__isnull=True).update(
        locked_by=None, locked_until=at
    )


def unfinished(at: datetime, limit: int) -> list[IdempotencyKey]:
    """Return requests that nobody works on and that wait for the completer, the longest waiting first."""
    return list(
        IdempotencyKey.objects.filter(
            finished_at__isnull=True,
            locked_by__isnull=False,
            request_body__isnull=False,
            resume_at__lte=at,
            locked_until__lte=at,
            occurred_at__lte=at - QUIET_BEFORE_RESUMING,
        ).order_by("resume_at", "id")[:limit]
    )


def stored_answer(row: IdempotencyKey) -> Stored:
    """Return the answer that a finished row keeps."""
    headers: dict[str, Any] = row.response_headers or {}
    return Stored(int(row.response_status or 0), headers, bytes(row.response_body or b""))


def _insert(asked: Asked, at: datetime) -> Claim | None:
    """Insert the row and thereby own it; None when the key is there already, or the API key was revoked.

    One statement, one commit.
    """
    key_id, effect_id, token = uuid7(), uuid7(), uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO vendors_idempotencykey
                 (id, merchant_id, api_key_id, mode, key, method, route, path, api_version, fingerprint,
                  request_body, effect_id, recovery_point, locked_by, locked_until, resume_at, tries,
                  occurred_at, expires_at)
               SELECT %s, %s, k.id, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 1, %s, %s
               FROM vendors_apikey k WHERE k.id = %s AND k.revoked_at IS NULL
               ON CONFLICT (merchant_id, mode, key) DO NOTHING
               RETURNING set_config('synchronous_commit',
                                    coalesce(%s::text, current_setting('synchronous_commit')), true)""",
            [
                key_id, asked.merchant_id, asked.mode, asked.key, asked.method, asked.route,
                asked.path, asked.api_version, asked.fingerprint, asked.body, effect_id, STARTED, token,
                at + LEASE, at + LEASE, at, at + KEPT_FOR, asked.api_key_id,
                None if connection.in_atomic_block else "off",
            ],
        )  # fmt: skip
        if cursor.fetchone() is None:
            return None
    return Claim(key_id, asked.merchant_id, asked.api_key_id, token, effect_id, 1, STARTED)


def _row_of(asked: Asked) -> IdempotencyKey | None:
    return IdempotencyKey.objects.filter(
        merchant_id=asked.merchant_id, mode=asked.mode, key=asked.key
    ).first()


def _is_revoked(asked: Asked) -> bool:
    return ApiKey.objects.filter(pk=asked.api_key_id, revoked_at__isnull=False).exists()


def _in_progress() -> InProgress:
    return InProgress("a request with this Idempotency-Key is being worked on", param="Idempotency-Key")


def _lease_lost() -> LeaseLost:
    return LeaseLost("another worker took this request over", param="Idempotency-Key")
