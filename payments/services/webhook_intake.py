"""What providers tell us: verify the raw bytes, keep them once, answer, and apply them in a job.

1. A message is kept once per provider and event id; a repeated one changes nothing. One with a bad signature
   is kept as evidence and never applied.
2. The job ends in the same `conclude` as the caller and the recovery, so order does not matter: who comes
   first concludes, the others find it concluded.
3. A message about an operation that we do not know may be early (it can overtake our own commit): it is
   parked and tried again with growing pauses, and after `TRIES_MAX` it is a dead letter for a person.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from ledger import audit, jobs
from ledger.actors import Actor, provider_actor
from ledger.crashpoints import crashpoint, register
from ledger.errors import Unavailable
from ledger.ids import uuid7
from ledger.locks import phased
from payments import locks, selectors
from payments.models import ProviderOperation, ProviderWebhook
from payments.providers import registry
from payments.providers.base import ProviderNotice
from payments.providers.errors import BadSignature
from payments.providers.outcomes import Unknown
from payments.services import operations
from payments.states import FAILED, RECEIVED

JOB: Final = "payments.provider_webhook"
TRIES_MAX: Final = 20  # with the jobs' pauses (1 s, doubling, at most 5 min) about an hour
EVENT_ID_MAX: Final = 100
HEADERS_KEPT: Final = ("webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "user-agent")
HEADER_LENGTH_MAX: Final = 2_000
NOT_OURS: Final = "no operation of ours has this key"
register("webhook.after_receive", "webhook.after_conclude")


class OperationNotYetKnown(Unavailable):
    """The message is about an operation that is not there yet, or not ours; it is parked."""

    code = "operation_not_yet_known"


def receive(provider: str, headers: Mapping[str, str], raw_body: bytes, at: datetime) -> None:
    """Verify a message over its raw bytes and keep it, once; a job will apply it.

    :raises ProviderNotKnown: no such provider. :raises BadSignature: it is not provably the provider's.
    """
    adapter = registry.provider(provider)
    kept = {name: headers[name][:HEADER_LENGTH_MAX] for name in HEADERS_KEPT if name in headers}
    try:
        notice = adapter.notice(headers, raw_body, at)
    except BadSignature as error:
        _keep_refused(provider, kept, raw_body, error.message, at)
        raise
    _keep(provider, kept, raw_body, notice, at)
    crashpoint("webhook.after_receive")


def apply(webhook_id: UUID, at: datetime) -> None:
    """Apply a kept message; the work of its job, safe to repeat.

    :raises OperationNotYetKnown: it is parked, try again later.
    """
    webhook = selectors.webhook(selectors.ALL, webhook_id)
    if webhook.state != RECEIVED:
        return
    notice = _read(webhook)
    operation = selectors.operation_by_key(webhook.provider, notice.idempotency_key)
    if operation is None:
        if not _park(webhook_id, at):
            raise OperationNotYetKnown(f"{webhook.event_type} {webhook.event_id}: {NOT_OURS}")
        return
    if isinstance(notice.outcome, Unknown):
        _ignore(webhook_id, operation, notice.outcome.reason, at)
        return
    operations.conclude(operation, notice.outcome, actor=provider_actor(webhook.provider), at=at)
    crashpoint("webhook.after_conclude")
    _applied(webhook_id, operation, at)


def retry(webhook_id: UUID, *, actor: Actor, reason: str, at: datetime) -> None:
    """Try a dead letter again, by a member of staff with a reason.

    :raises ProviderWebhookNotFound: no such message.
    """
    webhook = selectors.webhook(selectors.ALL, webhook_id)
    notice = _read(webhook)
    operation = selectors.operation_by_key(webhook.provider, notice.idempotency_key)
    if webhook.state == FAILED and operation is not None:
        operations.conclude(operation, notice.outcome, actor=actor, at=at)
        _applied(webhook_id, operation, at)
    _note_retry(webhook_id, actor, reason, at)


def _read(webhook: ProviderWebhook) -> ProviderNotice:
    """Read a kept message again, as of the moment at which it was received."""
    return registry.provider(webhook.provider).notice(
        webhook.headers, bytes(webhook.body), webhook.received_at
    )


@phased
def _keep(
    provider: str, headers: Mapping[str, str], raw_body: bytes, notice: ProviderNotice, at: datetime
) -> None:
    webhook = ProviderWebhook(
        id=uuid7(),
        provider=provider,
        event_id=notice.event_id[:EVENT_ID_MAX],
        event_type=notice.type[:64],
        headers=dict(headers),
        body=raw_body,
        is_verified=True,
        received_at=at,
    )
    webhook.receive()
    ProviderWebhook.objects.bulk_create([webhook], ignore_conflicts=True)
    if ProviderWebhook.objects.filter(pk=webhook.pk).exists():
        jobs.schedule(JOB, str(webhook.pk), at)


@phased
def _keep_refused(
    provider: str, headers: Mapping[str, str], raw_body: bytes, verdict: str, at: datetime
) -> None:
    webhook = ProviderWebhook(
        provider=provider,
        event_id="".join(filter(str.isprintable, headers.get("webhook-id", "")))[:EVENT_ID_MAX],
        headers={name: value.replace("\x00", "") for name, value in headers.items()},
        body=raw_body,
        is_verified=False,
        received_at=at,
    )
    webhook.refuse(verdict, at)
    webhook.save(force_insert=True)


@phased
def _park(webhook_id: UUID, at: datetime) -> bool:
    """Count a try; True when it was the last one and the message is a dead letter now."""
    webhook = locks.webhook(webhook_id)
    webhook.tries += 1
    is_dead = webhook.tries >= TRIES_MAX and webhook.state == RECEIVED
    if is_dead:
        webhook.fail(NOT_OURS)
        webhook.processed_at = at
    else:
        webhook.last_error = NOT_OURS
    webhook.save(update_fields=["tries", "state", "last_error", "processed_at"])
    return is_dead


@phased
def _applied(webhook_id: UUID, operation: ProviderOperation, at: datetime) -> None:
    webhook = locks.webhook(webhook_id)
    if webhook.state in (RECEIVED, FAILED):
        webhook.apply(at)
        _save_verdict(webhook, operation)


@phased
def _ignore(webhook_id: UUID, operation: ProviderOperation, verdict: str, at: datetime) -> None:
    webhook = locks.webhook(webhook_id)
    if webhook.state == RECEIVED:
        webhook.ignore(verdict, at)
        _save_verdict(webhook, operation)


@phased
def _note_retry(webhook_id: UUID, actor: Actor, reason: str, at: datetime) -> None:
    webhook = locks.webhook(webhook_id)
    audit.record(actor=actor, action="provider_webhook.retried", subject=webhook, at=at, reason=reason)


def _save_verdict(webhook: ProviderWebhook, operation: ProviderOperation) -> None:
    webhook.tries += 1
    webhook.operation, webhook.merchant_id = operation, operation.merchant_id
    webhook.save(
        update_fields=[
            "state",
            "tries",
            "operation",
            "merchant",
            "verdict",
            "last_error",
            "processed_at",
        ]
    )
