"""Controller 10: settlements. Reckon with a vendor, pay, and look at what was and will be paid."""

import re
from typing import Any, Final
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from ledger import clock, ids
from ledger.errors import NotFound
from ledger.money import Money
from ledger.states import StateConflict
from settlements import selectors
from settlements.api import renderings
from settlements.api import settlement_shapes as shapes
from settlements.models import SettlementBatch
from settlements.models.batches import SettlementNotFound
from settlements.services import batching, paying_out
from settlements.services.batching import BusinessDateInFuture, NothingToSettle
from settlements.services.paying_out import VendorNotPayable
from settlements.states import BatchState, PayoutState
from vendors import selectors as vendor_selectors
from vendors.api.base import MerchantViewSet
from vendors.api.errors import problem_body
from vendors.api.idempotency import Reply
from vendors.api.openapi import PAGE_PARAMETERS, Answer, Body, Refusal, documented, path_id
from vendors.api.paging import check_parameters
from vendors.models import Vendor
from vendors.models.vendors import VendorNotFound
from vendors.services import commissions

TAG: Final = "settlements"
VENDOR: Final = path_id("vendor_id", "vnd", "The vendor")
PAYOUT_FAILED: Final = "payout_failed"
FAILED_ADVICE: Final = "Look at the failure code, correct the vendor's account, and process it again."
FAILED: Final = Refusal(
    402,
    PAYOUT_FAILED,
    "The vendor's bank or the provider refused; `settlement` is payable again.",
    FAILED_ADVICE,
    more={"failure_code": "account_closed", "settlement": shapes.FAILED_EXAMPLE},
)
PAGE: Final = {200: Answer(shapes.SettlementPage, shapes.PAGE_EXAMPLE, "One page, newest first.")}
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,12}", re.ASCII)


def _query(name: str, text: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.QUERY, required=True, description=text)


class SettlementViewSet(MerchantViewSet):
    """Settlements of the calling merchant with its vendors."""

    scopes = {
        "create": "settlements:write",
        "process": "settlements:write",
        "of_vendor": "settlements:read",
        "due_for_payment": "settlements:read",
        "calculate_commission": "settlements:read",
        "vendor_info": "settlements:read",
        "retrieve": "settlements:read",
    }

    @documented(
        operation_id="settlements_create",
        tag=TAG,
        summary="Settle with a vendor",
        description="Closes a settlement of everything that is pending for the vendor in one currency: sales "
        "less commission and refunds, less what the vendor owes from refunds of settled sales. With nothing "
        "left to pay it is `carried` and its items wait for the next one (unless they come to nothing by "
        "themselves); otherwise it is `closed`: payable.",
        body=Body(shapes.CreateSettlement, shapes.CREATE_EXAMPLE),
        answers={201: Answer(shapes.SettlementShape, shapes.SETTLEMENT_EXAMPLE, "Reckoned.")},
        errors=(VendorNotFound, NothingToSettle, BusinessDateInFuture),
        key="required",
    )
    def create(self, request: Request) -> HttpResponse:
        """Close a settlement."""
        asked = self.read(shapes.CreateSettlement)
        batch = batching.settle(
            merchant_id=self.merchant.pk,
            vendor_id=asked["vendor_id"],
            currency=asked["currency"],
            business_date=asked.get("business_date"),
            batch_id=self.effect_id,
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(renderings.settlement, 201),
        )
        return self.finish(batch)

    @documented(
        operation_id="settlements_process",
        tag=TAG,
        summary="Pay a settlement out",
        description="Sends the net to the vendor's bank account through the provider. 202 means that the "
        "outcome is not known yet: the money is set aside and the platform asks until it is. After a refusal "
        "the settlement is payable again. The payout's id is the EndToEndId on the bank's statement.",
        parameters=[path_id("id", "set", "The settlement")],
        answers={
            200: Answer(shapes.SettlementShape, shapes.PAID_EXAMPLE, "Paid."),
            202: Answer(shapes.SettlementShape, shapes.PAYING_EXAMPLE, "On its way, or not known yet."),
        },
        errors=(SettlementNotFound, StateConflict, VendorNotPayable, FAILED),
        key="required",
    )
    def process(self, request: Request, id: str) -> HttpResponse:
        """Pay out."""
        batch = paying_out.process(
            merchant_id=self.merchant.pk,
            batch_id=_batch_id(id),
            operation_id=self.effect_id,
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(processed),
        )
        return self.finish(batch)

    @documented(
        operation_id="settlements_retrieve",
        tag=TAG,
        summary="Get a settlement",
        description="One settlement by its id, with its last payout.",
        parameters=[path_id("id", "set", "The settlement")],
        answers={200: Answer(shapes.SettlementShape, shapes.PAID_EXAMPLE, "The settlement.")},
        errors=(SettlementNotFound,),
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        """Show a settlement."""
        return self.reply(renderings.settlement(selectors.settlement(self.merchant.pk, _batch_id(id))))

    @documented(
        operation_id="settlements_of_vendor",
        tag=TAG,
        summary="List a vendor's settlements",
        description="All settlements with one vendor, newest first.",
        parameters=[VENDOR, *PAGE_PARAMETERS],
        answers=PAGE,
        errors=(VendorNotFound,),
    )
    def of_vendor(self, request: Request, vendor_id: str) -> HttpResponse:
        """List the settlements of a vendor."""
        vendor = self._vendor(vendor_id)
        return self._page(selectors.settlements(self.merchant.pk).filter(vendor=vendor))

    @documented(
        operation_id="settlements_due_for_payment",
        tag=TAG,
        summary="List settlements due for payment",
        description="Settlements that are closed and have no payout on its way, newest first.",
        parameters=[*PAGE_PARAMETERS],
        answers=PAGE,
    )
    def due_for_payment(self, request: Request) -> HttpResponse:
        """List what waits for a payout."""
        return self._page(selectors.due_for_payment(self.merchant.pk))

    @documented(
        operation_id="settlements_calculate_commission",
        tag=TAG,
        summary="Preview the commission on a sale",
        description="What the platform would keep of a vendor's sale under the rules in force now.",
        parameters=[
            _query("vendor_id", "The vendor, `vnd_…`."),
            _query("amount", "The sale in minor units."),
            _query("currency", "ISO 4217."),
        ],
        answers={200: Answer(shapes.CommissionPreviewShape, shapes.COMMISSION_EXAMPLE, "The preview.")},
        errors=(VendorNotFound,),
    )
    def calculate_commission(self, request: Request) -> HttpResponse:
        """Preview a commission."""
        check_parameters(request, "vendor_id", "amount", "currency")
        given: dict[str, Any] = request.query_params.dict()
        if _NUMBER.fullmatch(given.get("amount", "")):
            given["amount"] = int(given["amount"])
        form = shapes.CommissionQuery(data=given)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        amount = Money(asked["amount"], asked["currency"])
        vendor = vendor_selectors.vendor(self.merchant.pk, asked["vendor_id"])
        quote = commissions.preview(self.merchant.pk, vendor, amount, clock.now())
        return self.reply(renderings.commission(vendor, amount, quote))

    @documented(
        operation_id="settlements_vendor_info",
        tag=TAG,
        summary="Get a vendor's settlements at a glance",
        description="Per currency: what a settlement closed now would say, and where the money settled "
        "before is: available, in transit, or paid (shown by the bank's statement).",
        parameters=[VENDOR],
        answers={200: Answer(shapes.SettlementInfoShape, shapes.INFO_EXAMPLE, "The figures.")},
        errors=(VendorNotFound,),
    )
    def vendor_info(self, request: Request, vendor_id: str) -> HttpResponse:
        """Show where a vendor's money is."""
        check_parameters(request)
        vendor = self._vendor(vendor_id)
        return self.reply(renderings.vendor_info(vendor, selectors.vendor_info(self.merchant.pk, vendor.pk)))

    def _vendor(self, text: str) -> Vendor:
        try:
            return vendor_selectors.vendor(self.merchant.pk, ids.parse(Vendor.PREFIX, text))
        except NotFound as error:
            raise VendorNotFound("the merchant has no such vendor", param="vendor_id") from error

    def _page(self, rows: Any) -> HttpResponse:
        return self.page(rows, prefix=SettlementBatch.PREFIX, render=renderings.settlement)


def processed(batch: SettlementBatch) -> Reply:
    """Return the answer to a payout: done, not known yet, or refused (402)."""
    body = renderings.settlement(batch)
    if batch.state == BatchState.PAYING:
        return Reply(body, 202)
    payout = body["payout"]
    if batch.state == BatchState.CLOSED and payout and payout["status"] == PayoutState.FAILED:
        problem = problem_body(
            402,
            PAYOUT_FAILED,
            "the payout was refused; its money is available again",
            advice=FAILED_ADVICE,
            failure_code=payout["failure_code"],
            settlement=body,
        )
        return Reply(problem, 402, is_problem=True)
    return Reply(body, 200)


def _batch_id(text: str) -> UUID:
    try:
        return ids.parse(SettlementBatch.PREFIX, text)
    except NotFound as error:
        raise SettlementNotFound("the merchant has no such settlement") from error
