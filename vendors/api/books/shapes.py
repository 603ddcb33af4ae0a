"""What the controllers of the books share: shapes and renderings of accounts, transfers and holds, examples,
and the reading of query parameters."""

from typing import Any, Final
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request

from ledger import ids
from ledger.accounts import selectors as accounts
from ledger.chart import CHART, Code
from ledger.errors import NotFound
from ledger.ids import show
from ledger.machines import HOLD_STATUSES, TRANSFER_STATUSES
from ledger.models import Account, Hold, Transfer
from ledger.money import Money
from ledger.transfers.holding import Commit
from ledger.transfers.kinds import TransferType
from vendors.api.fields import MetadataField, MoneyField, StrictSerializer, TextField
from vendors.api.openapi import page_of

ACCOUNT_ID: Final = "acc_01kagm3c8qf3p8w0t5y5r4d2ne"
OTHER_ID: Final = "acc_01kagm3c8qf3p8w0t5y5r4d2nf"


class MoneyOut(serializers.Serializer):
    """An amount in minor units with its currency; a balance may be negative."""

    amount = serializers.IntegerField()
    currency = serializers.CharField()


class AccountOut(serializers.Serializer):
    """An account of the books."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["account"])
    code = serializers.ChoiceField([code.value for code in CHART])
    title = serializers.CharField()
    category = serializers.CharField()
    side = serializers.ChoiceField(["debit", "credit"])
    holder = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    status = serializers.ChoiceField(["open", "closed"])
    balance = MoneyOut()
    held = MoneyOut()
    available = MoneyOut(allow_null=True)
    version = serializers.IntegerField(allow_null=True)
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class MovementIn(StrictSerializer):
    """What every wish to move or hold money says."""

    amount = MoneyField()
    description = TextField(300, required=False, default="")
    metadata = MetadataField(required=False, default=dict)


class TransferOut(serializers.Serializer):
    """A transfer between two accounts."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["transfer"])
    type = serializers.ChoiceField([kind.value for kind in TransferType])
    status = serializers.ChoiceField(TRANSFER_STATUSES)
    from_account = serializers.CharField()
    to_account = serializers.CharField()
    amount = MoneyOut()
    interest = MoneyOut()
    refunds = serializers.CharField(allow_null=True)
    refunded = MoneyOut()
    hold_id = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_null=True)
    metadata = serializers.DictField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class HoldOut(serializers.Serializer):
    """Money of an account that is set aside."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["hold"])
    type = serializers.ChoiceField([kind.value for kind in TransferType])
    status = serializers.ChoiceField(HOLD_STATUSES)
    account = serializers.CharField()
    to_account = serializers.CharField()
    amount = MoneyOut()
    committed = MoneyOut()
    remaining = MoneyOut()
    reviews = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_null=True)
    metadata = serializers.DictField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)


class HoldCommitOut(serializers.Serializer):
    """What a commit made of a hold: the hold after it, and the transfer that moved the money."""

    object = serializers.ChoiceField(["hold_commit"])
    hold = HoldOut()
    transfer = TransferOut()


AccountPage: Final = page_of(AccountOut, "AccountPage")
TransferPage: Final = page_of(TransferOut, "TransferPage")
HoldPage: Final = page_of(HoldOut, "HoldPage")


def account_shown(row: Account) -> dict[str, Any]:
    """Return an account as the API shows it, on the side on which it grows."""
    kind, funds = accounts.kind_of(row), accounts.funds(row)
    return {
        "id": row.public_id,
        "object": "account",
        "code": row.code,
        "title": kind.title,
        "category": kind.category,
        "side": kind.side.value,
        "holder": row.owner or None,
        "currency": row.currency,
        "status": "open" if row.closed_at is None else "closed",
        "balance": funds.balance.as_json(),
        "held": funds.held.as_json(),
        "available": funds.available.as_json() if funds.available is not None else None,
        "version": None if row.is_deferred else row.version,
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
    }


def transfer_shown(row: Transfer) -> dict[str, Any]:
    """Return a transfer as the API shows it; its accounts are loaded."""
    return {
        "id": row.public_id,
        "object": "transfer",
        "type": row.type,
        "status": row.state,
        "from_account": row.source.public_id,
        "to_account": row.target.public_id,
        "amount": row.amount.as_json(),
        "interest": row.interest.as_json(),
        "refunds": _id_of(Transfer.PREFIX, row.refunds_id),
        "refunded": Money(row.refunded_minor, row.currency).as_json(),
        "hold_id": _id_of(Hold.PREFIX, row.hold_id),
        "description": row.description or None,
        "metadata": row.metadata,
        "created_at": row.created_at,
        "closed_at": row.closed_at,
    }


def hold_shown(row: Hold) -> dict[str, Any]:
    """Return a hold as the API shows it; its accounts are loaded."""
    return {
        "id": row.public_id,
        "object": "hold",
        "type": row.type,
        "status": row.state,
        "account": row.account.public_id,
        "to_account": row.target.public_id,
        "amount": Money(row.amount_minor, row.currency).as_json(),
        "committed": Money(row.committed_minor, row.currency).as_json(),
        "remaining": row.remaining.as_json(),
        "reviews": _id_of(Transfer.PREFIX, row.reviews_id),
        "description": row.description or None,
        "metadata": row.metadata,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "closed_at": row.closed_at,
    }


def commit_shown(done: Commit) -> dict[str, Any]:
    """Return what a commit made, as the API shows it."""
    return {
        "object": "hold_commit",
        "hold": hold_shown(done.hold),
        "transfer": transfer_shown(done.transfer),
    }


def key_of(prefix: str, text: str, missing: type[NotFound]) -> UUID:
    """Return the key in a path; one that is malformed is like one that names nothing.

    :raises NotFound: (the subclass given) it is no such id.
    """
    try:
        return ids.parse(prefix, text)
    except NotFound as error:
        raise missing("the merchant has no such object", param="id") from error


def asked_for(request: Request, **known: serializers.Field) -> dict[str, Any]:
    """Return the query parameters of a list that were given, each read by its field.

    :raises ValidationError: one is not of its form.
    """
    found = {}
    for name, field in known.items():
        text = request.query_params.get(name)
        if text is None:
            continue
        try:
            found[name] = field.run_validation(text)
        except serializers.ValidationError as error:
            found_wrong: Any = error.detail
            detail = serializers.ErrorDetail(str(found_wrong[0]), code="invalid_parameter")
            raise serializers.ValidationError({name: [detail]}) from error
    return found


def _id_of(prefix: str, key: UUID | None) -> str | None:
    return show(prefix, key) if key is not None else None


def _usd(minor: int) -> dict[str, Any]:
    return {"amount": minor, "currency": "USD"}


ACCOUNT_EXAMPLE: Final = {
    "id": ACCOUNT_ID,
    "object": "account",
    "code": Code.WALLET.value,
    "title": CHART[Code.WALLET].title,
    "category": "liability",
    "side": "credit",
    "holder": "customer-17",
    "currency": "USD",
    "status": "open",
    "balance": _usd(10_000),
    "held": _usd(4_000),
    "available": _usd(6_000),
    "version": 3,
    "opened_at": "2026-11-21T10:00:00.000000Z",
    "closed_at": None,
}
TRANSFER_EXAMPLE: Final = {
    "id": "tra_01kagm3c8qf3p8w0t5y5r4d2ne",
    "object": "transfer",
    "type": "payment",
    "status": "completed",
    "from_account": ACCOUNT_ID,
    "to_account": OTHER_ID,
    "amount": _usd(1_500),
    "interest": _usd(0),
    "refunds": None,
    "refunded": _usd(0),
    "hold_id": None,
    "description": "Order 1001",
    "metadata": {"order": "1001"},
    "created_at": "2026-11-21T10:00:00.000000Z",
    "closed_at": "2026-11-21T10:00:00.000000Z",
}
HOLD_EXAMPLE: Final = {
    "id": "hld_01kagm3c8qf3p8w0t5y5r4d2ne",
    "object": "hold",
    "type": "payment",
    "status": "open",
    "account": ACCOUNT_ID,
    "to_account": OTHER_ID,
    "amount": _usd(4_000),
    "committed": _usd(0),
    "remaining": _usd(4_000),
    "reviews": None,
    "description": "Deposit",
    "metadata": {},
    "created_at": "2026-11-21T10:00:00.000000Z",
    "expires_at": "2026-11-28T10:00:00.000000Z",
    "closed_at": None,
}
COMMIT_EXAMPLE: Final = {
    "object": "hold_commit",
    "hold": {
        **HOLD_EXAMPLE,
        "status": "partly_committed",
        "committed": _usd(1_500),
        "remaining": _usd(2_500),
    },
    "transfer": {**TRANSFER_EXAMPLE, "hold_id": HOLD_EXAMPLE["id"]},
}
