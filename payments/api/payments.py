"""Controller 1: payments. Create (and pay in one call), authorize, capture, complete, fail, cancel, raise."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from ledger import clock, ids
from ledger.money import Money
from ledger.states import StateConflict
from payments import selectors
from payments.api import outcome_answers as answers
from payments.api import payment_shapes as shapes
from payments.api import renderings
from payments.api.payment_reads import ID, TAG, PaymentReads
from payments.models import Payment
from payments.models.payments import CaptureTooLarge, PaymentNotFound
from payments.rules import share_division
from payments.rules.share_division import Line
from payments.services.calls.claim_refusals import PaymentMethodRemoved
from payments.services.calls.limiting_retries import RetryLimitReached
from payments.services.calls.operations import OperationOpen
from payments.services.methods import method_errors
from payments.services.payment_wishes import Customer, NewPayment, WantedShare
from payments.services.payments import (
    authorizing,
    capturing,
    completing,
    creating,
    increasing,
    paying,
    voiding,
)
from payments.services.routes.routing import NoProvider
from vendors.api.openapi import Answer, Body, Refusal, documented
from vendors.models.merchants import MerchantInactive
from vendors.models.vendors import VendorNotFound

DECLINED: Final = Refusal(
    402,
    answers.PAYMENT_DECLINED,
    "The payment was declined; `decline_code` says why, `payment` is the payment.",
    more={
        "decline_code": "insufficient_funds",
        "payment": shapes.payment_example(status="failed", decline=shapes.DECLINE_EXAMPLE),
    },
)
UNKNOWN: Final = Answer(
    shapes.PaymentShape, shapes.payment_example(status="processing"), "Not known yet: we find out and tell."
)
WRITE: Final = "payments:write"
READ: Final = "payments:read"


class PaymentViewSet(PaymentReads):
    """Payments of the calling merchant."""

    scopes = {
        "create": WRITE,
        "authorize": WRITE,
        "capture": WRITE,
        "increase": WRITE,
        "complete": WRITE,
        "fail": WRITE,
        "cancel": WRITE,
        "retrieve": READ,
        "by_number": READ,
        "by_reference": READ,
        "of_order": READ,
        "of_customer": READ,
        "with_status": READ,
    }

    @documented(
        operation_id="payments_create",
        tag=TAG,
        summary="Create a payment",
        description="Checks the split over vendors (by amounts, or by weights that divide what is left), "
        "freezes its commission, and screens the payment for "
        "fraud. With `confirm` it is paid in the same request: authorized, and with automatic capture taken "
        "too, in one call to the provider where that can do both; a decline is then 402. When the customer "
        "must act first, the answer is `requires_action` with the page to send them to; a payment method of "
        "type `digital_wallet` with the token `paypal` always sends them to PayPal's. With "
        "`scheduled_date` it is paid on that date.",
        body=Body(shapes.CreatePayment, shapes.CREATE_EXAMPLE),
        answers={
            201: Answer(
                shapes.PaymentShape, shapes.payment_example(status="pending", authorized=shapes.usd(0))
            ),
            202: UNKNOWN,
        },
        errors=(
            DECLINED,
            VendorNotFound,
            share_division.SplitTooLarge,
            share_division.SplitInvalid,
            creating.VendorNotActive,
            creating.DateInvalid,
            creating.MerchantReferenceTaken,
            NoProvider,
            *method_errors.PAYING,
            RetryLimitReached,
            MerchantInactive,
            PaymentMethodRemoved,
        ),
        key="required",
    )
    def create(self, request: Request) -> HttpResponse:
        """Create a payment, and authorize it when asked to."""
        asked = self.read(shapes.CreatePayment)
        wanted = _wanted(asked, self.merchant.capture_method)
        is_paid = wanted.is_confirmed
        payment = (paying.pay if is_paid else creating.create)(
            merchant_id=self.merchant.pk,
            payment_id=self.effect_id,
            wanted=wanted,
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(answers.confirmed if is_paid else answers.created, 201),
        )
        return self.finish(payment)

    @documented(
        operation_id="payments_authorize",
        tag=TAG,
        summary="Authorize a payment",
        description="Has the customer's bank reserve the amount; no money moves. With automatic capture the "
        "capture follows by itself.",
        parameters=[ID],
        body=Body(shapes.Nothing, {}),
        answers={200: Answer(shapes.PaymentShape, shapes.PAYMENT_EXAMPLE, "Authorized."), 202: UNKNOWN},
        errors=(
            DECLINED,
            PaymentNotFound,
            StateConflict,
            OperationOpen,
            RetryLimitReached,
            MerchantInactive,
            PaymentMethodRemoved,
        ),
        key="accepted",
    )
    def authorize(self, request: Request, id: str) -> HttpResponse:
        """Reserve the amount."""
        self.read(shapes.Nothing)
        payment = authorizing.authorize(
            merchant_id=self.merchant.pk,
            payment_id=self._known(id),
            operation_id=self.effect_id,
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(answers.asked),
        )
        return self.finish(payment)

    @documented(
        operation_id="payments_capture",
        tag=TAG,
        summary="Capture a payment",
        description="Takes the amount, or all that is left. Several captures may follow one authorization; "
        "with `final` the rest is given up.",
        parameters=[ID],
        body=Body(shapes.CapturePayment, {"amount": 4999}),
        answers={
            200: Answer(
                shapes.PaymentShape,
                shapes.payment_example(status="captured", captured=shapes.usd(4999)),
                "Captured.",
            ),
            202: UNKNOWN,
        },
        errors=(
            DECLINED,
            PaymentNotFound,
            StateConflict,
            OperationOpen,
            CaptureTooLarge,
            capturing.CaptureAmountInvalid,
            capturing.AuthorizationExpired,
            capturing.CaptureManaged,
            MerchantInactive,
        ),
        key="accepted",
    )
    def capture(self, request: Request, id: str) -> HttpResponse:
        """Take the money."""
        asked = self.read(shapes.CapturePayment)
        known = selectors.bare_payment(self.merchant.pk, _payment_id(id))
        payment = capturing.capture(
            merchant_id=self.merchant.pk,
            payment_id=known.pk,
            operation_id=self.effect_id,
            amount=Money(asked["amount"], known.currency) if "amount" in asked else None,
            final=asked.get("final", False),
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(answers.captured),
        )
        return self.finish(payment)

    @documented(
        operation_id="payments_increase",
        tag=TAG,
        summary="Increase an authorization",
        description="Reserves an amount beside what is authorized, while nothing is captured, where the "
        "provider can. The payment is of more then; what is added is the merchant's own, no vendor's.",
        parameters=[ID],
        body=Body(shapes.IncreasePayment, {"amount": 1500}),
        answers={
            200: Answer(
                shapes.PaymentShape,
                shapes.payment_example(amount=shapes.usd(6499), authorized=shapes.usd(6499)),
                "Increased.",
            ),
            202: UNKNOWN,
        },
        errors=(
            DECLINED,
            PaymentNotFound,
            StateConflict,
            OperationOpen,
            capturing.AuthorizationExpired,
            capturing.CaptureManaged,
            increasing.IncreaseNotPossible,
            increasing.IncreaseTooLarge,
            MerchantInactive,
        ),
        key="accepted",
    )
    def increase(self, request: Request, id: str) -> HttpResponse:
        """Reserve more."""
        asked = self.read(shapes.IncreasePayment)
        known = selectors.bare_payment(self.merchant.pk, _payment_id(id))
        payment = increasing.increase(
            merchant_id=self.merchant.pk,
            payment_id=known.pk,
            operation_id=self.effect_id,
            amount=Money(asked["amount"], known.currency),
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(answers.captured),
        )
        return self.finish(payment)

    @documented(
        operation_id="payments_complete",
        tag=TAG,
        summary="Complete a payment",
        description="Says that nothing more is expected of a captured payment. What a partly captured "
        "payment did not take is given up first.",
        parameters=[ID],
        body=Body(shapes.Nothing, {}),
        answers={200: Answer(shapes.PaymentShape, shapes.payment_example(status="completed"), "Completed.")},
        errors=(PaymentNotFound, StateConflict, OperationOpen),
        key="accepted",
    )
    def complete(self, request: Request, id: str) -> HttpResponse:
        """Complete a captured payment."""
        self.read(shapes.Nothing)
        payment = completing.complete(
            merchant_id=self.merchant.pk,
            payment_id=self._known(id),
            operation_id=self.effect_id,
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(renderings.payment),
        )
        return self.finish(payment)

    @documented(
        operation_id="payments_fail",
        tag=TAG,
        summary="Mark a payment as failed",
        description="Only while nothing was asked of the provider; use cancel for an authorized payment.",
        parameters=[ID],
        body=Body(shapes.Reason, {"reason": "The customer left the checkout."}),
        answers={
            200: Answer(
                shapes.PaymentShape,
                shapes.payment_example(status="failed", reason="The customer left the checkout."),
                "Failed.",
            )
        },
        errors=(PaymentNotFound, StateConflict, OperationOpen),
        key="accepted",
    )
    def fail(self, request: Request, id: str) -> HttpResponse:
        """Give a payment up."""
        asked = self.read(shapes.Reason)
        payment = completing.fail(
            merchant_id=self.merchant.pk,
            payment_id=self._known(id),
            operation_id=self.effect_id,
            reason=asked["reason"],
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(renderings.payment),
        )
        return self.finish(payment)

    @documented(
        operation_id="payments_cancel",
        tag=TAG,
        summary="Cancel a payment",
        description="Before anything is captured: an authorization is given back to the customer's bank.",
        parameters=[ID],
        body=Body(shapes.OptionalReason, {"reason": "Out of stock."}),
        answers={
            200: Answer(
                shapes.PaymentShape,
                shapes.payment_example(status="cancelled", reason="Out of stock."),
                "Cancelled.",
            ),
            202: UNKNOWN,
        },
        errors=(DECLINED, PaymentNotFound, StateConflict, OperationOpen),
        key="accepted",
    )
    def cancel(self, request: Request, id: str) -> HttpResponse:
        """Cancel a payment that is not captured."""
        asked = self.read(shapes.OptionalReason)
        payment = voiding.cancel(
            merchant_id=self.merchant.pk,
            payment_id=self._known(id),
            operation_id=self.effect_id,
            reason=asked.get("reason", ""),
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(answers.asked),
        )
        return self.finish(payment)

    def _known(self, text_form: str) -> UUID:
        """Return the id of a payment that is this merchant's, before a key is claimed for it."""
        return selectors.bare_payment(self.merchant.pk, _payment_id(text_form)).pk


def _payment_id(text_form: str) -> UUID:
    return ids.parse(Payment.PREFIX, text_form)


def _shares(lines: Sequence[dict[str, Any]], amount: Money) -> list[WantedShare]:
    wanted = [Line(line.get("amount"), line.get("weight")) for line in lines]
    parts = share_division.divide(amount, wanted, param="vendor_split")
    return [WantedShare(line["vendor_id"], part) for line, part in zip(lines, parts, strict=True)]


def _wanted(asked: dict[str, Any], capture_method: str) -> NewPayment:
    amount: Money = asked["amount"]
    method = asked["payment_method"]
    return NewPayment(
        amount=amount,
        order_ref=asked["order_id"],
        customer_ref=asked["customer_id"],
        method_type=method.get("type", ""),
        method_token=method.get("token", ""),
        method_id=method.get("id"),
        capture_method=asked.get("capture_method", capture_method),
        shares=_shares(asked.get("vendor_split", ()), amount),
        merchant_reference=asked.get("merchant_reference"),
        description=asked.get("description", ""),
        metadata=asked.get("metadata", {}),
        customer=Customer(**asked.get("customer", {})),
        is_confirmed=asked.get("confirm", False) or "scheduled_date" in asked,
        scheduled_at=asked.get("scheduled_date"),
        capture_at=asked.get("capture_at"),
        return_url=asked.get("return_url", ""),
        exemption=asked.get("exemption", ""),
    )
