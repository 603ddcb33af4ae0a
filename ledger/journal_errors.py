"""Why the journal refuses an entry: one named error for each reason, with nothing written.

The database's laws have names (`0004_posting.sql`); `of_database` is the one map from those to the errors.
"""

from typing import Final

from django.db import DataError, IntegrityError

from ledger.errors import Conflict, DomainError, Invalid, NotFound

# A posting is at most a quadrillion minor units, so that thousands of them fit into a bigint balance.
POSTING_MAX: Final = 10**15


class Unbalanced(Invalid):
    """The legs of an entry do not sum to zero in each currency, or there are none."""

    code = "entry_unbalanced"
    advice = "Make debits equal credits in every currency of the entry."


class ZeroAmount(Invalid):
    """A leg moves nothing."""

    code = "amount_zero"
    advice = "Leave out legs of amount zero."


class NegativeAmount(Invalid):
    """A debit or credit of less than nothing."""

    code = "amount_negative"
    advice = "Swap debit and credit instead of changing the sign."


class AmountTooLarge(Invalid):
    """An amount, or the balance that it would make, is beyond what the books hold."""

    code = "amount_too_large"
    advice = f"Post at most {POSTING_MAX} minor units at once."


class UnknownAccount(NotFound):
    """The merchant has no such account."""

    code = "account_not_found"
    advice = "Open the account first."


class AccountClosed(Conflict):
    """The account takes no more postings."""

    code = "account_closed"
    advice = "Use another account, or have this one reopened."


class AlreadyPosted(Conflict):
    """The business fact has been posted before, or the entry has been taken back before."""

    code = "already_posted"


class Overdraft(Conflict):
    """A strict account does not hold enough."""

    code = "insufficient_funds_in_account"
    advice = "Lower the amount, or wait until more is available."


class NotAReversal(Invalid):
    """The legs are not the opposite of the entry that they claim to take back."""

    code = "reversal_differs"
    advice = "Reverse an entry whole; post a new entry for anything else."


class BatchRefused(Invalid):
    """Entries that should be posted all or not at all contain some that cannot; nothing was posted."""

    code = "batch_refused"


_BY_LAW: Final[dict[str, tuple[type[DomainError], str]]] = {
    "ledger_account_within_bounds": (Overdraft, "an account would be overdrawn"),
    "ledger_account_known": (UnknownAccount, "a leg names an account that the merchant does not have"),
    "ledger_account_open": (AccountClosed, "a leg names an account that is closed"),
    "ledger_entry_balances": (Unbalanced, "the legs do not sum to zero in each currency"),
    "ledger_posting_not_zero": (ZeroAmount, "a leg moves nothing"),
    "ledger_posting_amount_bounded": (AmountTooLarge, "a leg is larger than the books allow"),
    "ledger_reversal_is_opposite": (NotAReversal, "the legs do not take the entry back"),
}
_FACTS: Final = "ledger_fact"  # each month's partition has a key of its own name


def of_database(error: IntegrityError | DataError) -> Exception:
    """Return the named error for a law that the database upheld; the error itself when it is none of ours."""
    diagnosis = getattr(error.__cause__, "diag", None)
    law = getattr(diagnosis, "constraint_name", None) or ""
    if law.startswith(_FACTS):
        return AlreadyPosted("this fact has been posted already")
    if law in _BY_LAW:
        kind, message = _BY_LAW[law]
        return kind(message)
    if getattr(error.__cause__, "sqlstate", "") == "22003":  # numeric value out of range
        return AmountTooLarge("a balance would be beyond what a bigint holds")
    return error
