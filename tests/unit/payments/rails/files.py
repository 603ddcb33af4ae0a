"""Files of entries for the tests of the formats, small or drawn by hypothesis."""

from datetime import UTC, date, datetime

from hypothesis import strategies as st
from schwifty import IBAN

from ledger.ids import uuid7
from ledger.money import Money
from payments.providers.bank_files import (
    Account,
    Direction,
    Mandate,
    OutgoingEntry,
    OutgoingFile,
    SequenceType,
)
from payments.providers.rails import names
from payments.providers.rails.iso20022 import Creditor
from payments.providers.rails.nacha import Originator

ORIGINATOR = Originator("110000000", "SANDBOX BANK", "1234567890", "EVERYCENT")
CREDITOR = Creditor("Everycent Sandbox Platform", "DE91100000000123456789", "DE98ZZZ09999999999")
MADE_AT = datetime(2026, 3, 2, 18, 4, tzinfo=UTC)
DUE = date(2026, 3, 3)
# Letters of people's names all over the area, and what no format has room for.
HOLDERS = st.text("abcÄöüßéñøŁž -'./&<>\"日", min_size=1, max_size=70)
NUMBERS = st.text("0123456789", min_size=4, max_size=17)


def routing(first_eight: int) -> str:
    """A routing number with its check digit (ABA: weights 3, 7, 1)."""
    digits = f"{first_eight:08}"
    total = sum(int(digit) * weight for digit, weight in zip(digits, (3, 7, 1, 3, 7, 1, 3, 7), strict=True))
    return f"{digits}{-total % 10}"


def iban(number: int) -> str:
    """A German IBAN."""
    return str(IBAN.generate("DE", bank_code="37040044", account_code=f"{number:010}").compact)


@st.composite
def ach_entries(draw: st.DrawFn) -> list[tuple[int, Account]]:
    """Amounts and accounts of an ACH file."""
    account = st.builds(
        Account,
        holder=HOLDERS,
        number=NUMBERS,
        routing=st.integers(0, 12_999_999).map(routing),
        is_savings=st.booleans(),
        is_company=st.booleans(),
    )
    return draw(st.lists(st.tuples(st.integers(1, 10**10 - 1), account), min_size=1, max_size=25))


@st.composite
def sepa_entries(draw: st.DrawFn) -> list[tuple[int, Account]]:
    """Amounts and accounts of a SEPA file."""
    account = st.builds(Account, holder=HOLDERS, number=st.integers(0, 10**10 - 1).map(iban))
    return draw(st.lists(st.tuples(st.integers(1, 10**11 - 1), account), min_size=1, max_size=15))


def ach_file(entries: list[tuple[int, Account]], direction: Direction = Direction.DEBIT) -> OutgoingFile:
    """A file of these amounts and accounts."""
    rows = [
        OutgoingEntry(
            names.end_to_end(uuid7(), is_sale=True), f"11000000{n:07}", Money(minor, "USD"), account
        )
        for n, (minor, account) in enumerate(entries, 1)
    ]
    return OutgoingFile("BF1", "A", direction, "USD", MADE_AT, DUE, "Northwind", rows)


def sepa_file(entries: list[tuple[int, Account]], direction: Direction = Direction.DEBIT) -> OutgoingFile:
    """A file of these amounts and accounts, with mandates of both sequence types."""
    kinds = (SequenceType.FIRST, SequenceType.RECURRENT)
    rows = [
        OutgoingEntry(
            names.end_to_end(uuid7(), is_sale=False), f"{n:015}", Money(minor, "EUR"), account,
            Mandate(f"M{n}", date(2026, 1, 31), kinds[n % 2]) if direction is Direction.DEBIT else None,
        )
        for n, (minor, account) in enumerate(entries, 1)
    ]  # fmt: skip
    return OutgoingFile(uuid7().hex.upper(), "A", direction, "EUR", MADE_AT, DUE, "Northwind & Söhne", rows)
