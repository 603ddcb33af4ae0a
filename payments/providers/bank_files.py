"""What a bank rail moves by file: the entries that we hand over, and the words that the bank's files say.

Pure data, shared by the adapters of the rails and by the services that keep files. An account's number is in
clear here, for the moment in which a file is written: nothing of it shows in a repr.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from ledger.money import Money


class Direction(StrEnum):
    """Which way money moves, seen from us."""

    DEBIT = "debit"  # drawn from the payer's account
    CREDIT = "credit"  # sent to it


class SequenceType(StrEnum):
    """Where a SEPA debit stands in the life of its mandate (EPC016-06, AT-21)."""

    FIRST = "FRST"
    RECURRENT = "RCUR"


class WordKind(StrEnum):
    """What a bank's file says of one entry."""

    SETTLED = "settled"  # the money was booked to our account (or from it)
    RETURNED = "returned"  # it will not come, or went back
    CHANGED = "changed"  # it went through; the account's details should be corrected


@dataclass(frozen=True, slots=True, repr=False)
class Account:
    """The other side's bank account: `number` is an IBAN, or an account number with `routing` or `bic`."""

    holder: str
    number: str
    routing: str = ""
    is_savings: bool = False
    is_company: bool = False
    bic: str = ""

    def __repr__(self) -> str:
        return "<account>"


@dataclass(frozen=True, slots=True)
class Mandate:
    """The payer's permission to draw (EPC016-06: AT-01, AT-25)."""

    id: str
    signed_on: date
    sequence: SequenceType


@dataclass(frozen=True, slots=True)
class OutgoingEntry:
    """One movement: `end_to_end` and `trace` come back in whatever the bank says of it."""

    end_to_end: str
    trace: str
    amount: Money
    account: Account = field(repr=False)
    mandate: Mandate | None = None


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """One file as it is written: one direction, one currency, for one merchant (`on_behalf_of`)."""

    id: str
    modifier: str
    direction: Direction
    currency: str
    made_at: datetime
    due_date: date
    on_behalf_of: str
    entries: Sequence[OutgoingEntry]

    @property
    def total(self) -> Money:
        """The sum of the entries."""
        return sum((entry.amount for entry in self.entries), Money.zero(self.currency))


@dataclass(frozen=True, slots=True)
class BankWord:
    """What a file says of one entry, which it names by `end_to_end` or by `trace`.

    `reference` is the bank's own of what it says; `code` the scheme's reason of a return.
    """

    kind: WordKind
    end_to_end: str = ""
    trace: str = ""
    amount: Money | None = None
    code: str = ""
    reference: str = ""
    fee: Money | None = None
    is_credit: bool = True  # the money came to us


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A file that the bank has for us, in the order of `seq`."""

    seq: int
    id: str
    format: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The bank took a file; or, with a `code`, refused it whole."""

    reference: str
    code: str = ""
    message: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether its entries are on their way."""
        return not self.code


class BankRail(Protocol):
    """What an adapter offers whose operations go by file.

    Its own operations only say `Pending`; the services gather them into files and hear the bank's.
    """

    name: str
    currency: str
    account_kind: str
    """As what kind of method the accounts that it reaches are read and stored."""
    return_fee: Money

    def trace(self, number: int) -> str:
        """The trace of the entry with a running number."""

    def due_date(self, made_at: datetime) -> date:
        """The bank day on which what is handed over at an instant moves."""

    def decline_of(self, code: str) -> tuple[str, str]:
        """The canonical decline and the words for a return's code."""

    def write(self, file: OutgoingFile) -> bytes:
        """The file as the bank takes it. :raises ValueError: an entry does not fit the format."""

    def hand_over(self, file_id: str, content: bytes) -> Receipt:
        """Give a file to the bank, which takes each id once: safe to repeat with the same content.

        :raises ProviderUnavailable: it did not answer, or could not be asked.
        """

    def waiting(self, after: int) -> list[WaitingFile]:
        """The bank's files for us after a place in its list. :raises ProviderUnavailable: not now."""

    def words(self, file: WaitingFile) -> tuple[bytes, list[BankWord]]:
        """The digest of a file and what it says.

        :raises ProviderUnavailable: not now. :raises Unanswered: it is not readable.
        """
