"""From an operation to the provider's request: the only place that knows what each kind keeps in `request`.

The reference is ours and the same at every try; for a transfer the claimer chooses it (it comes back on the
bank statement), else it is the operation's public id.
"""

from collections.abc import Mapping
from typing import Final

from django.conf import settings

from ledger.money import Money
from payments.models import DisputeEvidence, ProviderOperation
from payments.models.operations import Kind
from payments.providers import registry
from payments.providers.base import Finisher, Provider
from payments.providers.outcomes import Found, Outcome
from payments.providers.requests import (
    AcceptRequest,
    AuthorizeRequest,
    CaptureRequest,
    ChallengeRequest,
    EvidenceItem,
    FinishRequest,
    IncrementRequest,
    RefundRequest,
    Sought,
    TransferRequest,
    VerifyRequest,
    VoidRequest,
)
from payments.services.routes import method_tokens

CALL_MARGIN_SECONDS: Final = 1


def seconds_at_most() -> float:
    """Return how long a call may take, and a little more: then its caller is gone."""
    return (
        settings.PROVIDER_CONNECT_TIMEOUT_SECONDS
        + settings.PROVIDER_READ_TIMEOUT_SECONDS
        + CALL_MARGIN_SECONDS
    )


def send(provider: Provider, operation: ProviderOperation) -> Outcome:
    """Make the call of an operation; what comes back is an outcome, whatever happens on the way."""
    kept, key, amount = operation.request, operation.idempotency_key, operation.amount
    reference = kept.get("reference", operation.public_id)
    match Kind(operation.kind):
        case Kind.AUTHORIZE:
            return provider.authorize(
                AuthorizeRequest(
                    key,
                    amount,
                    reference,
                    kept["token"],
                    capture=kept.get("capture", False),
                    return_url=kept.get("return_url", ""),
                    exemption=kept.get("exemption", ""),
                    method_type=kept.get("method_type", "card"),
                )
            )
        case Kind.INCREMENT:
            before = Money(kept["before_minor"], amount.currency) if "before_minor" in kept else None
            return provider.increment(IncrementRequest(key, amount, reference, kept["authorization"], before))
        case Kind.CAPTURE:
            is_last = kept.get("is_last", False)
            return provider.capture(CaptureRequest(key, amount, reference, kept["authorization"], is_last))
        case Kind.VOID:
            return provider.void(VoidRequest(key, amount, reference, kept["authorization"]))
        case Kind.REFUND:
            return provider.refund(RefundRequest(key, amount, reference, kept["authorization"]))
        case Kind.TRANSFER:
            return provider.transfer(TransferRequest(key, amount, reference, kept["destination"]))
        case Kind.CHALLENGE:
            evidence, again = _evidence(operation), operation.tries > 1
            return provider.challenge(
                ChallengeRequest(key, amount, reference, kept["dispute"], evidence, again)
            )
        case Kind.ACCEPT:
            again = operation.tries > 1
            return provider.accept_dispute(AcceptRequest(key, amount, reference, kept["dispute"], again))
        case Kind.WITHDRAWAL | Kind.REINSTATEMENT | Kind.REFUND_RETURNED | Kind.RETURN_FEE:
            raise ValueError(f"a {operation.kind} is told by the provider, never asked of it")
        case Kind.VERIFY:
            verifier = registry.verifier(operation.provider)
            return verifier.verify(VerifyRequest(key, amount, reference, kept["token"]))
        case Kind.DEPOSIT:
            # The account's number is in the vault, not in the row: it is opened for this one call.
            destination = method_tokens.destination(operation)
            return provider.transfer(TransferRequest(key, amount, reference, destination))


def _evidence(operation: ProviderOperation) -> tuple[EvidenceItem, ...]:
    """Return what was claimed to be submitted with it: the same at every try."""
    rows = DisputeEvidence.objects.filter(operation=operation).order_by("pk")
    return tuple(
        EvidenceItem(row.kind, row.text, row.filename, row.media_type, bytes(row.content)) for row in rows
    )


def finish(finisher: Finisher, operation: ProviderOperation, answer: Mapping[str, str]) -> Outcome:
    """Go on with an authorization whose payer is back, with what he brought."""
    reference = operation.request.get("reference", operation.public_id)
    return finisher.finish(
        FinishRequest(operation.idempotency_key, operation.amount, reference, dict(answer))
    )


def find(provider: Provider, operation: ProviderOperation) -> Found:
    """Ask what became of an operation, with all that is known of it."""
    kept = operation.request
    sought = Sought(
        kind=operation.kind,
        reference=kept.get("reference", operation.public_id),
        authorization=kept.get("authorization") or kept.get("dispute", ""),
        since=operation.created_at,
        until=operation.sent_at or operation.created_at,
        known=operation.provider_reference,
    )
    return provider.find(operation.idempotency_key, operation.amount, sought)
