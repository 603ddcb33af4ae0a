"""Pure: NACHA files read: our own, and those in which returns (addenda 99) and corrections (98) come.

A file is read whole or not at all: records of 94 characters, control records that sum to what they close. An
account number that stands in a record is never part of what is returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ledger.money import Money
from payments.providers.bank_files import BankWord, Direction, WordKind
from payments.providers.errors import Unanswered
from payments.providers.rails.nacha import HASH_MODULUS, RECORD

CREDIT_CODES: Final = frozenset({"21", "22", "23", "31", "32", "33", "41", "42", "51", "52"})
RETURNED: Final = "99"
CORRECTED: Final = "98"


@dataclass(slots=True)
class ReadEntry:
    """One entry with its addenda: as far as it may leave this file."""

    direction: Direction
    routing: str
    amount: Money
    trace: str
    sec: str
    addenda: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Sums:
    """What control records are compared with."""

    records: int = 0
    entry_hash: int = 0
    debit: int = 0
    credit: int = 0

    def add(self, other: "_Sums") -> None:
        self.records += other.records
        self.entry_hash += other.entry_hash
        self.debit += other.debit
        self.credit += other.credit

    def check(self, record: str, start: int, width: int) -> None:
        """:raises Unanswered: the control record that begins its sums at `start` says otherwise."""
        places = (width, 10, 12, 12)
        said = []
        for place in places:
            said.append(_number(record[start : start + place]))
            start += place
        if said != [self.records, self.entry_hash % HASH_MODULUS, self.debit, self.credit]:
            raise Unanswered("nacha_totals_differ")


def entries(content: bytes) -> list[ReadEntry]:
    """Return the entries of a file.

    :raises Unanswered: it is not a whole NACHA file whose totals agree.
    """
    lines = _records(content)
    found: list[ReadEntry] = []
    file, batch, batches, sec = _Sums(), _Sums(), 0, ""
    for line in lines[1:]:
        match line[0]:
            case "5":
                batch, sec = _Sums(), line[50:53]
            case "6":
                found.append(_entry(line, sec))
                _count(batch, found[-1])
            case "7" if found:
                found[-1].addenda.append(line)
                batch.records += 1
            case "8":
                batch.check(line, 4, 6)
                file.add(batch)
                batches += 1
            case "9":
                if _number(line[1:7]) != batches:
                    raise Unanswered("nacha_batches_differ")
                file.check(line, 13, 8)
                return found
            case _:
                raise Unanswered("nacha_record_unknown")
    raise Unanswered("nacha_file_not_ended")


def words(content: bytes) -> list[BankWord]:
    """Return what a file of returns says: a word for each entry with an addenda 99 or 98.

    :raises Unanswered: it is not a whole NACHA file whose totals agree.
    """
    return [
        _word(entry, line)
        for entry in entries(content)
        for line in entry.addenda
        if line[1:3] in (RETURNED, CORRECTED)
    ]


def _word(entry: ReadEntry, addenda: str) -> BankWord:
    kind = WordKind.RETURNED if addenda[1:3] == RETURNED else WordKind.CHANGED
    return BankWord(
        kind=kind,
        trace=addenda[6:21],
        amount=entry.amount if kind is WordKind.RETURNED else None,
        code=addenda[3:6],
        reference=entry.trace,
        is_credit=entry.direction is Direction.CREDIT,
    )


def _records(content: bytes) -> Sequence[str]:
    try:
        lines = content.decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise Unanswered("nacha_not_ascii") from None
    while lines and lines[-1] == "9" * RECORD:
        lines.pop()
    if not lines or any(len(line) != RECORD for line in lines) or not lines[0].startswith("101"):
        raise Unanswered("nacha_not_records")
    return lines


def _entry(line: str, sec: str) -> ReadEntry:
    direction = Direction.CREDIT if line[1:3] in CREDIT_CODES else Direction.DEBIT
    return ReadEntry(direction, line[3:12], Money(_number(line[29:39]), "USD"), line[79:94], sec)


def _count(sums: _Sums, entry: ReadEntry) -> None:
    sums.records += 1
    sums.entry_hash += _number(entry.routing[:8])
    if entry.direction is Direction.CREDIT:
        sums.credit += entry.amount.minor
    else:
        sums.debit += entry.amount.minor


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise Unanswered("nacha_not_a_number")
    return int(text)
