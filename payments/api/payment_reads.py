"""Controller 1, reading: a payment by every name it has, and lists by order, customer and status."""

from typing import Any, Final

from django.http import HttpResponse
from rest_framework.request import Request

from ledger import ids
from ledger.errors import NotFound
from payments import selectors, states
from payments.api import payment_filters, renderings
from payments.api import payment_shapes as shapes
from payments.api.paths import public_status, text
from payments.models import Payment
from payments.models.payments import PaymentNotFound
from vendors.api.base import MerchantViewSet
from vendors.api.openapi import (
    PAGE_PARAMETERS,
    Answer,
    Refusal,
    documented,
    page_example,
    path_id,
    path_text,
)
from vendors.selectors import Along

TAG: Final = "payments"
ID: Final = path_id("id", "pay", "The payment")
BAD_STATUS: Final = Refusal(400, "invalid_parameter", "There is no such status.", param="status")
ONE: Final = {200: Answer(shapes.PaymentShape, shapes.PAYMENT_EXAMPLE, "The payment.")}
LIST_PARAMETERS: Final = (*PAGE_PARAMETERS, *payment_filters.PARAMETERS)
STATUS: Final = ("status",)
PAGE: Final = {
    200: Answer(shapes.PaymentPage, page_example(shapes.PAYMENT_EXAMPLE), "One page, newest first.")
}


class PaymentReads(MerchantViewSet):
    """What can be read of payments."""

    @documented(
        operation_id="payments_retrieve",
        tag=TAG,
        summary="Get a payment",
        description="One payment by its id.",
        parameters=[ID],
        answers=ONE,
        errors=(PaymentNotFound,),
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        """Show a payment."""
        payment_id = ids.parse(Payment.PREFIX, id)
        if self.along is not None and self.along.rows is not None:
            return self.reply(renderings.payment(selectors.payment_read_along(self.along)))
        return self.reply(renderings.payment(selectors.payment(self.merchant.pk, payment_id)))

    def reads_along(self) -> Along | None:
        """Have the payment that is asked for by its id read in the statement that looks at the key."""
        if self.action != "retrieve":
            return None
        try:
            return selectors.payment_along(ids.parse(Payment.PREFIX, self.kwargs["id"]))
        except NotFound:
            return None  # the action says so, once the caller is known

    @documented(
        operation_id="payments_by_number",
        tag=TAG,
        summary="Get a payment by its number",
        description="One payment by the number that people read, such as PAY-2026-000123.",
        parameters=[path_text("payment_number", "The payment's number.")],
        answers=ONE,
        errors=(PaymentNotFound,),
    )
    def by_number(self, request: Request, payment_number: str) -> HttpResponse:
        """Show a payment by its number."""
        number = text("payment_number", payment_number)
        return self.reply(renderings.payment(selectors.payment_by_number(self.merchant.pk, number)))

    @documented(
        operation_id="payments_by_reference",
        tag=TAG,
        summary="Get a payment by the provider's reference",
        description="One payment by the reference that the provider knows it under.",
        parameters=[path_text("transaction_id", "The provider's reference.")],
        answers=ONE,
        errors=(PaymentNotFound,),
    )
    def by_reference(self, request: Request, transaction_id: str) -> HttpResponse:
        """Show a payment by the provider's reference."""
        reference = text("transaction_id", transaction_id)
        payment = selectors.payment_by_provider_reference(self.merchant.pk, reference)
        return self.reply(renderings.payment(payment))

    @documented(
        operation_id="payments_of_order",
        tag=TAG,
        summary="List an order's payments",
        description="All payments of one order; empty when the order has none.",
        parameters=[
            path_text("order_id", "The merchant's own order id."),
            payment_filters.STATUS,
            *LIST_PARAMETERS,
        ],
        answers=PAGE,
    )
    def of_order(self, request: Request, order_id: str) -> HttpResponse:
        """List the payments of an order."""
        return self._page(self._asked_for().filter(order_ref=text("order_id", order_id)), *STATUS)

    @documented(
        operation_id="payments_of_customer",
        tag=TAG,
        summary="List a customer's payments",
        description="All payments of one customer; empty when the customer has none.",
        parameters=[
            path_text("customer_id", "The merchant's own customer id."),
            payment_filters.STATUS,
            *LIST_PARAMETERS,
        ],
        answers=PAGE,
    )
    def of_customer(self, request: Request, customer_id: str) -> HttpResponse:
        """List the payments of a customer."""
        customer = text("customer_id", customer_id)
        return self._page(self._asked_for().filter(customer_ref=customer), *STATUS)

    @documented(
        operation_id="payments_with_status",
        tag=TAG,
        summary="List payments by status",
        description="All payments that have a status now.",
        parameters=[
            path_text("status", "The status.", states.PAYMENT_STATUSES),
            *LIST_PARAMETERS,
        ],
        answers=PAGE,
        errors=(BAD_STATUS,),
    )
    def with_status(self, request: Request, status: str) -> HttpResponse:
        """List the payments with a status."""
        word = public_status(status, states.PAYMENT_STATUSES)
        return self._page(selectors.payments_with_status(self.merchant.pk, word))

    def _asked_for(self) -> Any:
        """Return the merchant's payments; only those with a status, when one is asked for."""
        word = self.request.query_params.get("status")
        if word is None:
            return selectors.payments(self.merchant.pk)
        return selectors.payments_with_status(self.merchant.pk, public_status(word, states.PAYMENT_STATUSES))

    def _page(self, rows: Any, *more: str) -> HttpResponse:
        return self.page(
            payment_filters.narrowed(self.request, rows),
            prefix=Payment.PREFIX,
            render=renderings.payment,
            filters=(*payment_filters.NAMES, *more),
        )
