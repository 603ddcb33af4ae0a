"""What calls to providers, and their callbacks, tell in a payment's story."""

from collections.abc import Iterable
from datetime import datetime

from ledger.admin import formats
from ledger.admin.story import Context, Item, made_at, tells
from payments.models import ProviderOperation, ProviderWebhook

TONES = {"approved": "good", "declined": "bad", "rejected": "bad", "": "plain"}
TIME_ORDERED = 7  # the version of keys that hold their time


@tells("payment")
def operations_of(context: Context) -> Iterable[Item]:
    """Tell what was asked of the provider for a payment, what it answered, and its callbacks."""
    operations = ProviderOperation.objects.filter(payment_id=context.subject.pk).order_by("created_at", "id")
    # Authorized and captured in one call: one piece of news, which names the authorization alone.
    shared = {
        one.created_at: context.caused[one.public_id] for one in operations if one.public_id in context.caused
    }
    for operation in operations:
        yield from _told_by(operation, context.caused.get(operation.public_id), shared)
    hooks = ProviderWebhook.objects.filter(operation__payment_id=context.subject.pk).order_by("received_at")
    for hook in hooks.defer("body", "headers"):
        yield Item(
            at=hook.received_at,
            kind="callback",
            title=(hook.event_type or hook.event_id).replace("_", " "),
            detail=hook.verdict or hook.last_error or "",
            badge=formats.badge(hook.state),
            link=formats.page_of(hook),
            by=f"provider {hook.provider}",
            written=made_at(hook.pk),
        )


def _told_by(
    operation: ProviderOperation, news: float | None, shared: dict[datetime, float]
) -> Iterable[Item]:
    amount = formats.money_text(operation.amount_minor, operation.currency)
    link, before = formats.page_of(operation), 0.002
    if news is None and operation.pk.version != TIME_ORDERED:
        news, before = shared.get(operation.created_at), 0.0008  # after those of the authorization
    claimed = _claimed(operation, news, before)
    yield Item(
        at=operation.created_at,
        kind="provider operation",
        title=f"{operation.leg.replace(':', ' ')}: {amount} asked of {operation.provider}",
        detail=formats.code(operation.idempotency_key),
        link=link,
        written=claimed,
    )
    ended = operation.concluded_at or operation.noted_at
    if ended is None:
        return
    parts = [operation.outcome_code.replace("_", " "), operation.provider_reference]
    if operation.fee_minor:
        parts.append(f"fee {formats.money_text(operation.fee_minor, operation.currency)}")
    if operation.tries > 1:
        parts.append(f"sent {_times(operation.tries)}")
    if operation.asks:
        parts.append(f"the provider was asked {_times(operation.asks)} what became of it")
    yield Item(
        at=ended,
        kind="answer",
        title=f"{operation.leg.replace(':', ' ')}: {operation.get_outcome_display() or 'no answer yet'}",
        detail=", ".join(filter(None, parts)),
        badge=formats.badge(
            "open" if operation.is_open else "done", "still open" if operation.is_open else "over"
        ),
        tone=TONES.get(operation.outcome, "watch"),
        link=link,
        by=f"provider {operation.provider}",
        # Just before the news that it caused.
        written=claimed + 0.001 if news is None else news - before / 2,
    )


def _claimed(operation: ProviderOperation, news: float | None, before: float) -> float:
    """Return when an operation was written down; a key derived from another (RFC 9562, 5.5) does not tell."""
    if operation.pk.version == TIME_ORDERED:
        return made_at(operation.pk)
    return operation.created_at.timestamp() if news is None else news - before


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
