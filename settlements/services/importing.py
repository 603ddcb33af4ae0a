"""Take in bank statements: read, check, store once, then reconcile. The same file again changes nothing.

A statement is accepted when its figures come out (opening + lines = closing). Otherwise, or when it came
before with other content, it is held with a break and none of its lines is used.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from ledger import crashpoints
from ledger.actors import Actor
from ledger.crashpoints import crashpoint
from ledger.errors import NotFound
from ledger.locks import phase, phased
from ledger.money import Money
from ledger.recording import no_answer, record
from settlements import locks, selectors
from settlements.bankfiles import readers
from settlements.bankfiles.types import Statement
from settlements.models import BankStatement, ReconciliationRun, StatementLine
from settlements.models.reconciliation import BreakReason
from settlements.reconciliation import bank_feed
from settlements.services import Answer, reconciling, resolving
from settlements.services.resolving import Finding
from settlements.states import StatementState

crashpoints.register("reconciliation.after_store")


class BankAccountNotFound(NotFound):
    """No such bank account of this merchant."""

    code = "bank_account_not_found"
    advice = "Import statements of your own bank accounts; ask support when an account should be yours."


REFERENCE_MAX = 140
SEQUENCE_MAX = 10**15
NO_CURRENCY = "XXX"


@dataclass(frozen=True, slots=True)
class Stored:
    """One statement of a file: its row, and how many lines were new."""

    statement: BankStatement
    new_lines: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did."""

    statements: list[Stored]
    runs: list[ReconciliationRun]

    @property
    def new_lines(self) -> int:
        return sum(stored.new_lines for stored in self.statements)


def import_content(
    *, merchant_id: UUID, content: bytes, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Imported:
    """Import a file of statements and reconcile the accounts it is about.

    :raises StatementUnreadable: the file cannot be read safely and exactly; nothing is stored.
    :raises BankAccountNotFound: a statement is of another merchant's account; nothing is stored.
    """
    found = readers.read(content)
    if len(_own(merchant_id, found)) < len(found):
        raise BankAccountNotFound("a statement is not of one of your bank accounts")
    return _import_all(merchant_id, found, actor, at, answer)


def fetch_day(
    *, merchant_id: UUID, day: date, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Imported:
    """Ask the bank for a day's statements and import those of this merchant's accounts.

    :raises ProviderUnavailable: the bank does not answer. :raises StatementUnreadable: see `import_content`.
    """
    found = [statement for content in bank_feed.statements_of(day) for statement in readers.read(content)]
    return _import_all(merchant_id, _own(merchant_id, found), actor, at, answer)


def _own(merchant_id: UUID, statements: list[Statement]) -> list[Statement]:
    """Leave out the statements of other merchants' accounts; an account is whose first statement it was."""
    if settings.BANK_ACCOUNTS_ARE_SHARED:
        return statements
    others = selectors.accounts_of_others(merchant_id, {statement.account[:80] for statement in statements})
    return [statement for statement in statements if statement.account[:80] not in others]


def _import_all(
    merchant_id: UUID, statements: list[Statement], actor: Actor, at: datetime, answer: Answer
) -> Imported:
    stored = [_store(merchant_id, statement, actor, at) for statement in statements]
    crashpoint("reconciliation.after_store")
    accepted = [row.statement for row in stored if row.statement.state == StatementState.ACCEPTED]
    accounts = dict.fromkeys((row.account, row.currency) for row in accepted)
    runs = [
        reconciling.reconcile(merchant_id=merchant_id, account=account, currency=currency, actor=actor, at=at)
        for account, currency in accounts
    ]
    imported = Imported(stored, runs)
    with phase():
        answer(imported)
    return imported


@phased
def _store(merchant_id: UUID, read: Statement, actor: Actor, at: datetime) -> Stored:
    locks.hold_bank_account(merchant_id, read.account, read.currency)
    content_hash = _content_hash(read)
    known = BankStatement.objects.filter(merchant_id=merchant_id, content_hash=content_hash).first()
    if known is not None:
        return Stored(known, 0, is_new=False)
    row = BankStatement(
        merchant_id=merchant_id,
        account=read.account[:80],
        currency=read.currency or NO_CURRENCY,
        reference=read.reference[:REFERENCE_MAX],
        sequence=_sequence(read.sequence),
        line_count=len(read.records()),
        content_hash=content_hash,
        occurred_at=at,
    )
    trouble = _trouble(merchant_id, read)
    if trouble is not None:
        return _hold(row, read, *trouble, actor=actor, at=at)
    with record(row, actor=actor, at=at) as entry:
        row.accept(_money(read.opening, row), _money(read.closing, row), read.closed_on or at.date())
        entry.announce(row.as_event())
    _write_lines(row, read)
    _check_chain(row, at)
    resolving.resolve_explained(
        Q(reason=BreakReason.STATEMENT_DOES_NOT_FOOT, key=_name(row)),
        merchant_id,
        "a whole statement came later",
        at,
    )
    return Stored(row, row.line_count, is_new=True)


def _trouble(merchant_id: UUID, read: Statement) -> tuple[BreakReason, str] | None:
    problems = read.problems()
    if problems:
        return BreakReason.STATEMENT_DOES_NOT_FOOT, "; ".join(problems)
    came_before = selectors.statements(merchant_id).filter(
        account=read.account,
        currency=read.currency,
        reference=read.reference[:REFERENCE_MAX],
        state=StatementState.ACCEPTED,
    )
    if came_before.exists():
        return BreakReason.STATEMENT_CHANGED, "a statement of this reference was accepted with other content"
    return None


def _hold(
    row: BankStatement, read: Statement, reason: BreakReason, problem: str, *, actor: Actor, at: datetime
) -> Stored:
    with record(row, actor=actor, at=at) as entry:
        row.hold(problem)
        row.closed_on = read.closed_on
        entry.announce(row.as_event())
    moved = sum(record_.amount.minor for record_ in read.records() if record_.amount.currency == row.currency)
    amount = Money.zero("USD") if row.currency == NO_CURRENCY else Money(moved, row.currency)
    resolving.open_breaks(
        row.merchant_id,
        [Finding(reason, _name(row), amount, statement=row, detail={"problem": problem})],
        run=None,
        at=at,
    )
    return Stored(row, 0, is_new=True)


def _write_lines(row: BankStatement, read: Statement) -> None:
    hashes = read.hashes()
    StatementLine.objects.bulk_create(
        [
            StatementLine(
                merchant_id=row.merchant_id,
                statement=row,
                line_no=number,
                amount_minor=line.amount.minor,
                currency=line.amount.currency,
                booked_on=line.booked_on,
                value_on=line.value_on,
                end_to_end_id=line.end_to_end_id,
                bank_reference=line.bank_reference,
                remittance=line.remittance,
                counterparty=line.counterparty,
                counterparty_account=line.counterparty_account,
                content_hash=content_hash,
            )
            for number, (line, content_hash) in enumerate(zip(read.records(), hashes, strict=True), start=1)
        ],
        batch_size=1000,
    )


def _check_chain(row: BankStatement, at: datetime) -> None:
    """Each statement opens where the one before it closed; the first opens at nothing, as our books do."""
    before, after = selectors.neighbours(row)
    for previous, later in ((before, row), *([(row, after)] if after else [])):
        closed_at = (previous.closing_minor or 0) if previous else 0
        gap = Money((later.opening_minor or 0) - closed_at, row.currency)
        key = f"opening|{later.pk}"
        if gap.is_zero:
            resolving.resolve_explained(
                Q(reason=BreakReason.OPENING_DIFFERS, key=key),
                row.merchant_id,
                "the statement that was missing came later",
                at,
            )
            continue
        detail = {"opening": later.opening_minor, "closed_before_at": closed_at}
        finding = Finding(BreakReason.OPENING_DIFFERS, key, gap, statement=later, detail=detail)
        resolving.open_breaks(row.merchant_id, [finding], run=None, at=at)


def _content_hash(read: Statement) -> bytes:
    said = (read.account, read.currency, read.reference, read.sequence, read.closed_on)
    head = "\x1f".join(str(part) for part in (*said, read.opening, read.closing))
    return hashlib.sha256(head.encode() + b"".join(read.hashes())).digest()


def _name(row: BankStatement) -> str:
    text = f"{row.account}|{row.currency}|{row.reference}"
    return hashlib.sha256(text.encode()).hexdigest()


def _sequence(text: str) -> int:
    return min(int(text), SEQUENCE_MAX) if text.isascii() and text.isdigit() else 0


def _money(amount: Money | None, row: BankStatement) -> Money:
    return amount if amount is not None else Money.zero(row.currency)
