"""Gather what waits for the next file to a bank: once each, into a row per file, in one phase.

1. An accepted operation of a rail is in one file, once (I-150): a unique entry, under the rail's lock.
2. A file is of one merchant, rail and direction. The job that hands it over is written in the same phase, so
   that nothing that was gathered can be forgotten; what a killed run gathered but did not commit waits on.
"""

import string
from collections import defaultdict
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings

from ledger import jobs
from ledger.actors import SYSTEM
from ledger.crashpoints import crashpoint, register
from ledger.events import Cause
from ledger.ids import uuid7
from ledger.locks import phased
from ledger.recording import record
from payments import bank_locks, bank_selectors, news
from payments.models import BankFile, BankFileEntry, ProviderOperation
from payments.models.operations import Kind
from payments.providers import registry
from payments.providers.bank_files import BankRail, Direction
from payments.providers.rails import names

HAND_OVER_JOB: Final = "payments.hand_over_bank_file"
MODIFIERS: Final = string.ascii_uppercase + string.digits  # Nacha, file header, "file ID modifier"
register("bank_file.before_gather_commit", "bank_file.after_gather")


def gather(at: datetime) -> int:
    """Put everything that waits into files, of every rail; return how many files were made."""
    made = 0
    for name in registry.rails():
        made += len(_gather(registry.rail(name), at))
        crashpoint("bank_file.after_gather")
    return made


@phased
def _gather(rail: BankRail, at: datetime) -> list[UUID]:
    bank_locks.gathering(rail.name)
    waiting = bank_selectors.waiting_for_file(rail.name, settings.RAILS_ENTRIES_MAX)
    awaited = {row.pk for row in bank_locks.operations([row.pk for row in waiting]) if row.is_awaited}
    groups: dict[tuple[UUID, Direction], list[ProviderOperation]] = defaultdict(list)
    for operation in waiting:
        if operation.pk in awaited:
            groups[operation.merchant_id, _direction(operation)].append(operation)
    minute = at.replace(second=0, microsecond=0)
    used = bank_selectors.modifiers_used(rail.name, minute)
    free = [letter for letter in MODIFIERS if letter not in used]
    made = [
        _make(rail, direction, rows, letter, minute, at)
        for letter, ((_, direction), rows) in zip(free, groups.items(), strict=False)
    ]
    if made:
        crashpoint("bank_file.before_gather_commit")
    return made


def _make(
    rail: BankRail, direction: Direction, rows: list[ProviderOperation], modifier: str, made_at: datetime,
    at: datetime,
) -> UUID:  # fmt: skip
    last_file, last_entry = bank_selectors.last_numbers(rail.name)
    file = BankFile(
        id=uuid7(),
        merchant_id=rows[0].merchant_id,
        rail=rail.name,
        number=last_file + 1,
        modifier=modifier,
        direction=direction.value,
        currency=rail.currency,
        entry_count=len(rows),
        total_minor=sum(row.amount_minor for row in rows),
        made_at=made_at,
        due_date=rail.due_date(made_at),
    )
    with record(file, actor=SYSTEM, cause=Cause("sweep", "bank_files"), at=at) as entry:
        file.gather()
        entry.announce(news.of_bank_file(file))
    BankFileEntry.objects.bulk_create(
        BankFileEntry(
            file=file,
            operation=row,
            position=position,
            trace=rail.trace(last_entry + position),
            end_to_end=names.end_to_end(row.pk, is_sale=row.kind == Kind.AUTHORIZE),
            vault_token=_account_of(row),
        )
        for position, row in enumerate(rows, 1)
    )
    jobs.schedule(HAND_OVER_JOB, str(file.pk), at)
    return file.pk


def _direction(operation: ProviderOperation) -> Direction:
    return Direction.CREDIT if operation.kind == Kind.REFUND else Direction.DEBIT


def _account_of(operation: ProviderOperation) -> str:
    """Return what stands for the account: a refund goes where it was asked to, or the money came from."""
    payment, named = operation.payment, operation.request.get("account")
    if named or payment is None:
        return str(named or operation.request["token"])
    return payment.method_token
