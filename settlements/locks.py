"""The only row locks of this app, in house order: batch, payout, break, then ledger accounts by id.

A vendor's accounts are locked before his postings are looked at: whoever posts to them waits, so the items
of a batch and the balance it must come to are of one moment.
"""

from uuid import UUID

from django.db import connection

from ledger import balances, locks
from ledger.chart import AccountRef
from ledger.money import Money
from settlements.models import Break, Payout, SettlementBatch
from settlements.models.batches import SettlementNotFound
from settlements.models.payouts import PayoutNotFound
from settlements.models.reconciliation import BreakNotFound


def batch(merchant_id: UUID, batch_id: UUID) -> SettlementBatch:
    """Lock and return a merchant's batch.

    :raises SettlementNotFound: there is none.
    """
    return locks.lock_one(
        SettlementBatch.objects.filter(merchant_id=merchant_id, pk=batch_id), SettlementNotFound
    )


def payout_with_batch(payout_id: UUID) -> tuple[Payout, SettlementBatch]:
    """Lock a payout and the batch it pays.

    :raises PayoutNotFound: there is no such payout.
    """
    owner = locks.lock_one(SettlementBatch.objects.filter(payouts=payout_id), PayoutNotFound)
    return locks.lock_one(Payout.objects.filter(pk=payout_id), PayoutNotFound), owner


def open_break(merchant_id: UUID, break_id: UUID) -> Break:
    """Lock and return a merchant's break.

    :raises BreakNotFound: there is none.
    """
    return locks.lock_one(Break.objects.filter(merchant_id=merchant_id, pk=break_id), BreakNotFound)


def accounts(*refs: AccountRef) -> dict[AccountRef, Money]:
    """Lock strict ledger accounts and return their balances, debit positive."""
    return balances.locked(refs)


def hold_bank_account(merchant_id: UUID, account: str, currency: str) -> None:
    """Let one importer or matcher at a time work on a bank account, until the phase ends.

    A courtesy that saves collisions; what is stored or matched twice is refused by unique keys.
    """
    locks.require_phase()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"settlements.bank|{merchant_id}|{account}|{currency}"],
        )
