"""Controller: transfers between accounts, by the payment types."""

from typing import Final

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from ledger.journal import AccountClosed
from ledger.machines import TRANSFER_STATUSES
from ledger.models import Hold, Transfer
from ledger.models.accounts import AccountNotFound
from ledger.models.transfers import NotRefundable, TransferNotFound
from ledger.money import AMOUNT_MAX, CurrencyMismatch, Money
from ledger.transfers import selectors, transferring
from ledger.transfers.kinds import HouseOnly, TransferType, WrongAccounts
from ledger.transfers.movements import (
    Ends,
    InsufficientFunds,
    LimitPassed,
    SameAccount,
    VersionMismatch,
    VersionNotKept,
)
from ledger.transfers.transferring import BadInterest, BadRefund, TransferWish
from vendors.api.base import MerchantViewSet
from vendors.api.books import shapes
from vendors.api.books.shapes import TRANSFER_EXAMPLE, TransferOut, TransferPage, transfer_shown
from vendors.api.fields import (
    PublicIdField,
    WholeNumberField,
)
from vendors.api.openapi import PAGE_PARAMETERS, Answer, Body, documented, page_example, path_id

TAG: Final = "transfers"
ID: Final = path_id("id", Transfer.PREFIX, "The transfer")
VERSION_MAX: Final = 2**63 - 1
FILTERS: Final = (
    OpenApiParameter(
        "status",
        {"type": "string", "enum": list(TRANSFER_STATUSES)},
        OpenApiParameter.QUERY,
        description="In this status.",
    ),
    OpenApiParameter(
        "hold", {"type": "string"}, OpenApiParameter.QUERY, description="That committed this hold, `hld_…`."
    ),
)
EXAMPLE: Final = {
    "type": "payment",
    "from_account": shapes.ACCOUNT_ID,
    "to_account": shapes.OTHER_ID,
    "amount": {"amount": 1_500, "currency": "USD"},
    "expected_version": 3,
    "description": "Order 1001",
    "metadata": {"order": "1001"},
}


class TransferIn(shapes.MovementIn):
    """Money to move."""

    type = serializers.ChoiceField([kind.value for kind in TransferType])
    from_account = PublicIdField("acc")
    to_account = PublicIdField("acc")
    interest = WholeNumberField(
        minimum=0,
        maximum=AMOUNT_MAX,
        required=False,
        default=None,
        help_text="How much of a loan payment is interest, in minor units; the rest is principal.",
    )
    refunds = PublicIdField(
        "tra", required=False, default=None, help_text="The payment that a refund takes back."
    )
    expected_version = WholeNumberField(
        minimum=0,
        maximum=VERSION_MAX,
        required=False,
        default=None,
        help_text="The version of from_account that you have read: when it has changed, nothing moves.",
    )


class TransferViewSet(MerchantViewSet):
    """Transfers between accounts of the calling merchant."""

    scopes = {"create": "books:write", "list": "books:read", "retrieve": "books:read"}

    @documented(
        operation_id="transfers_create",
        tag=TAG,
        summary="Move money between two accounts",
        description="At once and once per Idempotency-Key. From the reporting threshold of the currency on "
        "the money is only held, the status is `under_review`, and a person decides.",
        body=Body(TransferIn, EXAMPLE),
        answers={201: Answer(TransferOut, TRANSFER_EXAMPLE, "Completed, or under review.")},
        errors=(
            AccountNotFound, TransferNotFound, SameAccount, CurrencyMismatch, WrongAccounts, HouseOnly,
            BadInterest, BadRefund, NotRefundable, AccountClosed, VersionMismatch, VersionNotKept,
            InsufficientFunds, LimitPassed,
        ),
        key="required",
    )  # fmt: skip
    def create(self, request: Request) -> HttpResponse:
        """Move money."""
        asked = self.read(TransferIn)
        interest = asked["interest"]
        wish = TransferWish(
            transfer_id=self.effect_id,
            ends=Ends(
                type=TransferType(asked["type"]),
                source=asked["from_account"],
                target=asked["to_account"],
                amount=asked["amount"],
                interest=None if interest is None else Money(interest, asked["amount"].currency),
            ),
            refunds=asked["refunds"],
            expected_version=asked["expected_version"],
            description=asked["description"],
            metadata=asked["metadata"],
        )
        return self.do(transferring.transfer, transfer_shown, 201, wish=wish)

    @documented(
        operation_id="transfers_list",
        tag=TAG,
        summary="List transfers, newest first",
        description="All transfers of the merchant.",
        parameters=[*FILTERS, *PAGE_PARAMETERS],
        answers={200: Answer(TransferPage, page_example(TRANSFER_EXAMPLE), "One page.")},
    )
    def list(self, request: Request) -> HttpResponse:
        """Show a page of transfers."""
        asked = shapes.asked_for(
            request, status=serializers.ChoiceField(TRANSFER_STATUSES), hold=PublicIdField(Hold.PREFIX)
        )
        filters = {{"status": "state", "hold": "hold_id"}[name]: value for name, value in asked.items()}
        return self.page(
            selectors.transfers(self.merchant.pk, **filters),
            prefix=Transfer.PREFIX,
            render=transfer_shown,
            filters=("status", "hold"),
        )

    @documented(
        operation_id="transfers_retrieve",
        tag=TAG,
        summary="Get a transfer",
        description="One transfer by its id.",
        parameters=[ID],
        answers={200: Answer(TransferOut, TRANSFER_EXAMPLE, "The transfer.")},
        errors=(TransferNotFound,),
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        """Show a transfer."""
        key = shapes.key_of(Transfer.PREFIX, id, TransferNotFound)
        return self.reply(transfer_shown(selectors.transfer(self.merchant.pk, key)))
