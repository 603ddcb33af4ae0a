"""Our answer to a dispute: evidence, and the word that goes to the provider, challenge or acceptance.

1. Evidence is added while the dispute is open: a text, or a file whose size is bounded and whose type is what
   its own first bytes say. What is missing for the reason is told, and does not forbid a challenge.
2. The answer runs like every call: claim (which names the evidence that goes along), call, conclude.
3. A challenge that the provider took does not decide anything: won and lost are the provider's word alone,
   also when the date has passed.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from ledger import audit
from ledger.actors import Actor
from ledger.errors import Conflict, Invalid
from ledger.locks import phased
from ledger.money import Money
from ledger.recording import no_answer, record
from payments import dispute_selectors, locks, news
from payments.models import Dispute, DisputeEvidence, Payment, ProviderOperation
from payments.models.disputes import Response
from payments.models.operations import Kind, OutcomeKind
from payments.providers import registry
from payments.providers.base import Capability
from payments.providers.outcomes import Approved, Declined, Outcome, Rejected
from payments.rules import dispute_reasons
from payments.rules.dispute_reasons import EvidenceKind, Need
from payments.services.calls import contradicting, operations, performing
from payments.services.calls.operations import Answer
from payments.services.disputes import dispute_money

FILE_BYTES_MAX: Final = 600_000
FILES_MAX: Final = 8
TEXT_MAX: Final = 10_000
FILENAME_MAX: Final = 120
# What a file begins with: the declared type is not believed.
MEDIA_TYPES: Final = {
    "application/pdf": b"%PDF-",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
}


class DisputeNotAnswerable(Conflict):
    """The dispute is over, or its answer was given or is under way."""

    code = "dispute_not_answerable"
    advice = "Fetch the dispute: an answer is taken while it is open, once for each stage."


class AnswerTooLate(Conflict):
    """The date until which the payer's bank takes an answer has passed."""

    code = "dispute_answer_too_late"
    advice = "Wait for the provider's decision."


class EvidenceMissing(Conflict):
    """There is no evidence at all."""

    code = "dispute_evidence_missing"
    advice = "Add evidence first; the dispute tells what is missing for its reason."


class EvidenceTooLarge(Invalid):
    """A file is larger, or there are more of them, than a provider takes."""

    code = "evidence_too_large"
    advice = f"A file has at most {FILE_BYTES_MAX} bytes, and a dispute at most {FILES_MAX} files."


class EvidenceTypeRefused(Invalid):
    """A file is not of a type that a payer's bank reads."""

    code = "evidence_type_refused"
    advice = "Send a PDF, PNG or JPEG file."


class ProviderCannotAnswer(Conflict):
    """The provider takes no answers to disputes by this way."""

    code = "dispute_answer_not_supported"
    advice = "Answer in the provider's own dashboard."


@dataclass(frozen=True, slots=True)
class NewEvidence:
    """A piece of evidence: a text, or a file with its name and content."""

    kind: EvidenceKind
    text: str = ""
    filename: str = ""
    content: bytes = b""


def add_evidence(
    *, merchant_id: UUID, dispute_id: UUID, evidence_id: UUID, wanted: NewEvidence, actor: Actor,
    at: datetime, reason: str = "", answer: Answer = no_answer,
) -> Dispute:  # fmt: skip
    """Keep a piece of evidence. Run again with the same `evidence_id` it finds what it kept.

    :raises DisputeNotFound: no such dispute. :raises DisputeNotAnswerable: it is over or answered.
    :raises EvidenceTooLarge: a file beyond the bounds. :raises EvidenceTypeRefused: a file of another type.
    """
    media_type = _media_type(wanted)
    return _add(merchant_id, dispute_id, evidence_id, wanted, media_type, actor, at, reason, answer)


def missing(dispute: Dispute) -> list[Need]:
    """Return what is still to be shown for the dispute's reason."""
    kinds = {row.kind for row in dispute_selectors.evidence_of(dispute) if not row.is_submitted}
    return dispute_reasons.missing(dispute.category, kinds)


def challenge(
    *, merchant_id: UUID, dispute_id: UUID, operation_id: UUID, actor: Actor, at: datetime, reason: str = "",
    answer: Answer = no_answer,
) -> Dispute:  # fmt: skip
    """Send the evidence that was added since the last answer to the provider.

    :raises DisputeNotFound: no such dispute. :raises DisputeNotAnswerable: it is over or answered.
    :raises EvidenceMissing: nothing to send. :raises AnswerTooLate: the date has passed.
    :raises ProviderCannotAnswer: not by this way.
    """
    return _perform(Kind.CHALLENGE, merchant_id, dispute_id, operation_id, actor, at, reason, answer)


def accept(
    *, merchant_id: UUID, dispute_id: UUID, operation_id: UUID, actor: Actor, at: datetime, reason: str = "",
    answer: Answer = no_answer,
) -> Dispute:  # fmt: skip
    """Give in: the provider is told, and the money that it took is given up.

    :raises DisputeNotFound: no such dispute. :raises DisputeNotAnswerable: it is over or answered.
    :raises ProviderCannotAnswer: not by this way.
    """
    return _perform(Kind.ACCEPT, merchant_id, dispute_id, operation_id, actor, at, reason, answer)


def hear(dispute: Dispute, taken: str, *, actor: Actor, at: datetime) -> None:
    """Conclude an answer whose own answer was lost, where the provider tells that one was given."""
    operation = dispute_selectors.open_answer(dispute, taken) if taken else None
    if operation is not None and operation.outcome != OutcomeKind.NOT_SENT:
        reference = f"{dispute.provider_reference}:{operation.idempotency_key}"[:100]
        outcome = Approved(reference, operation.amount, Money.zero(operation.currency))
        operations.conclude(operation, outcome, actor=actor, at=at)


@operations.concludes(Kind.CHALLENGE)
@operations.concludes(Kind.ACCEPT)
@phased
def conclude(
    *, operation_id: UUID, outcome: Outcome, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Dispute:
    """End an answer's operation with what the provider says; the first to arrive does it."""
    payment, operation = locks.payment_with_operation(operation_id)
    _, dispute = locks.dispute(operation.merchant_id, operation.subject_id)
    dispute.payment = payment
    if operation.is_awaited:
        outcome = operations.checked(operation, outcome)
        match outcome:
            case Approved():
                _answered(payment, dispute, operation, actor, at)
                operations.close(operation, outcome, at)
            case Declined() | Rejected():
                _refused(payment, dispute, operation, outcome.code, actor, at)
                operations.close(operation, outcome, at)
            case _:
                operations.note(operation, outcome, at)
    else:
        contradicting.note(operation, outcome, actor=actor, at=at)
    dispute.last_operation = operation
    answer(dispute)
    return dispute


def _perform(
    kind: Kind, merchant_id: UUID, dispute_id: UUID, operation_id: UUID, actor: Actor, at: datetime,
    reason: str, answer: Answer,
) -> Dispute:  # fmt: skip
    dispute: Dispute = performing.perform(
        partial(_claim, kind, merchant_id, dispute_id, operation_id, actor, at, reason),
        merchant_id=merchant_id,
        operation_id=operation_id,
        actor=actor,
        at=at,
        answer=answer,
    )
    return dispute


# --- phases ---------------------------------------------------------------------------------------------
@phased
def _add(
    merchant_id: UUID, dispute_id: UUID, evidence_id: UUID, wanted: NewEvidence, media_type: str,
    actor: Actor, at: datetime, reason: str, answer: Answer,
) -> Dispute:  # fmt: skip
    payment, dispute = locks.dispute(merchant_id, dispute_id)
    if DisputeEvidence.objects.filter(pk=evidence_id, dispute=dispute).exists():
        answer(dispute)
        return dispute
    _refuse_unless_answerable(dispute)
    is_file = bool(wanted.content)
    if is_file and sum(bool(row.sha256) for row in dispute_selectors.evidence_of(dispute)) >= FILES_MAX:
        raise EvidenceTooLarge(f"the dispute has {FILES_MAX} files already", param="content")
    row = DisputeEvidence(
        id=evidence_id,
        merchant_id=merchant_id,
        dispute=dispute,
        kind=wanted.kind.value,
        text=wanted.text,
        filename=wanted.filename[:FILENAME_MAX],
        media_type=media_type,
        content=wanted.content,
        size_bytes=len(wanted.content),
        sha256=hashlib.sha256(wanted.content).hexdigest() if is_file else "",
        added_by=actor.as_json(),
        added_at=at,
    )
    with record(dispute, actor=actor, at=at) as entry:
        dispute.add_evidence()
        told = {"evidence_id": row.public_id, "evidence_kind": row.kind, "evidence_sha256": row.sha256}
        entry.announce(news.of_dispute(dispute, payment, **told))
    row.save(force_insert=True)
    if reason:
        audit.record(actor=actor, action="dispute.add_evidence", subject=dispute, at=at, reason=reason)
    answer(dispute)
    return dispute


@phased
def _claim(
    kind: Kind, merchant_id: UUID, dispute_id: UUID, operation_id: UUID, actor: Actor, at: datetime,
    reason: str,
) -> ProviderOperation:  # fmt: skip
    payment, dispute = locks.dispute(merchant_id, dispute_id)
    _refuse_unless_answerable(dispute)
    if Capability.DISPUTES not in registry.provider(dispute.provider).capabilities:
        raise ProviderCannotAnswer(f"{dispute.provider} takes no answers to disputes by this way")
    evidence = DisputeEvidence.objects.filter(dispute=dispute, operation=None)
    if kind is Kind.CHALLENGE:
        if dispute.due_at is not None and at > dispute.due_at:
            raise AnswerTooLate(f"the answer to {dispute.number} was due", due_at=dispute.due_at.isoformat())
        if not evidence.exists():
            raise EvidenceMissing(f"no evidence is there for {dispute.number}")
    response = Response.CHALLENGING if kind is Kind.CHALLENGE else Response.ACCEPTING
    with record(dispute, actor=actor, at=at) as entry:
        dispute.ask_answer(response)
        entry.announce(news.of_dispute(dispute, payment, reason=reason))
    operation = operations.claim(
        operations.Intent(
            operation_id=operation_id,
            merchant_id=merchant_id,
            kind=kind,
            subject_type=Dispute.SUBJECT,
            subject_id=dispute.pk,
            leg=f"answer:{dispute.version}",  # every stage may be answered, and a refused answer again
            provider=dispute.provider,
            amount=dispute.amount,
            request={"reference": dispute.public_id, "dispute": dispute.provider_reference},
            payment_id=payment.pk,
        ),
        actor=actor,
        at=at,
    )
    if kind is Kind.CHALLENGE:
        evidence.update(operation=operation)
    if reason:
        audit.record(actor=actor, action=f"dispute.{kind}", subject=dispute, at=at, reason=reason)
    return operation


# --- steps inside a phase -------------------------------------------------------------------------------
def _answered(
    payment: Payment, dispute: Dispute, operation: ProviderOperation, actor: Actor, at: datetime
) -> None:
    cause = operations.cause(operation)
    is_given_up = operation.kind == Kind.ACCEPT and dispute.is_open
    response = Response.ACCEPTED if operation.kind == Kind.ACCEPT else Response.CHALLENGED
    with record(dispute, actor=actor, at=at, cause=cause) as entry:
        if is_given_up:
            dispute.accept(at)
        else:
            dispute.answer(response)
        entry.announce(news.of_dispute(dispute, payment))
    if is_given_up:
        dispute_money.settle(payment, dispute, actor, at, cause)


def _refused(
    payment: Payment, dispute: Dispute, operation: ProviderOperation, code: str, actor: Actor, at: datetime
) -> None:
    """Free the answer: another may be given, with the same evidence."""
    with record(dispute, actor=actor, at=at, cause=operations.cause(operation)) as entry:
        dispute.fail_answer(code)
        entry.announce(news.of_dispute(dispute, payment, failure_code=code))
    DisputeEvidence.objects.filter(operation=operation).update(operation=None)


def _refuse_unless_answerable(dispute: Dispute) -> None:
    if not dispute.awaits_answer:
        raise DisputeNotAnswerable(
            f"dispute {dispute.number} is {dispute.state}, its answer {dispute.response}",
            status=dispute.state,
        )


def _media_type(wanted: NewEvidence) -> str:
    """Return the type of a file by what it begins with; nothing for a text."""
    if not wanted.content:
        return ""
    if len(wanted.content) > FILE_BYTES_MAX:
        raise EvidenceTooLarge(f"the file has {len(wanted.content)} bytes", param="content")
    for media_type, begins in MEDIA_TYPES.items():
        if wanted.content.startswith(begins):
            return media_type
    raise EvidenceTypeRefused("the file is no PDF, PNG or JPEG", param="content")
