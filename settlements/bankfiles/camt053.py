"""Read ISO 20022 camt.053 statements: pure, exact, lenient about what banks vary, strict about what harms.

Lenient: any camt.053 version or none (namespaces are dropped), missing optional parts, unknown elements.
Strict: no DTD and no entities (defusedxml), bounded size, depth and number of elements, and no amount
that is finer than its currency. What cannot be read ends as `StatementUnreadable`, never as a crash.
"""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from io import BytesIO
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from ledger.errors import DomainError
from ledger.money import Money, from_major
from settlements.bankfiles.types import Detail, Entry, Statement, StatementUnreadable

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_ELEMENTS: Final = 2_000_000
MAX_DEPTH: Final = 40
MAX_ENTRIES: Final = 100_000
TEXT_MAX: Final = 500
MINOR_MAX: Final = 2**63 - 1
_MESSAGE = re.compile(r"camt\.(\d{3})\.001\.\d{2}")
_OPENING_CODES = ("OPBD", "PRCD")
_CLOSING_CODES = ("CLBD",)


def read(content: bytes) -> list[Statement]:
    """Return the statements of a camt.053 message, in the bank's order.

    :raises StatementUnreadable: not camt.053, not well formed, unsafe, too large, or not exact.
    """
    if len(content) > MAX_BYTES:
        raise StatementUnreadable(f"the file has {len(content)} bytes; {MAX_BYTES} is the most that is read")
    root, namespace = _parse(content)
    named = _MESSAGE.search(namespace)
    if named and named.group(1) != "053":
        raise StatementUnreadable(f"this is {named.group(0)}; a statement is camt.053")
    message = root if root.tag == "BkToCstmrStmt" else root.find("BkToCstmrStmt")
    if message is None:
        raise StatementUnreadable("the file holds no bank statement (BkToCstmrStmt)")
    statements = [_statement(node) for node in message.findall("Stmt")]
    if not statements:
        raise StatementUnreadable("the message holds no statement (Stmt)")
    return statements


def _parse(content: bytes) -> tuple[Element, str]:
    """Return the tree without namespaces, and the namespace of its root."""
    depth = count = entries = 0
    root: Element | None = None
    namespace = ""
    try:
        for event, node in iterparse(BytesIO(content), events=("start", "end"), forbid_dtd=True):
            if event == "end":
                depth -= 1
                continue
            depth, count = depth + 1, count + 1
            space, _, local = node.tag.rpartition("}")
            node.tag = local
            entries += local == "Ntry"
            if root is None:
                root, namespace = node, space
            if depth > MAX_DEPTH or count > MAX_ELEMENTS or entries > MAX_ENTRIES:
                raise StatementUnreadable("the file is nested too deep or holds too many elements")
    except DefusedXmlException as error:
        raise StatementUnreadable("a statement with a DTD or entities is not read") from error
    except (ParseError, LookupError, ValueError) as error:  # LookupError, ValueError: the encoding lies
        raise StatementUnreadable(f"the file is not well-formed XML ({error})") from error
    if root is None:
        raise StatementUnreadable("the file is empty")
    return root, namespace


def _statement(node: Element) -> Statement:
    entries = tuple(_entry(entry, line) for line, entry in enumerate(node.findall("Ntry"), start=1))
    opening_node, closing_node = _balance(node, _OPENING_CODES), _balance(node, _CLOSING_CODES)
    opening = None if opening_node is None else _signed(opening_node, "the opening balance")
    closing = None if closing_node is None else _signed(closing_node, "the closing balance")
    named = [balance.get("Ccy", "") for balance in node.findall("Bal/Amt")]
    named += [entry.amount.currency for entry in entries[:1]]
    closed_on = _day(closing_node, "Dt") if closing_node is not None else None
    currency = _text(node, "Acct/Ccy") or next(iter(named), "")
    _check_currency(currency)
    _check_bounds(opening, closing, entries)
    return Statement(
        reference=_text(node, "Id"),
        account=_text(node, "Acct/Id/IBAN") or _text(node, "Acct/Id/Othr/Id"),
        currency=currency,
        sequence=_text(node, "ElctrncSeqNb") or _text(node, "LglSeqNb"),
        closed_on=closed_on or _stamp(node, "FrToDt/ToDtTm") or _stamp(node, "CreDtTm"),
        opening=opening,
        closing=closing,
        entries=entries,
    )


def _check_currency(currency: str) -> None:
    """Refuse an account in what is no currency; one that names none is a problem of the statement."""
    try:
        Money.zero(currency or "EUR")
    except DomainError as error:
        raise StatementUnreadable(f"the account is in {currency[:30]!r}: {error}") from error


def _check_bounds(opening: Money | None, closing: Money | None, entries: tuple[Entry, ...]) -> None:
    """Refuse figures that no column could hold, alone or summed."""
    amounts = [opening, closing, *(entry.amount for entry in entries)]
    amounts += [detail.amount for entry in entries for detail in entry.details]
    if sum(abs(amount.minor) for amount in amounts if amount) > MINOR_MAX:
        raise StatementUnreadable("the amounts are larger than any account can hold")


def _entry(node: Element, line: int) -> Entry:
    amount = _signed(node, f"entry {line}")
    status = _text(node, "Sts/Cd") or _text(node, "Sts") or "BOOK"
    return Entry(
        amount=amount,
        booked_on=_day(node, "BookgDt"),
        value_on=_day(node, "ValDt"),
        bank_reference=_text(node, "AcctSvcrRef"),
        entry_reference=_text(node, "NtryRef"),
        is_booked=status == "BOOK",
        is_reversal=_text(node, "RvslInd") in ("true", "1"),
        details=tuple(_detail(detail, amount) for detail in _transactions(node)),
    )


def _transactions(node: Element) -> Iterator[Element]:
    for group in node.findall("NtryDtls"):
        yield from group.findall("TxDtls")


def _detail(node: Element, entry: Money) -> Detail:
    is_incoming = (_text(node, "CdtDbtInd") or ("CRDT" if entry.minor >= 0 else "DBIT")) == "CRDT"
    party = "Dbtr" if is_incoming else "Cdtr"
    remittance = [_clean(piece.text) for piece in node.findall("RmtInf/Ustrd")]
    remittance += [_clean(piece.text) for piece in node.findall("RmtInf/Strd/CdtrRefInf/Ref")]
    return Detail(
        amount=_detail_amount(node, is_incoming=is_incoming),
        end_to_end_id=_text(node, "Refs/EndToEndId"),
        remittance=" ".join(piece for piece in remittance if piece)[:TEXT_MAX],
        counterparty=_text(node, f"RltdPties/{party}/Nm") or _text(node, f"RltdPties/{party}/Pty/Nm"),
        counterparty_account=_text(node, f"RltdPties/{party}Acct/Id/IBAN")
        or _text(node, f"RltdPties/{party}Acct/Id/Othr/Id"),
    )


def _detail_amount(node: Element, *, is_incoming: bool) -> Money | None:
    """Return the transaction's own amount, or None when the bank does not state it in a usable way."""
    found = node.find("Amt")
    if found is None:
        found = node.find("AmtDtls/TxAmt/Amt")
    if found is None:
        return None
    money = _money(found, "a transaction")
    return money if is_incoming else -money


def _balance(node: Element, codes: tuple[str, ...]) -> Element | None:
    found = {_text(balance, "Tp/CdOrPrtry/Cd"): balance for balance in reversed(node.findall("Bal"))}
    return next((found[code] for code in codes if code in found), None)


def _signed(node: Element, what: str) -> Money:
    amount = node.find("Amt")
    if amount is None:
        raise StatementUnreadable(f"{what} has no amount")
    money = _money(amount, what)
    direction = _text(node, "CdtDbtInd")
    if direction not in ("CRDT", "DBIT"):
        raise StatementUnreadable(f"{what} does not say whether it is a credit or a debit")
    return money if direction == "CRDT" else -money


def _money(node: Element, what: str) -> Money:
    text = _clean(node.text)
    try:
        value = Decimal(text)
        if not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]*)?|[+-]?\.[0-9]+", text) or len(text) > 24:
            raise StatementUnreadable(f"{what} has the amount {text[:30]!r}, which is not a plain decimal")
        return from_major(value, node.get("Ccy", ""))
    except InvalidOperation as error:
        raise StatementUnreadable(f"{what} has the amount {text[:30]!r}, which is not a number") from error
    except StatementUnreadable:
        raise
    except DomainError as error:
        raise StatementUnreadable(f"{what}: {error}") from error


def _day(node: Element, path: str) -> date | None:
    return _stamp(node, f"{path}/Dt") or _stamp(node, f"{path}/DtTm")


def _stamp(node: Element, path: str) -> date | None:
    """Return the calendar date that a date or a moment starts with: the bank's own day, not ours."""
    text = _text(node, path)
    if not text:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise StatementUnreadable(f"{text[:30]!r} is not a date") from error


def _text(node: Element, path: str) -> str:
    return _clean(node.findtext(path))


def _clean(text: str | None) -> str:
    return " ".join((text or "").replace("\x00", "").split())[:TEXT_MAX]
