"""Controller: accounts as they were. The balance of a moment, statements with the running balance, and the
merchant's trial balance."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from ledger import clock, ids, past_balances
from ledger.accounts import selectors
from ledger.chart import CHART, Code, Side
from ledger.errors import NotFound
from ledger.models import Account
from ledger.models.accounts import AccountNotFound
from ledger.money import Money
from ledger.past_balances import BadPeriod, Basis, Line, NoSuchLine
from vendors.api.base import MerchantViewSet
from vendors.api.books.shapes import ACCOUNT_ID, MoneyOut, asked_for, key_of
from vendors.api.fields import InstantField
from vendors.api.openapi import PAGE_PARAMETERS, Answer, documented, path_id
from vendors.api.paging import check_parameters, limit_of

TAG: Final = "accounts"
ENTRY: Final = "jnl"
ID: Final = path_id("id", Account.PREFIX, "The account")
QUERY: Final = OpenApiParameter.QUERY
_MOMENT: Final = {"type": "string", "format": "date-time"}
PERIOD_DEFAULT: Final = timedelta(days=31)


def _moment(name: str, text: str) -> OpenApiParameter:
    return OpenApiParameter(name, _MOMENT, QUERY, description=text)


class BalanceOut(serializers.Serializer):
    """A balance of a moment, positive on the side on which the account grows."""

    object = serializers.ChoiceField(["account_balance"])
    account = serializers.CharField()
    as_of = serializers.DateTimeField()
    basis = serializers.ChoiceField([basis.value for basis in Basis])
    balance = MoneyOut()


class LineOut(serializers.Serializer):
    """One posting of a statement."""

    id = serializers.CharField(help_text="Ask GET explain/{id} what caused it.")
    kind = serializers.CharField()
    purpose = serializers.CharField()
    amount = MoneyOut()
    balance = MoneyOut()
    occurred_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()


class StatementOut(serializers.Serializer):
    """A page of a statement: `opening`, plus its lines' amounts, is `closing`."""

    object = serializers.ChoiceField(["account_statement"])
    account = serializers.CharField()
    side = serializers.ChoiceField(["debit", "credit"])
    opening = MoneyOut()
    lines = LineOut(many=True)
    closing = MoneyOut()
    has_more = serializers.BooleanField()


class TrialRowOut(serializers.Serializer):
    """All accounts of one kind in one currency."""

    code = serializers.ChoiceField([code.value for code in CHART])
    title = serializers.CharField()
    category = serializers.CharField()
    accounts = serializers.IntegerField()
    debit = MoneyOut()
    credit = MoneyOut()


class TrialSumOut(serializers.Serializer):
    """The sums of a currency; they are equal."""

    debit = MoneyOut()
    credit = MoneyOut()


class TrialBalanceOut(serializers.Serializer):
    """The merchant's trial balance."""

    object = serializers.ChoiceField(["trial_balance"])
    as_of = serializers.DateTimeField(allow_null=True)
    rows = TrialRowOut(many=True)
    sums = TrialSumOut(many=True)


def _usd(minor: int) -> dict[str, Any]:
    return {"amount": minor, "currency": "USD"}


_AT: Final = "2026-11-21T10:00:00Z"
BALANCE_EXAMPLE: Final = {
    "object": "account_balance", "account": ACCOUNT_ID, "as_of": _AT, "basis": "recorded",
    "balance": _usd(10_000),
}  # fmt: skip
STATEMENT_EXAMPLE: Final = {
    "object": "account_statement", "account": ACCOUNT_ID, "side": "credit", "opening": _usd(4_000),
    "lines": [
        {
            "id": "jnl_01kagm3c8qf3p8w0t5y5r4d2ne.2", "kind": "transfer", "purpose": "transfer",
            "amount": _usd(6_000), "balance": _usd(10_000), "occurred_at": _AT, "recorded_at": _AT,
        }
    ],
    "closing": _usd(10_000), "has_more": False,
}  # fmt: skip
TRIAL_EXAMPLE: Final = {
    "object": "trial_balance", "as_of": None,
    "rows": [
        {
            "code": code.value, "title": CHART[code].title, "category": CHART[code].category, "accounts": 1,
            "debit": _usd(debit), "credit": _usd(credit),
        }
        for code, debit, credit in ((Code.BANK, 10_000, 0), (Code.WALLET, 0, 10_000))
    ],
    "sums": [{"debit": _usd(10_000), "credit": _usd(10_000)}],
}  # fmt: skip


class AccountHistoryViewSet(MerchantViewSet):
    """What the calling merchant's accounts were."""

    scopes = {"balance": "books:read", "statement": "books:read", "trial_balance": "books:read"}

    @documented(
        operation_id="accounts_balance",
        tag=TAG,
        summary="Get the balance of a moment",
        description="`recorded`: what the books said at that moment, for ever the same. `effective`: what is "
        "known now of that moment, entries dated back included. Positive on the side on which the account "
        "grows. Costs the same for any account and any moment.",
        parameters=[
            ID,
            _moment("as_of", "The moment, included; now by default."),
            OpenApiParameter(
                "basis",
                {"type": "string", "enum": [basis.value for basis in Basis], "default": "recorded"},
                QUERY,
                description="By which clock.",
            ),
        ],
        answers={200: Answer(BalanceOut, BALANCE_EXAMPLE, "The balance.")},
        errors=(AccountNotFound,),
    )
    def balance(self, request: Request, id: str) -> HttpResponse:
        """Show a balance of the past."""
        check_parameters(request, "as_of", "basis")
        asked = asked_for(
            request, as_of=InstantField(), basis=serializers.ChoiceField([basis.value for basis in Basis])
        )
        account = self._account(id)
        moment, basis = asked.get("as_of") or clock.now(), Basis(asked.get("basis", "recorded"))
        found = past_balances.balance_at(account, moment, basis)
        return self.reply(
            {
                "object": "account_balance",
                "account": account.public_id,
                "as_of": moment,
                "basis": basis.value,
                "balance": _on_side(account, found).as_json(),
            }
        )

    @documented(
        operation_id="accounts_statement",
        tag=TAG,
        summary="List an account's postings with the running balance",
        description="Oldest first, in the order in which they were recorded, from `from` (included) to `to` "
        "(not included); the last 31 days by default. `opening` and `closing` are those of the page.",
        parameters=[
            ID,
            _moment("from", "Recorded at or after this moment."),
            _moment("to", "Recorded before this moment."),
            PAGE_PARAMETERS[0],
            OpenApiParameter(
                "starting_after", {"type": "string"}, QUERY, description="The `id` of the last line seen."
            ),
        ],
        answers={200: Answer(StatementOut, STATEMENT_EXAMPLE, "A page of the statement.")},
        errors=(AccountNotFound, BadPeriod, NoSuchLine),
    )
    def statement(self, request: Request, id: str) -> HttpResponse:
        """Show a page of an account's statement."""
        check_parameters(request, "from", "to", "limit", "starting_after")
        asked = asked_for(request, **{"from": InstantField(), "to": InstantField()})
        account = self._account(id)
        ends: datetime = asked.get("to") or clock.now()
        told = past_balances.statement(
            account,
            asked.get("from") or ends - PERIOD_DEFAULT,
            ends,
            limit=limit_of(request),
            after=_line_of(request),
        )
        return self.reply(
            {
                "object": "account_statement",
                "account": account.public_id,
                "side": CHART[Code(account.code)].side.value,
                "opening": _on_side(account, told.opening).as_json(),
                "lines": [_line_shown(account, line) for line in told.lines],
                "closing": _on_side(account, told.closing).as_json(),
                "has_more": told.has_more,
            }
        )

    @documented(
        operation_id="trial_balance",
        tag=TAG,
        summary="Get the trial balance",
        description="Every kind of account with its debit and credit balances, now or as the books said at a "
        "moment. The sums of a currency are equal: that is what double entry means.",
        parameters=[_moment("as_of", "As recorded at this moment; now by default.")],
        answers={200: Answer(TrialBalanceOut, TRIAL_EXAMPLE, "The trial balance.")},
    )
    def trial_balance(self, request: Request) -> HttpResponse:
        """Show the merchant's trial balance."""
        check_parameters(request, "as_of")
        moment = asked_for(request, as_of=InstantField()).get("as_of")
        rows = past_balances.trial_balance(self.merchant.pk, moment)
        sums: dict[str, tuple[int, int]] = {}
        for row in rows:
            debit, credit = sums.get(row.currency, (0, 0))
            sums[row.currency] = (debit + row.debit, credit + row.credit)
        return self.reply(
            {
                "object": "trial_balance",
                "as_of": moment,
                "rows": [
                    {
                        "code": row.code.value,
                        "title": CHART[row.code].title,
                        "category": CHART[row.code].category,
                        "accounts": row.accounts,
                        **_sides(row.debit, row.credit, row.currency),
                    }
                    for row in rows
                ],
                "sums": [_sides(*both, currency) for currency, both in sums.items()],
            }
        )

    def _account(self, text: str) -> Account:
        return selectors.account(self.merchant.pk, key_of(Account.PREFIX, text, AccountNotFound))


def _sides(debit: int, credit: int, currency: str) -> dict[str, Any]:
    return {"debit": Money(debit, currency).as_json(), "credit": Money(credit, currency).as_json()}


def _on_side(account: Account, money: Money) -> Money:
    return money if CHART[Code(account.code)].side is Side.DEBIT else -money


def _line_shown(account: Account, line: Line) -> dict[str, Any]:
    return {
        "id": f"{ids.show(ENTRY, line.entry_id)}.{line.line}",
        "kind": line.kind,
        "purpose": line.purpose,
        "amount": _on_side(account, line.amount).as_json(),
        "balance": _on_side(account, line.balance).as_json(),
        "occurred_at": line.occurred_at,
        "recorded_at": line.recorded_at,
    }


def _line_of(request: Request) -> tuple[UUID, int] | None:
    text = request.query_params.get("starting_after")
    if text is None:
        return None
    entry, _, line = text.partition(".")
    try:
        key = ids.parse(ENTRY, entry)
        if not (line.isascii() and line.isdigit() and len(line) <= 4):
            raise NotFound("no line")
    except NotFound as error:
        detail = ErrorDetail("must be the `id` of a line of an earlier page", code="invalid_parameter")
        raise ValidationError({"starting_after": [detail]}) from error
    return key, int(line)
