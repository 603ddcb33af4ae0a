"""Controller: accounts of the books. Open wallets, loans and the merchant's own accounts, look at what is on
them and what is held, close them and open them again."""

from typing import Any, Final

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from ledger.accounts import opening, selectors
from ledger.accounts.opening import (
    OPENED_BY_MERCHANTS,
    AccountExists,
    AccountNotClosable,
    AccountNotClosed,
    AccountNotEmpty,
    NotYoursToOpen,
)
from ledger.chart import CHART, Code
from ledger.journal import AccountClosed
from ledger.models import Account
from ledger.models.accounts import AccountNotFound
from vendors.api.base import MerchantViewSet
from vendors.api.books import shapes
from vendors.api.books.shapes import ACCOUNT_EXAMPLE, AccountOut, AccountPage, account_shown
from vendors.api.fields import CurrencyField, StrictSerializer, TextField
from vendors.api.openapi import PAGE_PARAMETERS, Answer, Body, documented, page_example, path_id

TAG: Final = "accounts"
ID: Final = path_id("id", Account.PREFIX, "The account")
HOLDER: Final = r"[!-~]{1,80}"
CODES: Final = [code.value for code in CHART]
QUERY: Final = OpenApiParameter.QUERY
FILTERS: Final = (
    OpenApiParameter("code", {"type": "string", "enum": CODES}, QUERY, description="Of this kind."),
    OpenApiParameter("holder", {"type": "string"}, QUERY, description="Of this holder."),
    OpenApiParameter("currency", {"type": "string"}, QUERY, description="In this currency."),
)


class AccountIn(StrictSerializer):
    """An account to open."""

    code = serializers.ChoiceField([code.value for code in OPENED_BY_MERCHANTS])
    holder = TextField(80, pattern=HOLDER, required=False, default="")
    currency = CurrencyField()


class WhyIn(StrictSerializer):
    """Why it is done; kept in the audit log."""

    reason = TextField(300)


ONE: Final = {200: Answer(AccountOut, ACCOUNT_EXAMPLE, "The account.")}
CLOSED: Final = {
    **ACCOUNT_EXAMPLE,
    "status": "closed",
    "balance": {"amount": 0, "currency": "USD"},
    "held": {"amount": 0, "currency": "USD"},
    "available": {"amount": 0, "currency": "USD"},
    "closed_at": "2026-11-21T11:00:00.000000Z",
}


class AccountViewSet(MerchantViewSet):
    """Accounts of the calling merchant."""

    scopes = {
        "create": "books:write",
        "close": "books:write",
        "reopen": "books:write",
        "list": "books:read",
        "retrieve": "books:read",
    }

    @documented(
        operation_id="accounts_create",
        tag=TAG,
        summary="Open an account",
        description="Wallets and loans have a holder, your own name for whose they are; the merchant's own "
        "accounts have none. There is one per code, holder and currency.",
        body=Body(AccountIn, {"code": "wallet", "holder": "customer-17", "currency": "USD"}),
        answers={201: Answer(AccountOut, ACCOUNT_EXAMPLE, "The account.")},
        errors=(NotYoursToOpen, AccountExists),
        key="required",
    )
    def create(self, request: Request) -> HttpResponse:
        """Open an account."""
        asked = self.read(AccountIn)
        return self.do(
            opening.open_account,
            account_shown,
            201,
            account_id=self.effect_id,
            code=Code(asked["code"]),
            holder=asked["holder"],
            currency=asked["currency"],
        )

    @documented(
        operation_id="accounts_list",
        tag=TAG,
        summary="List accounts, newest first",
        description="All accounts of the merchant with what is on them at this instant: also those that the "
        "platform opened itself.",
        parameters=[*FILTERS, *PAGE_PARAMETERS],
        answers={200: Answer(AccountPage, page_example(ACCOUNT_EXAMPLE), "One page.")},
    )
    def list(self, request: Request) -> HttpResponse:
        """Show a page of accounts."""
        asked: dict[str, Any] = shapes.asked_for(
            request,
            code=serializers.ChoiceField(CODES),
            holder=TextField(80, pattern=HOLDER),
            currency=CurrencyField(),
        )
        if "holder" in asked:
            asked["owner"] = asked.pop("holder")
        return self.page(
            selectors.accounts(self.merchant.pk, **asked),
            prefix=Account.PREFIX,
            key="public_uuid",
            render=account_shown,
            filters=("code", "holder", "currency"),
        )

    @documented(
        operation_id="accounts_retrieve",
        tag=TAG,
        summary="Get an account",
        description="`balance` is positive on the side on which the account grows; `held` is set aside; "
        "`available` is the rest, and null where nothing bounds it. `version` changes with each of them.",
        parameters=[ID],
        answers=ONE,
        errors=(AccountNotFound,),
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        """Show an account."""
        key = shapes.key_of(Account.PREFIX, id, AccountNotFound)
        return self.reply(account_shown(selectors.account(self.merchant.pk, key)))

    @documented(
        operation_id="accounts_close",
        tag=TAG,
        summary="Close an account",
        description="Only wallets and loans, and only when nothing is on them and nothing is held.",
        parameters=[ID],
        body=Body(WhyIn, {"reason": "the customer left"}),
        answers={200: Answer(AccountOut, CLOSED, "The closed account.")},
        errors=(AccountNotFound, AccountNotClosable, AccountClosed, AccountNotEmpty),
        key="required",
    )
    def close(self, request: Request, id: str) -> HttpResponse:
        """Close an account."""
        return self._change(opening.close, id)

    @documented(
        operation_id="accounts_reopen",
        tag=TAG,
        summary="Open a closed account again",
        description="It goes on where it was.",
        parameters=[ID],
        body=Body(WhyIn, {"reason": "the customer is back"}),
        answers=ONE,
        errors=(AccountNotFound, AccountNotClosed),
        key="required",
    )
    def reopen(self, request: Request, id: str) -> HttpResponse:
        """Open an account again."""
        return self._change(opening.reopen, id)

    def _change(self, act: Any, id: str) -> HttpResponse:
        asked = self.read(WhyIn)
        return self.do(
            act,
            account_shown,
            account_id=shapes.key_of(Account.PREFIX, id, AccountNotFound),
            reason=asked["reason"],
        )
