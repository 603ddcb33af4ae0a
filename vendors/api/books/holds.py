"""Controller: holds. Set money of an account aside, commit it in parts or whole, or let it go."""

from typing import Any, Final

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from ledger.accounts import selectors as accounts
from ledger.journal import AccountClosed
from ledger.models import Account, Hold
from ledger.models.accounts import AccountNotFound
from ledger.models.transfers import HoldNotFound, HoldTooSmall
from ledger.money import CurrencyMismatch
from ledger.states import StateConflict
from ledger.transfers import holding, selectors
from ledger.transfers.holding import (
    SECONDS_DEFAULT,
    SECONDS_MAX,
    HoldExpired,
    HoldForReview,
    HoldWish,
)
from ledger.transfers.kinds import HOLD_TYPES, TransferType, WrongAccounts
from ledger.transfers.movements import Ends, InsufficientFunds, LimitPassed, SameAccount
from vendors.api.base import MerchantViewSet
from vendors.api.books import shapes
from vendors.api.books.shapes import (
    COMMIT_EXAMPLE,
    HOLD_EXAMPLE,
    HoldCommitOut,
    HoldOut,
    HoldPage,
    commit_shown,
    hold_shown,
)
from vendors.api.fields import (
    AmountField,
    PublicIdField,
    StrictSerializer,
    WholeNumberField,
)
from vendors.api.openapi import PAGE_PARAMETERS, Answer, Body, documented, page_example, path_id

TAG: Final = "holds"
ID: Final = path_id("id", Hold.PREFIX, "The hold")
FILTERS: Final = (
    OpenApiParameter(
        "account", {"type": "string"}, OpenApiParameter.QUERY, description="Out of this account, `acc_…`."
    ),
)
EXAMPLE: Final = {
    "type": "payment",
    "account": shapes.ACCOUNT_ID,
    "to_account": shapes.OTHER_ID,
    "amount": {"amount": 4_000, "currency": "USD"},
    "expires_in_seconds": SECONDS_DEFAULT,
    "description": "Deposit",
}


class HoldIn(shapes.MovementIn):
    """Money to set aside."""

    type = serializers.ChoiceField([kind.value for kind in HOLD_TYPES])
    account = PublicIdField("acc")
    to_account = PublicIdField("acc")
    expires_in_seconds = WholeNumberField(
        minimum=1,
        maximum=SECONDS_MAX,
        required=False,
        default=SECONDS_DEFAULT,
        help_text="After this time the money is free again; seven days unless told.",
    )


class CommitIn(StrictSerializer):
    """How much of a hold to move."""

    amount = AmountField(required=False, default=None, help_text="Minor units; when absent all that remains.")


class VoidIn(StrictSerializer):
    """Nothing more needs to be said."""


class HoldViewSet(MerchantViewSet):
    """Holds on accounts of the calling merchant."""

    scopes = {
        "create": "books:write",
        "commit": "books:write",
        "void": "books:write",
        "list": "books:read",
        "retrieve": "books:read",
    }

    @documented(
        operation_id="holds_create",
        tag=TAG,
        summary="Set money aside",
        description="The amount leaves what is available on the account and stays on its balance, until it "
        "is committed or voided or its time is over.",
        body=Body(HoldIn, EXAMPLE),
        answers={201: Answer(HoldOut, HOLD_EXAMPLE, "The hold.")},
        errors=(
            AccountNotFound, SameAccount, CurrencyMismatch, WrongAccounts, AccountClosed, InsufficientFunds,
            LimitPassed,
        ),
        key="required",
    )  # fmt: skip
    def create(self, request: Request) -> HttpResponse:
        """Place a hold."""
        asked = self.read(HoldIn)
        wish = HoldWish(
            hold_id=self.effect_id,
            ends=Ends(TransferType(asked["type"]), asked["account"], asked["to_account"], asked["amount"]),
            seconds=asked["expires_in_seconds"],
            description=asked["description"],
            metadata=asked["metadata"],
        )
        return self.do(holding.place, hold_shown, 201, wish=wish)

    @documented(
        operation_id="holds_commit",
        tag=TAG,
        summary="Move what is held, in part or whole",
        description="Each commit is a transfer of its own; what is left stays held. After the hold's time "
        "nothing is committed any more.",
        parameters=[ID],
        body=Body(CommitIn, {"amount": 1_500}),
        answers={200: Answer(HoldCommitOut, COMMIT_EXAMPLE, "The hold after it, and the transfer.")},
        errors=(
            HoldNotFound, HoldForReview, StateConflict, HoldExpired, HoldTooSmall, AccountClosed, LimitPassed,
        ),
        key="required",
    )  # fmt: skip
    def commit(self, request: Request, id: str) -> HttpResponse:
        """Commit a hold."""
        asked = self.read(CommitIn)
        return self.do(
            holding.commit,
            commit_shown,
            hold_id=shapes.key_of(Hold.PREFIX, id, HoldNotFound),
            transfer_id=self.effect_id,
            amount_minor=asked["amount"],
        )

    @documented(
        operation_id="holds_void",
        tag=TAG,
        summary="Let a hold go",
        description="What remains is available again.",
        parameters=[ID],
        body=Body(VoidIn, {}),
        answers={200: Answer(HoldOut, {**HOLD_EXAMPLE, "status": "voided"}, "The voided hold.")},
        errors=(HoldNotFound, HoldForReview, StateConflict),
        key="required",
    )
    def void(self, request: Request, id: str) -> HttpResponse:
        """Void a hold."""
        self.read(VoidIn)
        return self.do(holding.void, hold_shown, hold_id=shapes.key_of(Hold.PREFIX, id, HoldNotFound))

    @documented(
        operation_id="holds_list",
        tag=TAG,
        summary="List holds, newest first",
        description="All holds of the merchant, also those of transfers under review.",
        parameters=[*FILTERS, *PAGE_PARAMETERS],
        answers={200: Answer(HoldPage, page_example(HOLD_EXAMPLE), "One page.")},
        errors=(AccountNotFound,),
    )
    def list(self, request: Request) -> HttpResponse:
        """Show a page of holds."""
        asked = shapes.asked_for(request, account=PublicIdField(Account.PREFIX))
        filters: dict[str, Any] = {}
        if "account" in asked:
            filters["account_id"] = accounts.account(self.merchant.pk, asked["account"]).pk
        rows = selectors.holds(self.merchant.pk, **filters)
        return self.page(rows, prefix=Hold.PREFIX, render=hold_shown, filters=("account",))

    @documented(
        operation_id="holds_retrieve",
        tag=TAG,
        summary="Get a hold",
        description="`remaining` is what it still keeps.",
        parameters=[ID],
        answers={200: Answer(HoldOut, HOLD_EXAMPLE, "The hold.")},
        errors=(HoldNotFound,),
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        """Show a hold."""
        key = shapes.key_of(Hold.PREFIX, id, HoldNotFound)
        return self.reply(hold_shown(selectors.hold(self.merchant.pk, key)))
