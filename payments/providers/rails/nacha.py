"""Pure: the NACHA file format, written: 94 characters a record, ten records a block (Nacha Operating Rules,
Appendix Three: file header 1, batch header 5, entry 6, addenda 7, batch control 8, file control 9).

Every entry carries one addenda record (type 05) with our end-to-end id, for the entry itself has room for 15
characters only. Entries of companies go as CCD, others as WEB when we draw and as PPD when we send.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final

from payments.providers.bank_files import Direction, OutgoingEntry, OutgoingFile

RECORD: Final = 94
BLOCK: Final = 10
AMOUNT_MAX: Final = 10**10 - 1
HASH_MODULUS: Final = 10**10
SERVICE_CLASS: Final = {Direction.CREDIT: "220", Direction.DEBIT: "225"}
TRANSACTION_CODES: Final = {
    (Direction.CREDIT, False): "22",
    (Direction.DEBIT, False): "27",
    (Direction.CREDIT, True): "32",
    (Direction.DEBIT, True): "37",
}
DESCRIPTIONS: Final = {Direction.DEBIT: "PAYMENT", Direction.CREDIT: "REFUND"}


@dataclass(frozen=True, slots=True)
class Originator:
    """Who we are to the ACH operator: routing number of our bank, our company id and name."""

    bank_routing: str
    bank_name: str
    company_id: str
    company_name: str


@dataclass(frozen=True, slots=True)
class Totals:
    """What a control record sums: entries and addenda, entry hash, debits and credits in cents."""

    records: int
    entry_hash: int
    debit: int
    credit: int

    @classmethod
    def of(cls, entries: Iterable[OutgoingEntry], direction: Direction) -> "Totals":
        """The sums over entries of one direction, each with its addenda."""
        rows = list(entries)
        total = sum(row.amount.minor for row in rows)
        hashed = sum(int(row.account.routing[:8]) for row in rows) % HASH_MODULUS
        is_debit = direction is Direction.DEBIT
        return cls(2 * len(rows), hashed, total if is_debit else 0, 0 if is_debit else total)


def write(file: OutgoingFile, originator: Originator) -> bytes:
    """Return the file.

    :raises ValueError: there is no entry, or one whose amount or account the format cannot hold.
    """
    if not file.entries:
        raise ValueError("a file without entries")
    for entry in file.entries:
        _check(entry)
    lines = [_file_header(file, originator)]
    batches = [(sec, list(rows)) for sec, rows in _by_sec(file)]
    for number, (sec, entries) in enumerate(batches, 1):
        lines += _batch(file, originator, sec, number, entries)
    lines.append(_file_control(file, len(batches), lines))
    lines += ["9" * RECORD] * (-len(lines) % BLOCK)
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _check(entry: OutgoingEntry) -> None:
    account = entry.account
    if not 0 < entry.amount.minor <= AMOUNT_MAX or entry.amount.currency != "USD":
        raise ValueError("an entry is of 0.01 to 99,999,999.99 dollars")
    if not (len(account.routing) == 9 and account.routing.isdecimal()):
        raise ValueError("a routing number has nine digits")
    if not (1 <= len(account.number) <= 17 and account.number.isascii() and account.number.isalnum()):
        raise ValueError("an account number has up to 17 letters and digits")


def _by_sec(file: OutgoingFile) -> Iterable[tuple[str, Iterable[OutgoingEntry]]]:
    own = "WEB" if file.direction is Direction.DEBIT else "PPD"

    def sec(entry: OutgoingEntry) -> str:
        return "CCD" if entry.account.is_company else own

    return groupby(sorted(file.entries, key=lambda entry: (sec(entry), entry.trace)), key=sec)


def _file_header(file: OutgoingFile, originator: Originator) -> str:
    return _record(
        "101",
        f" {originator.bank_routing}",
        _right(originator.company_id, 10),
        file.made_at.strftime("%y%m%d%H%M"),
        file.modifier,
        "094101",
        text(originator.bank_name, 23),
        text(originator.company_name, 23),
        " " * 8,
    )


def _batch(
    file: OutgoingFile, originator: Originator, sec: str, number: int, entries: Sequence[OutgoingEntry]
) -> list[str]:
    service = SERVICE_CLASS[file.direction]
    odfi = originator.bank_routing[:8]
    header = _record(
        "5",
        service,
        text(originator.company_name, 16),
        text(file.on_behalf_of, 20),
        text(originator.company_id, 10),
        sec,
        text(DESCRIPTIONS[file.direction], 10),
        _date(file.made_at.date()),
        _date(file.due_date),
        "   1",
        odfi,
        f"{number:07}",
    )
    totals = Totals.of(entries, file.direction)
    control = _record(
        "8",
        service,
        *_sums(totals),
        text(originator.company_id, 10),
        " " * 25,
        odfi,
        f"{number:07}",
    )
    return [header, *(line for entry in entries for line in _entry(entry, file.direction, sec)), control]


def _entry(entry: OutgoingEntry, direction: Direction, sec: str) -> tuple[str, str]:
    account = entry.account
    detail = _record(
        "6",
        TRANSACTION_CODES[direction, account.is_savings],
        account.routing,
        account.number.ljust(17),
        f"{entry.amount.minor:010}",
        entry.trace.rjust(15, "0"),  # individual identification number: ours to choose
        text(account.holder, 22),
        "S " if sec == "WEB" else "  ",  # payment type code of a WEB debit: a single payment
        "1",
        entry.trace,
    )
    return detail, _record("705", text(entry.end_to_end, 80), "0001", entry.trace[-7:])


def _file_control(file: OutgoingFile, batches: int, lines: Sequence[str]) -> str:
    blocks = -(-(len(lines) + 1) // BLOCK)
    totals = Totals.of(file.entries, file.direction)
    return _record("9", f"{batches:06}{blocks:06}", *_sums(totals, records=8), " " * 39)


def _sums(totals: Totals, records: int = 6) -> tuple[str, ...]:
    return (
        f"{totals.records:0{records}}",
        f"{totals.entry_hash:010}",
        f"{totals.debit:012}",
        f"{totals.credit:012}",
    )


def text(value: str, width: int) -> str:
    """Return a text as the format has it: ASCII without accents, in capitals, filled or cut to a width."""
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
    kept = "".join(letter if letter.isprintable() else " " for letter in plain)
    return kept.upper()[:width].ljust(width)


def _right(value: str, width: int) -> str:
    return text(value, width).strip().rjust(width)


def _date(day: date) -> str:
    return day.strftime("%y%m%d")


def _record(*parts: str) -> str:
    record = "".join(parts)
    if len(record) != RECORD:
        raise ValueError(f"a record of {len(record)} characters")
    return record
