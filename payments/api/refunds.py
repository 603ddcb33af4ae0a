"""Controller 4: refunds. Ask for money back, process it, and read what became of it."""

from collections.abc import Sequence
from typing import Any, Final

from django.http import HttpResponse
from rest_framework.request import Request

from ledger import clock, ids
from ledger.errors import DomainError
from ledger.states import StateConflict
from payments import selectors, states
from payments.api import outcome_answers as answers
from payments.api import refund_shapes as shapes
from payments.api import renderings, row_filters
from payments.api.paths import public_status, text
from payments.api.payment_shapes import Nothing, Reason
from payments.models import Refund
from payments.models.payments import PaymentNotFound
from payments.models.refunds import RefundNotFound
from payments.rules.refund_division import BadRefundSplit, RefundTooLarge
from payments.services.calls.operations import OperationOpen
from payments.services.methods import method_errors
from payments.services.refunds import refunding, renewing_refunds, requesting_refunds
from payments.services.refunds.requesting_refunds import (
    PaymentNotRefundable,
    RefundReferenceTaken,
    RefundWish,
)
from payments.services.transfers import sending_back
from vendors.api.base import MerchantViewSet
from vendors.api.idempotency import ACCEPTED
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

TAG: Final = "refunds"
LIST_PARAMETERS: Final = (*PAGE_PARAMETERS, *row_filters.PARAMETERS)
STATUS: Final = row_filters.status_parameter(states.REFUND_STATUSES)
ID: Final = path_id("id", "ref", "The refund")
DECLINED: Final = Refusal(
    402, answers.REFUND_DECLINED, "The provider refused; `refund` is the refund.", answers.REFUND_ADVICE
)
BAD_STATUS: Final = Refusal(400, "invalid_parameter", "There is no such status.", param="status")
OF_THE_ACCOUNT: Final[tuple[type[DomainError], ...]] = (
    sending_back.RefundAccountMissing,
    sending_back.RefundAccountNotTaken,
    sending_back.NoRailForRefund,
    *method_errors.ACCOUNT,
)
COMPLETED: Final = shapes.refund_example(
    status="completed",
    provider_reference="re_5d1a",
    processed_at="2026-11-21T10:00:01.000Z",
    closed_at="2026-11-21T10:00:01.000Z",
)
ONE: Final = {200: Answer(shapes.RefundShape, shapes.REFUND_EXAMPLE, "The refund.")}
PAGE: Final = {200: Answer(shapes.RefundPage, page_example(shapes.REFUND_EXAMPLE), "One page, newest first.")}


class RefundViewSet(MerchantViewSet):
    """Refunds of the calling merchant."""

    scopes = {
        "create": "refunds:write",
        "process": "refunds:write",
        "complete": "refunds:write",
        "fail": "refunds:write",
        "ask_again": "refunds:write",
        "retrieve": "refunds:read",
        "by_number": "refunds:read",
        "of_payment": "refunds:read",
        "of_order": "refunds:read",
        "with_status": "refunds:read",
    }
    idempotency = {"complete": ACCEPTED, "fail": ACCEPTED}

    @documented(
        operation_id="refunds_create",
        tag=TAG,
        summary="Ask for a refund",
        description="Reserves the amount at once, so refunds never exceed what was captured. Up to the "
        "merchant's limit the refund is approved; above it a second person decides. Then process it. What a "
        "payer sent by wire or check goes back to the `account` that is named here, with the next bank file.",
        body=Body(shapes.CreateRefund, shapes.CREATE_EXAMPLE),
        answers={201: Answer(shapes.RefundShape, shapes.REFUND_EXAMPLE, "Reserved.")},
        errors=(
            PaymentNotFound,
            PaymentNotRefundable,
            RefundTooLarge,
            BadRefundSplit,
            RefundReferenceTaken,
            *OF_THE_ACCOUNT,
        ),
        key="required",
    )
    def create(self, request: Request) -> HttpResponse:
        """Reserve a refund."""
        asked = self.read(shapes.CreateRefund)
        split = asked.get("vendor_split")
        wish = RefundWish(
            refund_id=self.effect_id,
            payment_id=asked["payment_id"],
            amount_minor=asked.get("amount"),
            split=None if split is None else shapes.amounts_by_share(split),
            reason=asked.get("reason", ""),
            merchant_reference=asked.get("merchant_reference"),
            account=asked.get("account"),
            metadata=asked.get("metadata", {}),
        )
        refund = requesting_refunds.request(
            merchant_id=self.merchant.pk,
            wish=wish,
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(renderings.refund, 201),
        )
        return self.finish(refund)

    @documented(
        operation_id="refunds_retrieve",
        tag=TAG,
        summary="Get a refund",
        description="One refund by its id.",
        parameters=[ID],
        answers=ONE,
        errors=(RefundNotFound,),
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        """Show a refund."""
        return self.reply(renderings.refund(selectors.refund(self.merchant.pk, _refund_id(id))))

    @documented(
        operation_id="refunds_by_number",
        tag=TAG,
        summary="Get a refund by its number",
        description="One refund by the number that people read, such as REF-2026-000007.",
        parameters=[path_text("refund_number", "The refund's number.")],
        answers=ONE,
        errors=(RefundNotFound,),
    )
    def by_number(self, request: Request, refund_number: str) -> HttpResponse:
        """Show a refund by its number."""
        number = text("refund_number", refund_number)
        return self.reply(renderings.refund(selectors.refund_by_number(self.merchant.pk, number)))

    @documented(
        operation_id="refunds_of_payment",
        tag=TAG,
        summary="List a payment's refunds",
        description="All refunds of one payment.",
        parameters=[path_id("payment_id", "pay", "The payment"), STATUS, *LIST_PARAMETERS],
        answers=PAGE,
        errors=(PaymentNotFound,),
    )
    def of_payment(self, request: Request, payment_id: str) -> HttpResponse:
        """List the refunds of a payment."""
        payment = selectors.bare_payment(self.merchant.pk, ids.parse("pay", payment_id))
        return self._page(states.REFUND_STATUSES, payment_id=payment.pk)

    @documented(
        operation_id="refunds_of_order",
        tag=TAG,
        summary="List an order's refunds",
        description="All refunds of the payments of one order; empty when the order has none.",
        parameters=[path_text("order_id", "The merchant's own order id."), STATUS, *LIST_PARAMETERS],
        answers=PAGE,
    )
    def of_order(self, request: Request, order_id: str) -> HttpResponse:
        """List the refunds of an order."""
        return self._page(states.REFUND_STATUSES, payment__order_ref=text("order_id", order_id))

    @documented(
        operation_id="refunds_with_status",
        tag=TAG,
        summary="List refunds by status",
        description="All refunds that have a status now.",
        parameters=[path_text("status", "The status.", states.REFUND_STATUSES), *LIST_PARAMETERS],
        answers=PAGE,
        errors=(BAD_STATUS,),
    )
    def with_status(self, request: Request, status: str) -> HttpResponse:
        """List the refunds with a status."""
        return self._page(state=public_status(status, states.REFUND_STATUSES))

    @documented(
        operation_id="refunds_process",
        tag=TAG,
        summary="Process an approved refund",
        description="Asks the provider to give the money back. 202 while the provider has not decided or "
        "its answer is not known: the refund is then resolved by us.",
        parameters=[ID],
        body=Body(Nothing, {}),
        answers={
            200: Answer(shapes.RefundShape, COMPLETED, "The money went back."),
            202: Answer(shapes.RefundShape, shapes.refund_example(status="processing"), "Not known yet."),
        },
        errors=(DECLINED, RefundNotFound, refunding.RefundAwaitsApproval, StateConflict, OperationOpen),
        key="required",
    )
    def process(self, request: Request, id: str) -> HttpResponse:
        """Give the money back through the provider."""
        self.read(Nothing)
        refund_id = selectors.refund_id(self.merchant.pk, _refund_id(id))
        refund = refunding.process(
            merchant_id=self.merchant.pk,
            refund_id=refund_id,
            operation_id=self.effect_id,
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(answers.refund_processed),
        )
        return self.finish(refund)

    @documented(
        operation_id="refunds_complete",
        tag=TAG,
        summary="Complete a refund",
        description="Asks the provider whether the money went back, and completes the refund only when it "
        "says so.",
        parameters=[ID],
        body=Body(Nothing, {}),
        answers={200: Answer(shapes.RefundShape, COMPLETED, "The money went back.")},
        errors=(RefundNotFound, refunding.RefundNotCompleted),
        key="accepted",
    )
    def complete(self, request: Request, id: str) -> HttpResponse:
        """Complete a refund that the provider completed."""
        self.read(Nothing)
        refund_id = selectors.refund_id(self.merchant.pk, _refund_id(id))
        refund = refunding.complete(
            merchant_id=self.merchant.pk,
            refund_id=refund_id,
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(renderings.refund),
        )
        return self.finish(refund)

    @documented(
        operation_id="refunds_fail",
        tag=TAG,
        summary="Give a refund up",
        description="Only while no money moved; what was reserved for it can be refunded again.",
        parameters=[ID],
        body=Body(Reason, {"reason": "The customer keeps the scarf."}),
        answers={
            200: Answer(
                shapes.RefundShape,
                shapes.refund_example(
                    status="failed",
                    failure={"code": "failed_by_merchant", "message": "The customer keeps the scarf."},
                ),
                "Given up.",
            )
        },
        errors=(RefundNotFound, refunding.RefundUnderWay, refunding.RefundMoneyMoved, StateConflict),
        key="accepted",
    )
    def fail(self, request: Request, id: str) -> HttpResponse:
        """Give a refund up."""
        asked = self.read(Reason)
        refund_id = selectors.refund_id(self.merchant.pk, _refund_id(id))
        refund = refunding.fail(
            merchant_id=self.merchant.pk,
            refund_id=refund_id,
            reason=asked["reason"],
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(renderings.refund),
        )
        return self.finish(refund)

    @documented(
        operation_id="refunds_ask_again",
        tag=TAG,
        summary="Ask again for a refund that failed",
        description="For a refund that its provider failed, at once or after it had been completed. The "
        "amount is reserved again, each vendor's share for the same part, and the limits of approval hold as "
        "for a new refund. Then process it: the provider gets a new request, and `tries` counts them.",
        parameters=[ID],
        body=Body(shapes.AskAgain, {"reason": "Her bank has opened the account again."}),
        answers={200: Answer(shapes.RefundShape, shapes.refund_example(tries=2), "Reserved again.")},
        errors=(RefundNotFound, renewing_refunds.RefundNotAskable, RefundTooLarge, *OF_THE_ACCOUNT[1:]),
        key="required",
    )
    def ask_again(self, request: Request, id: str) -> HttpResponse:
        """Begin a refund anew that its provider failed."""
        asked = self.read(shapes.AskAgain)
        refund_id = selectors.refund_id(self.merchant.pk, _refund_id(id))
        refund = renewing_refunds.ask_again(
            merchant_id=self.merchant.pk,
            refund_id=refund_id,
            reason=asked["reason"],
            account=asked.get("account"),
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(renderings.refund),
        )
        return self.finish(refund)

    def _page(self, statuses: Sequence[str] = (), **conditions: Any) -> HttpResponse:
        rows = selectors.refunds(self.merchant.pk).filter(**conditions)
        return row_filters.page(self, rows, statuses, prefix=Refund.PREFIX, render=renderings.refund)


def _refund_id(text_form: str) -> Any:
    return ids.parse(Refund.PREFIX, text_form)
