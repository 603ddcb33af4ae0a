"""Opening, closing and opening again of the accounts that merchants keep themselves (the chart says which).

All other accounts open when they are first posted to, and stay. An account is closed only when nothing is on
it and nothing is held; a closed one is neither posted to nor held on (law in the database), and can be opened
again. Each act is one phase with its audit record.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from ledger import audit, chart
from ledger.accounts import selectors
from ledger.actors import Actor
from ledger.chart import CHART, Code
from ledger.errors import Conflict, Invalid
from ledger.journal import AccountClosed
from ledger.locks import lock_one, phased
from ledger.models import Account
from ledger.models.accounts import AccountNotFound
from ledger.recording import no_answer

Answer = Callable[[Any], None]

OPENED_BY_MERCHANTS: Final = tuple(code for code, kind in CHART.items() if kind.is_opened_by_merchants)


class AccountExists(Conflict):
    """There is such an account already."""

    code = "account_exists"
    advice = "List the accounts with this code, holder and currency; use the one there is."


class NotYoursToOpen(Invalid):
    """Accounts of this kind open by themselves, or need another holder."""

    code = "account_kind_not_openable"
    advice = "Open wallets and loans with a holder, and the merchant's own accounts without one."


class AccountNotClosable(Conflict):
    """Accounts of this kind stay open."""

    code = "account_not_closable"
    advice = "Only accounts of a holder, such as wallets and loans, are closed."


class AccountNotEmpty(Conflict):
    """Money is on the account, or held."""

    code = "account_not_empty"
    advice = "Transfer what is on it, and commit or void its holds; then close it."


class AccountNotClosed(Conflict):
    """The account is open."""

    code = "account_not_closed"
    advice = "There is nothing to do: use the account."


def open_account(
    *, merchant_id: UUID, account_id: UUID, code: Code, holder: str, currency: str, actor: Actor,
    at: datetime, answer: Answer = no_answer,
) -> Account:  # fmt: skip
    """Open an account under a public id of the caller's; run again with the same one it finds what it made.

    :raises NotYoursToOpen: the chart does not let merchants open these, or wants a holder or none.
    :raises AccountExists: there is one for this holder and currency.
    """
    kind = CHART[code]
    if not kind.is_opened_by_merchants:
        raise NotYoursToOpen(f"{code} accounts open by themselves", param="code")
    if bool(kind.owner) != bool(holder):
        raise NotYoursToOpen(f"{code} accounts have {'a' if kind.owner else 'no'} holder", param="holder")
    return _open(
        merchant_id, account_id, chart.account(code, merchant_id, currency, holder), actor, at, answer
    )


@phased
def close(
    *,
    merchant_id: UUID,
    account_id: UUID,
    reason: str,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> Account:
    """Close an account on which nothing is.

    :raises AccountNotFound: no such account. :raises AccountNotClosable: its kind stays open.
    :raises AccountClosed: it is closed. :raises AccountNotEmpty: money is on it or held.
    """
    row = _locked(merchant_id, account_id)
    if not selectors.kind_of(row).is_closed_by_merchants:
        raise AccountNotClosable(f"{row.code} accounts stay open")
    if row.closed_at is not None:
        raise AccountClosed(f"account {row.public_id} is closed")
    if row.balance or row.held:
        funds = selectors.funds(row, row.balance)
        raise AccountNotEmpty(
            f"{funds.balance.display()} is on the account, {funds.held.display()} of it held"
        )
    row.closed_at = at
    return _note(row, "account.closed", reason, actor, at, answer)


@phased
def reopen(
    *,
    merchant_id: UUID,
    account_id: UUID,
    reason: str,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> Account:
    """Open a closed account again.

    :raises AccountNotFound: no such account. :raises AccountNotClosed: it is open.
    """
    row = _locked(merchant_id, account_id)
    if row.closed_at is None:
        raise AccountNotClosed(f"account {row.public_id} is open")
    row.closed_at = None
    return _note(row, "account.reopened", reason, actor, at, answer)


@phased
def _open(
    merchant_id: UUID, account_id: UUID, ref: chart.AccountRef, actor: Actor, at: datetime, answer: Answer
) -> Account:
    is_new = chart.open_named(ref, account_id)
    rows = selectors.accounts(merchant_id, code=ref.code, owner=ref.owner, currency=ref.currency)
    row = rows.get()
    if row.public_uuid != account_id:
        raise AccountExists(f"account {row.public_id} is there for this holder and currency", param="holder")
    if is_new:
        shown = {"code": row.code, "holder": row.owner, "currency": row.currency}
        audit.record(actor=actor, action="account.opened", subject=row, at=at, after=shown)
    answer(row)
    return row


def _locked(merchant_id: UUID, account_id: UUID) -> Account:
    rows = Account.objects.filter(merchant_id=merchant_id, public_uuid=account_id)
    return lock_one(rows, missing=AccountNotFound)


def _note(row: Account, action: str, reason: str, actor: Actor, at: datetime, answer: Answer) -> Account:
    row.save(update_fields=["closed_at"])
    audit.record(
        actor=actor,
        action=action,
        subject=row,
        at=at,
        reason=reason,
        after={"closed_at": str(row.closed_at or "")},
    )
    answer(row)
    return row
