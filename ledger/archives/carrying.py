"""What stays of a month of the journal when it is archived: each account's sum, carried forward.

The sums are written in the transaction that detaches the month, so that at every instant an account's
balance is the sum of its postings and of what was carried forward. A month leaves only when it is at rest:
every entry sealed, every posting of a deferred account rolled up, nothing unfinished (`open_ends`).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.db import connection

from ledger.archives import open_ends
from ledger.errors import Conflict
from ledger.invariants import invariant, rows
from ledger.models import Account, CarriedBalance

_BOUNDS: Final = "entry_id >= ledger_uuid_at(%(begins)s) AND entry_id < ledger_uuid_at(%(ends)s)"
_UNSEALED: Final = """
    SELECT count(*) FROM ledger_entry WHERE id >= ledger_uuid_at(%(begins)s) AND id < ledger_uuid_at(%(ends)s)
    AND xid >= (SELECT coalesce(max(transaction_to), 0) FROM ledger_seal)::text::xid8"""
_UNSEALED_ACTS: Final = """
    SELECT count(*) FROM ledger_audit WHERE at >= %(begins)s AND at < %(ends)s
    AND xid >= (SELECT coalesce(max(transaction_to), 0) FROM ledger_seal WHERE scheme >= 3)::text::xid8"""
_UNROLLED: Final = f"""
    SELECT count(*) FROM ledger_posting p JOIN ledger_account a ON a.id = p.account_id
    WHERE {_BOUNDS} AND p.balance_after IS NULL AND p.xid >= a.rolled_to"""  # noqa: S608 - our own bounds
_CARRY: Final = f"""
    INSERT INTO ledger_carried (id, merchant_id, account_id, range_from, range_to, amount, postings)
    SELECT gen_random_uuid(), merchant_id, account_id, %(begins)s, %(ends)s, sum(amount), count(*)
    FROM ledger_posting WHERE {_BOUNDS} GROUP BY merchant_id, account_id"""  # noqa: S608 - our own bounds


class NotAtRest(Conflict):
    """The month still has something to be sealed or rolled up."""

    code = "archive_not_at_rest"
    retryable = True
    advice = "Run it again when the sealer and the roller have been at work."


class MonthArchived(Conflict):
    """The postings of this month are in an archive file; its end and all later moments are known here."""

    code = "month_archived"
    advice = "Ask for a moment after the month, or read the archive: manage.py archive restore FILE."


def refuse_archived(account: Account, moment: datetime) -> None:
    """Refuse a moment inside a month of the account that was archived.

    :raises MonthArchived: it lies in one.
    """
    inside = CarriedBalance.objects.filter(account_id=account.pk, merchant_id=account.merchant_id)
    if inside.filter(range_from__lte=moment, range_to__gt=moment).exists():
        raise MonthArchived(f"the postings of {moment:%Y-%m} are archived")


def refuse_unrest(begins: datetime, ends: datetime) -> None:
    """See that a month of the journal is at rest.

    :raises NotAtRest: an entry is not sealed, or a posting not rolled up. :raises StillOpen: see `open_ends`.
    """
    open_ends.refuse(begins, ends)
    for count, what in (
        (unsealed(begins, ends), "entries are not sealed"),
        (unrolled(begins, ends), "postings are not rolled up"),
    ):
        if count:
            raise NotAtRest(f"{count} {what} of {begins:%Y-%m}")


def carry_forward(begins: datetime, ends: datetime) -> None:
    """Write each account's sum of the month's postings, in the open phase, before they leave.

    :raises NotAtRest: :raises StillOpen: as `refuse_unrest` does; something may have come meanwhile.
    """
    refuse_unrest(begins, ends)
    with connection.cursor() as cursor:
        cursor.execute(_CARRY, {"begins": begins, "ends": ends})


def refuse_unsealed_acts(begins: datetime, ends: datetime) -> None:
    """See that the audit records of a month are sealed before they leave.

    :raises NotAtRest: one is not.
    """
    count = unsealed_acts(begins, ends)
    if count:
        raise NotAtRest(f"{count} audit records of {begins:%Y-%m} are not sealed")


def unsealed_acts(begins: datetime, ends: datetime) -> int:
    """Return how many audit records of a month no block covers yet."""
    return _number(_UNSEALED_ACTS, begins, ends)


def unsealed(begins: datetime, ends: datetime) -> int:
    """Return how many entries of a month no block covers yet."""
    return _number(_UNSEALED, begins, ends)


def unrolled(begins: datetime, ends: datetime) -> int:
    """Return how many postings of a month are not in the rolled-up balance of their deferred account."""
    return _number(_UNROLLED, begins, ends)


def _number(sql: str, begins: datetime, ends: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"begins": begins, "ends": ends})
        return int(cursor.fetchone()[0])


@invariant("I-82", "What archived months carried forward balances in each currency, as their entries did.")
def carried_sums_balance() -> Iterable[str]:
    return rows(
        """SELECT c.merchant_id, c.range_from::date, a.currency, sum(c.amount) FROM ledger_carried c
           LEFT JOIN ledger_account a ON a.id = c.account_id AND a.merchant_id = c.merchant_id
           GROUP BY 1, 2, 3 HAVING sum(c.amount) <> 0 OR a.currency IS NULL""",
        "merchant {0} carried {3} {2} out of {1}",
    )


@invariant("I-83", "Every archive names the one before it, without a gap.")
def archives_are_a_chain() -> Iterable[str]:
    return rows(
        """SELECT number, file_name FROM (
               SELECT number, file_name, previous_hash,
                      lag(archive_hash, 1, '') OVER (ORDER BY number) AS before,
                      lag(number, 1, 0) OVER (ORDER BY number) AS last FROM ledger_archive) chained
           WHERE previous_hash <> before OR number <> last + 1""",
        "archive {0} ({1}) does not follow the one before it",
    )
