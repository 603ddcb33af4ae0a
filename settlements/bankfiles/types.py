"""What a bank told us, in one shape for all formats: frozen, exact, without a judgement.

Signs are the account owner's: money that came in is positive. Every amount keeps the currency the bank
wrote beside it, so that a file that mixes currencies can be read, shown and refused by name.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from ledger.errors import Invalid
from ledger.money import Money


class StatementUnreadable(Invalid):
    """The file is not a bank statement that can be read safely and exactly."""

    code = "statement_unreadable"
    advice = "Send the bank's camt.053 file as it was delivered, unchanged and without a DTD."


@dataclass(frozen=True, slots=True)
class Detail:
    """One transaction inside a booked entry; a batch booking has several."""

    amount: Money | None
    end_to_end_id: str
    remittance: str
    counterparty: str
    counterparty_account: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One booking on the account, with the transactions behind it as far as the bank tells them."""

    amount: Money
    booked_on: date | None
    value_on: date | None
    bank_reference: str
    entry_reference: str
    is_booked: bool
    is_reversal: bool
    details: tuple[Detail, ...]

    def records(self) -> "Iterator[StatementRecord]":
        """Yield what is to be matched: a record a transaction if these explain the entry, else one record."""
        if len(self.details) > 1 and self._details_explain():
            for detail in self.details:
                yield _record(self, detail, detail.amount or self.amount)
        else:
            only = self.details[0] if len(self.details) == 1 else _NO_DETAIL
            yield _record(self, only, self.amount)

    def _details_explain(self) -> bool:
        amounts = [detail.amount for detail in self.details]
        if any(amount is None or amount.currency != self.amount.currency for amount in amounts):
            return False
        return sum(amount.minor for amount in amounts if amount) == self.amount.minor


@dataclass(frozen=True, slots=True)
class StatementRecord:
    """The unit of matching: one movement of money with the references that may explain it."""

    amount: Money
    booked_on: date | None
    value_on: date | None
    end_to_end_id: str
    bank_reference: str
    remittance: str
    counterparty: str
    counterparty_account: str
    is_reversal: bool

    def content(self) -> str:
        """Return everything the bank said about it, as one canonical line."""
        parts = (
            self.amount.minor,
            self.amount.currency,
            self.booked_on or "",
            self.value_on or "",
            self.end_to_end_id,
            self.bank_reference,
            self.remittance,
            self.counterparty,
            self.counterparty_account,
            self.is_reversal,
        )
        return "\x1f".join(str(part) for part in parts)


@dataclass(frozen=True, slots=True)
class Statement:
    """One account, one period, its two balances and its bookings."""

    reference: str
    account: str
    currency: str
    sequence: str
    closed_on: date | None
    opening: Money | None
    closing: Money | None
    entries: tuple[Entry, ...]

    @property
    def booked(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.is_booked)

    def records(self) -> list[StatementRecord]:
        """Return what is to be matched, in the bank's order; entries that are only announced are left out."""
        return [record for entry in self.booked for record in entry.records()]

    def hashes(self) -> list[bytes]:
        """Return one content hash a record.

        Equal records of one statement are told apart by their ordinal, so that a line that the bank booked
        twice is two lines, and the same file read twice is none.
        """
        seen: Counter[str] = Counter()
        hashes = []
        for record in self.records():
            content = record.content()
            seen[content] += 1
            text = "\x1e".join((self.account, self.currency, self.reference, content, str(seen[content])))
            hashes.append(hashlib.sha256(text.encode()).digest())
        return hashes

    def problems(self) -> list[str]:
        """Return why this statement cannot be trusted as it is; empty when opening + lines = closing."""
        found = []
        if not self.account:
            found.append("the statement names no account")
        if not self.currency:
            found.append("the statement names no currency")
        if self.opening is None or self.closing is None:
            found.append("the opening or closing balance is missing")
        if self.closed_on is None:
            found.append("the statement has no date")
        money = [self.opening, self.closing, *(entry.amount for entry in self.booked)]
        strange = sorted({amount.currency for amount in money if amount} - {self.currency})
        if self.currency and strange:
            found.append(f"a {self.currency} statement holds amounts in {', '.join(strange)}")
        if not found and self.opening and self.closing:
            moved = sum(entry.amount.minor for entry in self.booked)
            expected = Money(self.opening.minor + moved, self.currency)
            if expected != self.closing:
                found.append(
                    f"opening {self.opening.display()} and the lines come to {expected.display()}, "
                    f"but the closing balance says {self.closing.display()}"
                )
        return found


_NO_DETAIL = Detail(None, "", "", "", "")


def _record(entry: Entry, detail: Detail, amount: Money) -> StatementRecord:
    return StatementRecord(
        amount=amount,
        booked_on=entry.booked_on,
        value_on=entry.value_on,
        end_to_end_id=detail.end_to_end_id,
        bank_reference=entry.bank_reference,
        remittance=detail.remittance,
        counterparty=detail.counterparty,
        counterparty_account=detail.counterparty_account,
        is_reversal=entry.is_reversal,
    )
