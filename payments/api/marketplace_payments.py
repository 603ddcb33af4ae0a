"""Controller (ours, beside no. 3): marketplace payments: one buyer, several sellers, all or nothing."""

from typing import Any, Final
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from ledger import ids
from ledger.money import Money
from ledger.states import StateConflict
from payments import saga_selectors
from payments.api import marketplace_shapes as shapes
from payments.api.payment_shapes import OptionalReason
from payments.models import Saga
from payments.models.sagas import SagaNotFound
from payments.rules import share_division
from payments.rules.share_division import Line
from payments.services.marketplace import marketplace
from payments.services.marketplace.marketplace import NewSaga, Seller
from payments.services.methods import method_errors
from payments.services.payment_wishes import Customer, NewPayment
from payments.services.payments import creating
from payments.services.routes.routing import NoProvider
from vendors.api.base import MerchantViewSet
from vendors.api.openapi import PAGE_PARAMETERS, Answer, Body, documented, page_example, path_id
from vendors.models.vendors import VendorNotFound

TAG: Final = "marketplace payments"
ID: Final = path_id("id", "mkp", "The marketplace payment")
ONE: Final = {200: Answer(shapes.MarketplacePaymentShape, shapes.EXAMPLE, "The marketplace payment.")}


class MarketplacePaymentViewSet(MerchantViewSet):
    """Marketplace payments of the calling merchant."""

    scopes = {
        "create": "payments:write",
        "cancel": "payments:write",
        "list": "payments:read",
        "retrieve": "payments:read",
    }

    @documented(
        operation_id="marketplace_payments_create",
        tag=TAG,
        summary="Pay several sellers at once",
        description="Takes a buyer's payment for several sellers, whole or not at all: reserves the money, "
        "holds the marketplace's fee, allocates each seller's part with its commission, captures, and finds "
        "it in the books. Each step is kept; when one is refused, those before it are undone in reverse "
        "order. Parts by weight divide what amounts and fee leave, and everything comes to the whole. It is "
        "carried out after this answer; fetch it to see how it stands.",
        body=Body(shapes.CreateMarketplacePayment, shapes.CREATE_EXAMPLE),
        answers={202: Answer(shapes.MarketplacePaymentShape, shapes.EXAMPLE, "Begun.")},
        errors=(
            marketplace.NoSellers,
            share_division.SplitTooLarge,
            share_division.SplitInvalid,
            VendorNotFound,
            creating.VendorNotActive,
            creating.MerchantReferenceTaken,
            NoProvider,
            *method_errors.PAYING,
        ),
        key="required",
    )
    def create(self, request: Request) -> HttpResponse:
        """Begin a marketplace payment."""
        asked = self.read(shapes.CreateMarketplacePayment)
        wanted = _wanted(asked, self.effect_id)
        return self.do(marketplace.begin, shapes.marketplace_payment, 202, wanted=wanted)

    @documented(
        operation_id="marketplace_payments_list",
        tag=TAG,
        summary="List marketplace payments",
        description="All marketplace payments, the newest first.",
        parameters=[*PAGE_PARAMETERS],
        answers={
            200: Answer(
                shapes.MarketplacePaymentPage, page_example(shapes.EXAMPLE), "One page, newest first."
            )
        },
    )
    def list(self, request: Request) -> HttpResponse:
        """List marketplace payments."""
        rows = saga_selectors.sagas(self.merchant.pk)
        return self.page(rows, prefix=Saga.PREFIX, render=shapes.marketplace_payment)

    @documented(
        operation_id="marketplace_payments_retrieve",
        tag=TAG,
        summary="Get a marketplace payment",
        description="One marketplace payment with its steps: what was done, and what was undone.",
        parameters=[ID],
        answers=ONE,
        errors=(SagaNotFound,),
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        """Show a marketplace payment."""
        return self.reply(shapes.marketplace_payment(self._one(id)))

    @documented(
        operation_id="marketplace_payments_cancel",
        tag=TAG,
        summary="Cancel a marketplace payment",
        description="Undoes what was done, as long as the capture has not begun; after that, refund.",
        parameters=[ID],
        body=Body(OptionalReason, {"reason": "Sold out."}),
        answers={
            202: Answer(
                shapes.MarketplacePaymentShape,
                shapes.example(status="compensating", reason="Sold out."),
                "It is being undone.",
            )
        },
        errors=(SagaNotFound, StateConflict),
        key="required",
    )
    def cancel(self, request: Request, id: str) -> HttpResponse:
        """Cancel a marketplace payment."""
        asked = self.read(OptionalReason)
        return self.do(
            marketplace.cancel,
            shapes.marketplace_payment,
            202,
            saga_id=self._one(id).pk,
            reason=asked.get("reason", ""),
        )

    def _one(self, text_form: str) -> Saga:
        return saga_selectors.saga(self.merchant.pk, ids.parse(Saga.PREFIX, text_form))


def _wanted(asked: dict[str, Any], saga_id: UUID) -> NewSaga:
    amount: Money = asked["amount"]
    method = asked["payment_method"]
    return NewSaga(
        saga_id=saga_id,
        buyer=NewPayment(
            amount=amount,
            order_ref=asked["order_id"],
            customer_ref=asked["customer_id"],
            method_type=method.get("type", ""),
            method_token=method.get("token", ""),
            method_id=method.get("id"),
            merchant_reference=asked.get("merchant_reference"),
            description=asked.get("description", ""),
            metadata=asked.get("metadata", {}),
            customer=Customer(**asked.get("customer", {})),
            return_url=asked.get("return_url", ""),
            exemption=asked.get("exemption", ""),
        ),
        sellers=[
            Seller(line["vendor_id"], Line(line.get("amount"), line.get("weight")))
            for line in asked["sellers"]
        ],
        fee_minor=asked.get("marketplace_fee", 0),
    )
