"""Controller 3: payment transactions, each one vendor's share of a payment."""

from typing import Final
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from ledger import clock, ids
from ledger.states import StateConflict
from payments import selectors
from payments.api import outcome_answers as answers
from payments.api import refund_shapes, refunds, renderings, row_filters
from payments.api import transaction_shapes as shapes
from payments.api.paths import text
from payments.api.payment_shapes import Reason
from payments.models import PaymentTransaction
from payments.models.payments import PaymentNotFound
from payments.models.transactions import PaymentTransactionNotFound
from payments.rules.refund_division import RefundTooLarge
from payments.services.marketplace import recording_shares
from payments.services.marketplace.recording_shares import ShareRefundWish, ShareWish
from payments.services.payments.creating import VendorNotActive
from payments.services.refunds.requesting_refunds import PaymentNotRefundable, RefundReferenceTaken
from payments.states import PAYMENT_TRANSACTION_STATUSES
from vendors import selectors as vendor_selectors
from vendors.api.base import MerchantViewSet
from vendors.api.idempotency import ACCEPTED
from vendors.api.openapi import (
    PAGE_PARAMETERS,
    Answer,
    Body,
    documented,
    page_example,
    path_id,
    path_text,
)
from vendors.models.vendors import VendorNotFound

TAG: Final = "payment transactions"
LIST_PARAMETERS: Final = (
    row_filters.status_parameter(PAYMENT_TRANSACTION_STATUSES), *PAGE_PARAMETERS, *row_filters.PARAMETERS,
)  # fmt: skip
ID: Final = path_id("id", "ptx", "The payment transaction")
ONE: Final = {200: Answer(shapes.TransactionShape, shapes.TRANSACTION_EXAMPLE, "The payment transaction.")}
PAGE: Final = {
    200: Answer(shapes.TransactionPage, page_example(shapes.TRANSACTION_EXAMPLE), "One page, newest first.")
}


class PaymentTransactionViewSet(MerchantViewSet):
    """Vendors' shares of the calling merchant's payments."""

    scopes = {
        "create": "payments:write",
        "complete": "payments:write",
        "fail": "payments:write",
        "refund": "refunds:write",
        "retrieve": "payments:read",
        "by_reference": "payments:read",
        "of_order": "payments:read",
        "of_customer": "payments:read",
        "of_vendor": "payments:read",
    }
    idempotency = {"complete": ACCEPTED, "fail": ACCEPTED}

    @documented(
        operation_id="transactions_create",
        tag=TAG,
        summary="Record a vendor's share",
        description="Adds one vendor's share to a payment that is not yet authorized; the shares together "
        "may not exceed the payment. The commission that holds now is kept with the share.",
        body=Body(shapes.CreateTransaction, shapes.CREATE_EXAMPLE),
        answers={201: Answer(shapes.TransactionShape, shapes.TRANSACTION_EXAMPLE, "Recorded.")},
        errors=(
            PaymentNotFound,
            VendorNotFound,
            VendorNotActive,
            recording_shares.PaymentClosedToShares,
            recording_shares.ShareExists,
            recording_shares.AllocationTooLarge,
        ),
        key="required",
    )
    def create(self, request: Request) -> HttpResponse:
        """Record a share."""
        asked = self.read(shapes.CreateTransaction)
        share = recording_shares.record_share(
            merchant_id=self.merchant.pk,
            wish=ShareWish(
                transaction_id=self.effect_id,
                payment_id=asked["payment_id"],
                vendor_id=asked["vendor_id"],
                amount_minor=asked["amount"],
            ),
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(renderings.transaction, 201),
        )
        return self.finish(share)

    @documented(
        operation_id="transactions_retrieve",
        tag=TAG,
        summary="Get a payment transaction",
        description="One vendor's share by its id.",
        parameters=[ID],
        answers=ONE,
        errors=(PaymentTransactionNotFound,),
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        """Show a share."""
        return self.reply(renderings.transaction(self._one(id)))

    @documented(
        operation_id="transactions_by_reference",
        tag=TAG,
        summary="List by the gateway's reference",
        description="The shares of the payment that the provider knows under this reference.",
        parameters=[path_text("transaction_id", "The provider's reference."), *LIST_PARAMETERS],
        answers=PAGE,
        errors=(PaymentNotFound,),
    )
    def by_reference(self, request: Request, transaction_id: str) -> HttpResponse:
        """List the shares behind a provider's reference."""
        reference = text("transaction_id", transaction_id)
        payment = selectors.payment_by_provider_reference(self.merchant.pk, reference)
        return self._page(payment_id=payment.pk)

    @documented(
        operation_id="transactions_of_order",
        tag=TAG,
        summary="List an order's payment transactions",
        description="The shares of all payments of one order; empty when the order has none.",
        parameters=[path_text("order_id", "The merchant's own order id."), *LIST_PARAMETERS],
        answers=PAGE,
    )
    def of_order(self, request: Request, order_id: str) -> HttpResponse:
        """List the shares of an order."""
        return self._page(payment__order_ref=text("order_id", order_id))

    @documented(
        operation_id="transactions_of_customer",
        tag=TAG,
        summary="List a customer's payment transactions",
        description="The shares of all payments of one customer; empty when the customer has none.",
        parameters=[path_text("customer_id", "The merchant's own customer id."), *LIST_PARAMETERS],
        answers=PAGE,
    )
    def of_customer(self, request: Request, customer_id: str) -> HttpResponse:
        """List the shares of a customer."""
        return self._page(payment__customer_ref=text("customer_id", customer_id))

    @documented(
        operation_id="transactions_of_vendor",
        tag=TAG,
        summary="List a vendor's payment transactions",
        description="All shares of one vendor: what its settlement is made of.",
        parameters=[path_id("vendor_id", "vnd", "The vendor"), *LIST_PARAMETERS],
        answers=PAGE,
        errors=(VendorNotFound,),
    )
    def of_vendor(self, request: Request, vendor_id: str) -> HttpResponse:
        """List the shares of a vendor."""
        vendor = vendor_selectors.vendor(self.merchant.pk, ids.parse("vnd", vendor_id))
        return self._page(vendor_id=vendor.pk)

    @documented(
        operation_id="transactions_complete",
        tag=TAG,
        summary="Complete a payment transaction",
        description="Ends a captured share. The gateway's reference is the proof: it must be one that the "
        "provider gave for this payment.",
        parameters=[ID],
        body=Body(shapes.CompleteTransaction, {"gateway_reference": "auth_9f2c"}),
        answers={
            200: Answer(shapes.TransactionShape, shapes.transaction_example(status="completed"), "Completed.")
        },
        errors=(PaymentTransactionNotFound, StateConflict, recording_shares.GatewayReferenceUnknown),
        key="accepted",
    )
    def complete(self, request: Request, id: str) -> HttpResponse:
        """Complete a share with the gateway's reference."""
        asked = self.read(shapes.CompleteTransaction)
        share = recording_shares.complete(
            merchant_id=self.merchant.pk,
            transaction_id=self._one(id).pk,
            gateway_reference=asked["gateway_reference"],
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(renderings.transaction),
        )
        return self.finish(share)

    @documented(
        operation_id="transactions_fail",
        tag=TAG,
        summary="Fail a payment transaction",
        description="Ends a share for which nothing was captured; what it would have taken is the "
        "merchant's own again.",
        parameters=[ID],
        body=Body(Reason, {"reason": "Ada cannot deliver."}),
        answers={
            200: Answer(
                shapes.TransactionShape,
                shapes.transaction_example(status="failed", reason="Ada cannot deliver."),
                "Failed.",
            )
        },
        errors=(PaymentTransactionNotFound, StateConflict, recording_shares.PaymentClosedToShares),
        key="accepted",
    )
    def fail(self, request: Request, id: str) -> HttpResponse:
        """Fail a share with a reason."""
        asked = self.read(Reason)
        share = recording_shares.fail(
            merchant_id=self.merchant.pk,
            transaction_id=self._one(id).pk,
            reason=asked["reason"],
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(renderings.transaction),
        )
        return self.finish(share)

    @documented(
        operation_id="transactions_refund",
        tag=TAG,
        summary="Refund a payment transaction",
        description="Gives back a part or the whole of one share through the provider. 202 when a second "
        "person must approve it first, or when the provider has not decided.",
        parameters=[ID],
        body=Body(shapes.RefundTransaction, {"amount": 1000, "reason": "The scarf was torn."}),
        answers={
            201: Answer(refund_shapes.RefundShape, refunds.COMPLETED, "The money went back."),
            202: Answer(refund_shapes.RefundShape, refund_shapes.REFUND_EXAMPLE, "Not done yet."),
        },
        errors=(
            refunds.DECLINED,
            PaymentTransactionNotFound,
            PaymentNotRefundable,
            RefundTooLarge,
            RefundReferenceTaken,
            *refunds.OF_THE_ACCOUNT,
        ),
        key="required",
    )
    def refund(self, request: Request, id: str) -> HttpResponse:
        """Refund a share."""
        asked = self.read(shapes.RefundTransaction)
        share = self._one(id)
        made = recording_shares.refund(
            merchant_id=self.merchant.pk,
            wish=ShareRefundWish(
                refund_id=self.effect_id,
                transaction_id=share.pk,
                amount_minor=asked.get("amount"),
                reason=asked.get("reason", ""),
                merchant_reference=asked.get("merchant_reference"),
                account=asked.get("account"),
                metadata=asked.get("metadata", {}),
            ),
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(answers.refund_asked),
        )
        return self.finish(made)

    def _one(self, text_form: str) -> PaymentTransaction:
        return selectors.transaction(self.merchant.pk, ids.parse(PaymentTransaction.PREFIX, text_form))

    def _page(self, **conditions: UUID | str) -> HttpResponse:
        rows = selectors.transactions(self.merchant.pk).filter(**conditions)
        return row_filters.page(
            self,
            rows,
            PAYMENT_TRANSACTION_STATUSES,
            prefix=PaymentTransaction.PREFIX,
            render=renderings.transaction,
        )
