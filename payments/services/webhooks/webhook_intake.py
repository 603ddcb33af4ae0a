"""What providers tell us: verify the raw bytes, keep them once, answer; `webhook_applying` does the rest.

1. A message is kept once per provider and event id; a repeated one changes nothing. One with a bad signature
   is kept as evidence, up to a limit (`refusing`), and never applied.
2. A merchant may record a message that reached him instead of us. It is verified like any other: the word of
   a provider is what the provider signed, whoever carries it. One about another merchant's money, or about
   none, is answered as not there and not kept.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from ledger import jobs, writing
from ledger.crashpoints import crashpoint, register
from ledger.errors import NotFound
from ledger.ids import show, uuid7
from ledger.locks import phased
from payments import locks, selectors, webhook_selectors
from payments.models import ProviderOperation, ProviderWebhook
from payments.providers import registry
from payments.providers.errors import BadSignature
from payments.providers.notices import DisputeNotice, ProviderNotice
from payments.services.webhooks import refusing

APPLY_TASK: Final = "payments.tasks.apply_webhooks"
APPLY_QUEUE: Final = "webhook_in"
EVENT_ID_MAX: Final = 100
# What is kept of a message's headers: what its signature needs, and who sent it.
HEADERS_KEPT: Final = (
    "webhook-id", "webhook-timestamp", "webhook-signature", "stripe-signature", "paypal-auth-algo",
    "paypal-cert-url", "paypal-transmission-id", "paypal-transmission-sig", "paypal-transmission-time",
    "content-type", "user-agent",
)  # fmt: skip
HEADER_LENGTH_MAX: Final = 2_000
Notice = ProviderNotice | DisputeNotice
register("webhook.after_receive")


class WebhookSubjectNotFound(NotFound):
    """The message is genuine, and about no payment of yours."""

    code = "webhook_subject_not_found"
    advice = "Record it again when the payment that it speaks of exists."


class WebhookNotKept(NotFound):
    """Too many messages that could not be verified were recorded today; this one was only counted."""

    code = "webhook_not_kept"
    advice = "Look at the secret with which your provider signs, and verify a message before you record it."


@dataclass(frozen=True, slots=True)
class Check:
    """What verifying a message found: whether it is genuine, what was wrong, and what it is."""

    is_genuine: bool
    fault: str = ""
    detail: str = ""
    notice: Notice | None = None


def receive(
    provider: str, headers: Mapping[str, str], raw_body: bytes, at: datetime, *, source: str = ""
) -> None:
    """Verify a message over its raw bytes and keep it, once; it will be applied.

    :raises ProviderNotKnown: no such provider. :raises BadSignature: it is not provably the provider's.
    """
    notice = registry.provider(provider).notice(headers, raw_body, at)
    _keep(_row(provider, headers, raw_body, notice, source), at)
    crashpoint("webhook.after_receive")


def check(provider: str, headers: Mapping[str, str], raw_body: bytes, at: datetime) -> Check:
    """Say whether a message is genuine, and if not, what is wrong with it; nothing is kept.

    :raises ProviderNotKnown: no such provider.
    """
    try:
        notice = registry.provider(provider).notice(headers, raw_body, at)
    except BadSignature as error:
        return Check(False, error.fault, error.message)
    return Check(True, notice=notice)


def record(
    *, merchant_id: UUID, provider: str, headers: Mapping[str, str], raw_body: bytes, at: datetime,
    answer: Callable[[ProviderWebhook], None],
) -> ProviderWebhook:  # fmt: skip
    """Keep a message that a merchant carries, and return it: received, as it is when it was kept before, or
    refused when its signature is not right.

    :raises ProviderNotKnown: no such provider. :raises WebhookSubjectNotFound: it is about others' money.
    :raises WebhookNotKept: it is one of too many that could not be verified.
    """
    source = show("mer", merchant_id)
    try:
        notice = registry.provider(provider).notice(headers, raw_body, at)
    except BadSignature as error:
        kept = refusing.keep(
            provider=provider, source=source, headers=headers_kept(headers), raw_body=raw_body, error=error,
            at=at, merchant_id=merchant_id,
        )  # fmt: skip
        if kept is None:
            raise WebhookNotKept(f"too many messages that could not be verified; {error.message}") from error
        return _answered(kept.pk, answer)
    operation = selectors.operation_of(provider, notice)
    if operation is None or operation.merchant_id != merchant_id:
        raise WebhookSubjectNotFound("the message is about no payment of yours")
    row = _row(provider, headers, raw_body, notice, source, operation)
    _keep(row, at)
    return _answered(webhook_selectors.webhook_of_event(provider, row.event_id).pk, answer)


def headers_kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what is kept of a message's headers, their names in small letters."""
    given = {name.lower(): value for name, value in headers.items()}
    return {name: given[name][:HEADER_LENGTH_MAX] for name in HEADERS_KEPT if name in given}


def read(webhook: ProviderWebhook) -> Notice:
    """Read a kept message again, as of the moment at which it was received.

    :raises BadSignature: it cannot be read any more (its secret is gone).
    """
    return registry.provider(webhook.provider).notice(
        webhook.headers, bytes(webhook.body), webhook.received_at
    )


def _row(
    provider: str, headers: Mapping[str, str], raw_body: bytes, notice: Notice, source: str,
    operation: ProviderOperation | None = None,
) -> ProviderWebhook:  # fmt: skip
    return ProviderWebhook(
        id=uuid7(),
        merchant_id=operation.merchant_id if operation else None,
        operation=operation,
        provider=provider,
        event_id=notice.event_id[:EVENT_ID_MAX],
        event_type=notice.type[:64],
        subject=(notice.idempotency_key or notice.reference or notice.event_id)[:128],
        source=source,
        headers=headers_kept(headers),
        body=raw_body,
        is_verified=True,
    )


def _keep(webhook: ProviderWebhook, at: datetime) -> None:
    """Keep a message in one statement, which is a transaction of its own."""
    webhook.receive(at)
    writing.send(writing.adding(ProviderWebhook, [webhook]))
    jobs.hurry(APPLY_TASK, APPLY_QUEUE)


@phased
def _answered(webhook_id: UUID, answer: Callable[[ProviderWebhook], None]) -> ProviderWebhook:
    webhook = locks.webhook(webhook_id)
    answer(webhook)
    return webhook
