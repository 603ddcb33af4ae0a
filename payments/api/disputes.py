"""Controller (ours): disputes. See what payers' banks take back, give evidence, challenge or accept."""

from typing import Any, Final
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from ledger import clock, ids
from payments import dispute_selectors, selectors, states
from payments.api import dispute_shapes as shapes
from payments.api import row_filters
from payments.api.paths import public_status
from payments.models import Dispute
from payments.models.disputes import DisputeNotFound
from payments.models.payments import PaymentNotFound
from payments.rules.dispute_reasons import EvidenceKind
from payments.services.calls.operations import OperationOpen
from payments.services.disputes import answering_disputes
from payments.services.disputes.answering_disputes import (
    AnswerTooLate,
    DisputeNotAnswerable,
    EvidenceMissing,
    EvidenceTooLarge,
    EvidenceTypeRefused,
    NewEvidence,
    ProviderCannotAnswer,
)
from vendors.api.base import MerchantViewSet
from vendors.api.openapi import (
    PAGE_PARAMETERS,
    Answer,
    Body,
    Refusal,
    documented,
    page_example,
    path_id,
    path_text,
)

TAG: Final = "disputes"
LIST_PARAMETERS: Final = (*PAGE_PARAMETERS, *row_filters.PARAMETERS)
ID: Final = path_id("id", "dsp", "The dispute")
BAD_STATUS: Final = Refusal(400, "invalid_request", "There is no such status.", param="status")
REFUSED: Final = Refusal(
    409,
    shapes.ANSWER_REFUSED,
    "The provider did not take it; `dispute` tells.",
    shapes.ANSWER_ADVICE,
)
TAKEN: Final = shapes.example(response="challenged", missing=[])
PAGE: Final = {
    200: Answer(shapes.DisputePage, page_example(shapes.DISPUTE_EXAMPLE), "One page, newest first.")
}


class DisputeViewSet(MerchantViewSet):
    """Disputes of the calling merchant."""

    scopes = {
        "list": "disputes:read",
        "retrieve": "disputes:read",
        "of_payment": "disputes:read",
        "with_status": "disputes:read",
        "challenge": "disputes:write",
        "accept": "disputes:write",
    }

    @documented(
        operation_id="disputes_list",
        tag=TAG,
        summary="List disputes",
        description="All disputes of your payments.",
        parameters=LIST_PARAMETERS,
        answers=PAGE,
    )
    def list(self, request: Request) -> HttpResponse:
        """List disputes."""
        return self._page()

    @documented(
        operation_id="disputes_retrieve",
        tag=TAG,
        summary="Get a dispute",
        description="One dispute: what is withheld, until when an answer is taken, what evidence is there, "
        "and what is missing for its reason.",
        parameters=[ID],
        answers={200: Answer(shapes.DisputeShape, shapes.DISPUTE_EXAMPLE, "The dispute.")},
        errors=(DisputeNotFound,),
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        """Show a dispute."""
        return self.reply(shapes.dispute(dispute_selectors.dispute(self.merchant.pk, _key(id))))

    @documented(
        operation_id="disputes_of_payment",
        tag=TAG,
        summary="List a payment's disputes",
        description="All disputes of one payment.",
        parameters=[path_id("payment_id", "pay", "The payment"), *LIST_PARAMETERS],
        answers=PAGE,
        errors=(PaymentNotFound,),
    )
    def of_payment(self, request: Request, payment_id: str) -> HttpResponse:
        """List the disputes of a payment."""
        payment = selectors.bare_payment(self.merchant.pk, ids.parse("pay", payment_id))
        return self._page(payment_id=payment.pk)

    @documented(
        operation_id="disputes_with_status",
        tag=TAG,
        summary="List disputes by status",
        description="All disputes that have a status now.",
        parameters=[path_text("status", "The status.", states.DISPUTE_STATUSES), *LIST_PARAMETERS],
        answers=PAGE,
        errors=(BAD_STATUS,),
    )
    def with_status(self, request: Request, status: str) -> HttpResponse:
        """List the disputes with a status."""
        return self._page(state=public_status(status, states.DISPUTE_STATUSES))

    @documented(
        operation_id="disputes_challenge",
        tag=TAG,
        summary="Challenge a dispute",
        description="Sends the evidence that was added since the last answer to the provider, once for each "
        "stage. It decides nothing: won or lost is the provider's word. 202 while it is not known whether "
        "the provider has it; we find out.",
        parameters=[ID],
        body=Body(shapes.AnswerInput, {"reason": "It was delivered."}),
        answers={
            200: Answer(shapes.DisputeShape, TAKEN, "The provider has it."),
            202: Answer(shapes.DisputeShape, shapes.example(response="challenging"), "Not known yet."),
        },
        errors=(
            DisputeNotFound, DisputeNotAnswerable, EvidenceMissing, AnswerTooLate, ProviderCannotAnswer,
            OperationOpen, REFUSED,
        ),
        key="required",
    )  # fmt: skip
    def challenge(self, request: Request, id: str) -> HttpResponse:
        """Send the evidence."""
        return self._answer_with(answering_disputes.challenge, id)

    @documented(
        operation_id="disputes_accept",
        tag=TAG,
        summary="Accept a dispute",
        description="Gives in: the provider is told, and what it withholds is given up. This cannot be taken "
        "back.",
        parameters=[ID],
        body=Body(shapes.AnswerInput, {"reason": "It was never sent."}),
        answers={
            200: Answer(
                shapes.DisputeShape,
                shapes.example(status="accepted", response="accepted", missing=[]),
                "Accepted.",
            ),
            202: Answer(shapes.DisputeShape, shapes.example(response="accepting"), "Not known yet."),
        },
        errors=(DisputeNotFound, DisputeNotAnswerable, ProviderCannotAnswer, OperationOpen, REFUSED),
        key="required",
    )
    def accept(self, request: Request, id: str) -> HttpResponse:
        """Give in."""
        return self._answer_with(answering_disputes.accept, id)

    def _answer_with(self, service: Any, id: str) -> HttpResponse:
        asked = self.read(shapes.AnswerInput)
        dispute_id = dispute_selectors.dispute_id(self.merchant.pk, _key(id))
        dispute = service(
            merchant_id=self.merchant.pk,
            dispute_id=dispute_id,
            operation_id=self.effect_id,
            actor=self.actor,
            at=clock.now(),
            reason=asked.get("reason", ""),
            answer=self.answer(shapes.answered),
        )
        return self.finish(dispute)

    def _page(self, **conditions: Any) -> HttpResponse:
        rows = dispute_selectors.disputes(self.merchant.pk).filter(**conditions)
        return row_filters.page(self, rows, prefix=Dispute.PREFIX, render=shapes.dispute)


class DisputeEvidenceViewSet(MerchantViewSet):
    """Evidence in disputes of the calling merchant; a body may hold a file."""

    scopes = {"create": "disputes:write"}
    parser_classes = [shapes.EvidenceParser]

    @documented(
        operation_id="disputes_add_evidence",
        tag=TAG,
        summary="Add evidence",
        description="Keeps a text or a file (PDF, PNG or JPEG, by its own first bytes) until the dispute is "
        "challenged. The answer tells what is still missing for the reason.",
        parameters=[ID],
        body=Body(shapes.NewEvidenceInput, shapes.EVIDENCE_EXAMPLE),
        answers={201: Answer(shapes.DisputeShape, shapes.DISPUTE_EXAMPLE, "Kept; the dispute.")},
        errors=(DisputeNotFound, DisputeNotAnswerable, EvidenceTooLarge, EvidenceTypeRefused),
        key="required",
    )
    def create(self, request: Request, id: str) -> HttpResponse:
        """Keep a piece of evidence."""
        asked = self.read(shapes.NewEvidenceInput)
        dispute_id = dispute_selectors.dispute_id(self.merchant.pk, _key(id))
        wanted = NewEvidence(
            EvidenceKind(asked["kind"]),
            text=asked.get("text", ""),
            filename=asked.get("filename", ""),
            content=asked.get("content", b""),
        )
        dispute = answering_disputes.add_evidence(
            merchant_id=self.merchant.pk,
            dispute_id=dispute_id,
            evidence_id=self.effect_id,
            wanted=wanted,
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(shapes.dispute, 201),
        )
        return self.finish(dispute)


def _key(text_form: str) -> UUID:
    return ids.parse(Dispute.PREFIX, text_form)
