"""Balances rebuilt from postings: the figure that an account's row must have, and who is wrong when it has
another.

A strict account's figure is the sum of its postings; a deferred one's is the sum of those that were rolled up
(written by transactions before its watermark); to both comes what archived months carried forward. The row
has no proof of its own; an entry has the hash of its content, and an event names it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from ledger.history.comparing import LEDGER, TABLE
from ledger.history.rebuilding import NoSuchSubject

_FIGURES = """
SELECT a.id, a.merchant_id, a.code, a.currency, a.version, a.balance,
       (coalesce(sum(p.amount) FILTER (WHERE NOT a.is_deferred OR p.xid < a.rolled_to), 0)
        + coalesce((SELECT sum(c.amount) FROM ledger_carried c WHERE c.account_id = a.id), 0))::bigint
FROM ledger_account a LEFT JOIN ledger_posting p ON p.account_id = a.id
"""


@dataclass(slots=True)
class BalanceVerdict:
    """An account's figure in minor units (debit positive), and what its postings come to."""

    account_id: int
    merchant_id: UUID
    name: str
    version: int
    balance: int
    due: int
    corrupted: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.corrupted

    @property
    def difference(self) -> list[dict[str, Any]]:
        """The figure as found and as the postings tell it, in the form of a restoration."""
        return [{"name": "balance", "found": self.balance, "told": self.due}]

    def __str__(self) -> str:
        what = ", ".join(self.corrupted) or "nothing"
        return f"account {self.account_id} ({self.name}): {what} corrupted: {'; '.join(self.reasons)}"


def offset_of(difference: list[dict[str, Any]]) -> int:
    """Return by how much a balance is off: what stays the same while postings go on."""
    return int(difference[0]["told"]) - int(difference[0]["found"])


def compare_account(account_id: int) -> BalanceVerdict:
    """Compare an account's figure with its postings.

    :raises NoSuchSubject: there is no such account.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"{_FIGURES} WHERE a.id = %s GROUP BY a.id, a.merchant_id", [account_id])
        found = cursor.fetchone()
    if found is None:
        raise NoSuchSubject(f"there is no account {account_id}")
    return _judged(found)


def compare_accounts() -> Iterator[BalanceVerdict]:
    """Return the verdicts of the accounts whose figure is not what their postings come to."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT * FROM ({_FIGURES} GROUP BY a.id, a.merchant_id) f (a, b, c, d, e, balance, due) "  # noqa: S608
            "WHERE balance <> due ORDER BY 1"
        )
        found = cursor.fetchall()
    for row in found:
        yield _judged(row)


def _judged(found: tuple[Any, ...]) -> BalanceVerdict:
    account_id, merchant_id, code, currency, version, balance, due = found
    verdict = BalanceVerdict(account_id, merchant_id, f"{code} {currency}", version, balance, due)
    if balance == due:
        return verdict
    verdict.reasons.append(f"the row says {balance}, its postings {due}")
    damage = _damage(account_id, merchant_id)
    verdict.corrupted.append(LEDGER if damage else TABLE)
    verdict.reasons += damage
    return verdict


def _damage(account_id: int, merchant_id: UUID) -> list[str]:
    """Return which entries speak against the postings: changed ones of the account, lost ones of the
    merchant."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT 'entry ' || e.id || ' is not as it was written' FROM ledger_entry e
               WHERE e.id IN (SELECT entry_id FROM ledger_posting WHERE account_id = %(account)s)
                 AND e.content_hash IS DISTINCT FROM ledger_entry_hash(e.id)
               UNION ALL
               SELECT 'entry ' || v.entry_id || ' is not there' FROM ledger_event v
               WHERE v.merchant_id = %(merchant)s AND v.entry_id IS NOT NULL
                 AND (SELECT e.id FROM ledger_entry e WHERE e.id = v.entry_id) IS NULL
                 AND NOT EXISTS (SELECT FROM ledger_archive a WHERE a."table" = 'ledger_entry'
                                 AND v.entry_id >= ledger_uuid_at(a.range_from)
                                 AND v.entry_id < ledger_uuid_at(a.range_to))
               LIMIT 20""",
            {"account": account_id, "merchant": merchant_id},
        )
        return [text for (text,) in cursor.fetchall()]
