"""Apply what providers told us: in batches, in the order in which messages about one subject came.

1. A worker takes what is due (SKIP LOCKED, leases), reads it again, and finds all operations by one query.
   What says nothing new is only marked, all in one phase; what does, ends in the same `conclude` as the
   caller and the recovery: who comes first concludes, the others find it concluded.
2. A message about an operation that we do not know may be early (it can overtake our own commit): it is
   parked and tried again with growing pauses, and after `TRIES_MAX` it is a dead letter for a person. So is
   one whose application keeps failing.
3. The row is the job. The broker only hurries the sweep; when a hint is lost, the sweep comes a second later.
"""

import logging
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

from django.db import transaction

from ledger import audit, clock, jobs, writing
from ledger.actors import Actor, provider_actor
from ledger.crashpoints import crashpoint, register
from ledger.errors import Conflict, DomainError
from ledger.events import Cause
from ledger.locks import phased
from ledger.recording import no_answer
from ledger.states import StateConflict
from payments import locks, selectors, webhook_selectors
from payments.models import ProviderOperation, ProviderWebhook
from payments.models.operations import OutcomeKind
from payments.providers.errors import BadSignature, ProviderUnavailable
from payments.providers.notices import DisputeNotice, ProviderNotice
from payments.providers.outcomes import (
    Approved,
    Declined,
    Outcome,
    Pending,
    Rejected,
    RequiresAction,
    Unknown,
)
from payments.services.calls import failing_over, operations
from payments.services.calls.operations import Answer
from payments.services.unknown import unasked
from payments.services.webhooks import webhook_intake
from payments.services.webhooks.webhook_intake import Notice
from payments.states import FAILED, RECEIVED, REFUSED

log = logging.getLogger(__name__)

BATCH: Final = 50  # subjects that are taken at once
TRIES_MAX: Final = 20  # with the pauses below about an hour
PAUSE_FIRST_SECONDS: Final = 1
PAUSE_MAX_SECONDS: Final = 300
JITTER: Final = 0.2
RETRIED_AT_ONCE: Final = 500
NOT_OURS: Final = "no operation of ours has this key"
NO_PAYMENT: Final = "no payment of ours has this authorization"
TAKEN: Final = "taken as the provider told it"
ALIEN: Final = "about no operation"  # a provider also tells what nobody asked
CONCLUDED: Final = "concluded the operation"
KNOWN: Final = "told what was known"
HELD: Final = "the operation is held for a person"
LEFT: Final = "its caller has the same answer, or will have it, and may ask another provider"
register("webhook.after_conclude")


class WebhookNotVerified(Conflict):
    """Its signature is not right, so it is never applied."""

    code = "webhook_not_verified"
    advice = "Record the message again as the provider sent it, with its headers and its raw body."


class WebhookBusy(Conflict):
    """The message, or one before it about the same subject, is being applied."""

    code = "webhook_busy"
    advice = "Fetch it again in a moment."
    retryable = True


class Fate(Enum):
    """What becomes of a message now."""

    APPLY = "apply"
    IGNORE = "ignore"
    PARK = "park"
    WAIT = "wait"  # behind one about the same subject that could not be applied, or for the next run


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was made of one message."""

    fate: Fate
    words: str
    operation: ProviderOperation | None = None
    merchant_id: UUID | None = None  # where there is no operation


def apply_some(at: datetime, until: float = math.inf) -> int:
    """Apply one batch of what is due, under leases that count from `at`; return how many messages it had.

    At `until` (of the stopwatch) what is left of it is given back: its rows may have to be waited for, and
    who is ended in the middle marks nothing, and keeps all of it from others until the leases are over.
    """
    batch = locks.claim_webhooks(at, BATCH)
    if batch:
        _apply(batch, at, until)
    return len(batch)


def process(
    *, merchant_id: selectors.Whose, webhook_id: UUID, at: datetime, answer: Answer = no_answer
) -> ProviderWebhook:
    """Apply a message now, after those before it about the same subject; return it.

    :raises ProviderWebhookNotFound: the merchant has none with this id.
    :raises WebhookNotVerified: it is not provably the provider's. :raises StateConflict: it is a dead letter.
    :raises WebhookBusy: somebody is applying it.
    """
    webhook = webhook_selectors.webhook(merchant_id, webhook_id)
    if webhook.state == REFUSED:
        raise WebhookNotVerified(f"the message was refused: {webhook.verdict}")
    if webhook.state == FAILED:
        raise StateConflict(
            "the message was given up", param="status", state=FAILED, advice="Retry it instead."
        )
    if webhook.state == RECEIVED:
        _apply_now(webhook, at)
    return _answered(webhook_id, answer)


def retry(
    *, merchant_id: selectors.Whose, webhook_id: UUID, actor: Actor, reason: str, at: datetime,
    answer: Answer = no_answer,
) -> ProviderWebhook:  # fmt: skip
    """Give a dead letter its tries again and apply it now; one that waits is applied now. Return it.

    :raises ProviderWebhookNotFound: the merchant has none with this id.
    :raises WebhookNotVerified: it is not provably the provider's. :raises WebhookBusy: somebody is at it.
    """
    webhook = webhook_selectors.webhook(merchant_id, webhook_id)
    if webhook.state == REFUSED:
        raise WebhookNotVerified(f"the message was refused: {webhook.verdict}")
    if webhook.state == FAILED:
        _revive([webhook_id], actor, reason, at)
    return process(merchant_id=merchant_id, webhook_id=webhook_id, at=at, answer=answer)


@phased
def retry_all(
    *, merchant_id: selectors.Whose, provider: str, actor: Actor, reason: str, at: datetime,
    limit: int = RETRIED_AT_ONCE, answer: Answer = no_answer,
) -> tuple[int, int]:  # fmt: skip
    """Give up to `limit` dead letters their tries again, the oldest first; the sweep applies them.

    Of one provider, or of all when it is empty. Returns how many are tried, and how many are left.
    """
    rows = webhook_selectors.dead_webhooks(merchant_id, provider)
    chosen = locks.webhooks_skipping(rows, min(limit, RETRIED_AT_ONCE))
    _retry_locked(chosen, actor, reason, at)
    left = rows.count()
    transaction.on_commit(
        lambda: jobs.hurry(webhook_intake.APPLY_TASK, webhook_intake.APPLY_QUEUE), robust=True
    )
    answer((len(chosen), left))
    return len(chosen), left


@phased
def ignore(*, webhook_id: UUID, actor: Actor, reason: str, at: datetime) -> ProviderWebhook:
    """Let a message rest that waits or was given up, by a member of staff with a reason.

    :raises ProviderWebhookNotFound: no such message. :raises StateConflict: it is over.
    :raises WebhookBusy: somebody is applying it.
    """
    webhook = locks.webhook(webhook_id)
    if webhook.lease_until and webhook.lease_until > at:
        raise WebhookBusy("the message is being applied")
    webhook.ignore(reason, at)
    webhook.save(update_fields=_MARKED)
    audit.record(actor=actor, action="provider_webhook.ignored", subject=webhook, reason=reason, at=at)
    return webhook


# --- one batch ----------------------------------------------------------------------------------------------
def _apply(batch: list[ProviderWebhook], at: datetime, until: float = math.inf) -> None:
    """Apply messages that were leased, in order, the first in any case; mark them together."""
    told: dict[UUID, Notice] = {}
    verdicts: dict[UUID, Verdict] = {}
    for webhook in batch:
        try:
            told[webhook.pk] = webhook_intake.read(webhook)
        except BadSignature as error:
            verdicts[webhook.pk] = Verdict(Fate.PARK, f"it cannot be read any more: {error.message}")
        except ProviderUnavailable as error:
            verdicts[webhook.pk] = Verdict(Fate.PARK, f"it cannot be read now: {error.reason}")
    found = selectors.operations_of_notices((row.provider, told[row.pk]) for row in batch if row.pk in told)
    stuck: set[tuple[str, str]] = set()
    moved: set[tuple[str, str]] = set()  # what a message of this batch has changed
    for webhook in batch:
        subject = (webhook.provider, webhook.subject)
        if subject in stuck or (verdicts and clock.monotonic() > until):
            verdicts[webhook.pk] = Verdict(Fate.WAIT, "")
            continue
        if webhook.pk in told:
            notice = told[webhook.pk]
            named = (webhook.provider, notice.idempotency_key)
            if named in moved:
                found |= selectors.operations_of_notices([(webhook.provider, notice)])
                moved.discard(named)
            verdicts[webhook.pk] = _apply_apart(webhook, notice, found.get(named), at)
            if verdicts[webhook.pk].words in (CONCLUDED, HELD):
                moved.add(named)
        if verdicts[webhook.pk].fate is Fate.PARK:
            stuck.add(subject)
    crashpoint("webhook.after_conclude")
    _mark(verdicts, at)


def _apply_apart(
    webhook: ProviderWebhook, notice: Notice, operation: ProviderOperation | None, at: datetime
) -> Verdict:
    """Apply one message so that its trouble cannot keep the others waiting."""
    try:
        if isinstance(notice, DisputeNotice) or operation is None:
            return _apply_unasked(webhook, notice, at)
        if isinstance(notice.outcome, Unknown):
            return Verdict(Fate.IGNORE, notice.outcome.reason, operation)
        if says_nothing_new(operation, notice.outcome) and not selectors.has_come_back(operation):
            return Verdict(Fate.APPLY, KNOWN, operation)
        if failing_over.is_left_to_caller(operation, notice.outcome, at):
            return Verdict(Fate.PARK, LEFT, operation)
        operations.conclude(operation, notice.outcome, actor=provider_actor(webhook.provider), at=at)
    except DomainError as error:
        return Verdict(Fate.PARK, f"{error.code}: {error.message}", operation)
    except Exception as error:
        # The border of the sweep: whatever went wrong is told, and the message is applied again later.
        log.exception("a callback could not be applied", extra={"webhook_id": webhook.public_id})
        return Verdict(Fate.PARK, f"{type(error).__name__}: {error}", operation)
    if isinstance(notice.outcome, Pending):
        operations.ask_now(operation, at)  # there is news, and the message does not hold all of it
    return Verdict(Fate.APPLY, _words(operation), operation)


def _words(operation: ProviderOperation) -> str:
    """Say what a message was good for, by how its operation stood when it came."""
    if operation.is_open:
        return HELD if operation.is_held else CONCLUDED
    return f"said otherwise after it was {operation.outcome}"


def _apply_unasked(webhook: ProviderWebhook, notice: Notice, at: datetime) -> Verdict:
    """Apply what no operation of ours asked for: a dispute, or a refund that was made at the provider."""
    if not unasked.is_unasked(notice):
        has_key = isinstance(notice, ProviderNotice) and notice.idempotency_key
        return Verdict(Fate.PARK, NOT_OURS) if has_key else Verdict(Fate.IGNORE, ALIEN)
    actor, cause = provider_actor(webhook.provider), Cause("provider_webhook", webhook.public_id)
    merchant_id = unasked.take(webhook.provider, notice, actor=actor, cause=cause, at=at)
    if merchant_id is None:
        return Verdict(Fate.PARK, NO_PAYMENT)
    return Verdict(Fate.APPLY, TAKEN, merchant_id=merchant_id)


def says_nothing_new(operation: ProviderOperation, outcome: Outcome) -> bool:
    """Say whether an operation was concluded with just this outcome, so that there is nothing to lock.

    What was concluded stays so; only a word against it is news.
    """
    if operation.is_open:
        return False
    match outcome:
        case Approved(reference=reference, amount=amount):
            is_same = reference == operation.provider_reference and (
                operation.kind == "void" or amount == operation.amount
            )
            return operation.outcome == OutcomeKind.APPROVED and is_same
        case Declined() | Rejected():
            return operation.outcome in (OutcomeKind.DECLINED, OutcomeKind.REJECTED)
        case Pending() | RequiresAction():
            return True
    return False


@phased
def _mark(verdicts: dict[UUID, Verdict], at: datetime) -> None:
    """Write what became of the messages of a batch; what is over by now (a person ignored it) stays."""
    rows = [row for row in locks.webhooks(verdicts) if row.state == RECEIVED]
    parked_until: dict[tuple[str, str], datetime | None] = {}
    for row in rows:  # in the order of their keys, so those that wait come after the one they wait for
        verdict = verdicts[row.pk]
        if verdict.operation is not None:
            row.operation, row.merchant_id = verdict.operation, verdict.operation.merchant_id
        elif verdict.merchant_id is not None:
            row.merchant_id = verdict.merchant_id
        match verdict.fate:
            case Fate.APPLY:
                row.note_attempt(at, verdict.words)
                row.apply(verdict.words, at)
            case Fate.IGNORE:
                row.note_attempt(at, f"ignored: {verdict.words}")
                row.ignore(verdict.words, at)
            case Fate.PARK:
                _park(row, verdict.words, at)
                parked_until[row.provider, row.subject] = row.apply_at
            case Fate.WAIT:
                row.apply_at = parked_until.get((row.provider, row.subject)) or at
                row.lease_until = None
    if rows:
        writing.write(writing.moving(ProviderWebhook, rows, _MARKED_COLUMNS))


def _park(row: ProviderWebhook, why: str, at: datetime) -> None:
    row.note_attempt(at, why)
    if row.tries >= TRIES_MAX:
        row.fail(why, at)
        return
    row.park(why, at + timedelta(seconds=pause_seconds(row.tries)))


def pause_seconds(tries: int) -> float:
    """Return how long to wait after so many tries: doubling up to five minutes, a fifth more or less."""
    pause = min(PAUSE_FIRST_SECONDS * 2 ** min(tries - 1, 20), PAUSE_MAX_SECONDS)
    return pause * random.uniform(1 - JITTER, 1 + JITTER)


# --- one message --------------------------------------------------------------------------------------------
def _apply_now(webhook: ProviderWebhook, at: datetime) -> None:
    batch = locks.claim_webhooks_of(webhook.provider, webhook.subject, at)
    if batch:
        _apply(batch, at)
    elif webhook_selectors.webhook(selectors.ALL, webhook.pk).state == RECEIVED:
        raise WebhookBusy("the message, or one before it, is being applied")


@phased
def _revive(webhook_ids: Iterable[UUID], actor: Actor, reason: str, at: datetime) -> None:
    _retry_locked([row for row in locks.webhooks(webhook_ids) if row.state == FAILED], actor, reason, at)


def _retry_locked(rows: list[ProviderWebhook], actor: Actor, reason: str, at: datetime) -> None:
    for row in rows:
        row.retry(at)
        audit.record(actor=actor, action="provider_webhook.retried", subject=row, at=at, reason=reason)
    ProviderWebhook.objects.bulk_update(rows, _MARKED)


@phased
def _answered(webhook_id: UUID, answer: Answer) -> ProviderWebhook:
    webhook = locks.webhook(webhook_id)
    answer(webhook)
    return webhook


_MARKED: Final = [
    "state", "operation", "merchant", "verdict", "tries", "attempts", "last_error", "apply_at", "lease_until",
    "processed_at",
]  # fmt: skip
_MARKED_COLUMNS: Final = frozenset({*_MARKED, "operation_id", "merchant_id"} - {"operation", "merchant"})
