"""Pure: what a bank's ISO 20022 files say of our entries: pain.002 (status) and camt.054 (bookings).

Namespaces are ignored, so that any version of a message with these elements is read. A DTD or an entity is
refused before anything is expanded.
"""

from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from ledger.money import BadAmount, BadCurrency, Money, from_major
from payments.providers.bank_files import BankWord, WordKind
from payments.providers.errors import Unanswered

REJECTED: Final = "RJCT"


def words(content: bytes) -> list[BankWord]:
    """Return what a file says, in its order: rejections of a pain.002, bookings and returns of a camt.054.

    :raises Unanswered: it is neither, or an amount in it is none.
    """
    root = _parsed(content)
    if _first(root, "CstmrPmtStsRpt") is not None:
        return [word for row in _all(root, "TxInfAndSts") if (word := _status(row))]
    if _first(root, "BkToCstmrDbtCdtNtfctn") is not None:
        return [_booking(row) for row in _all(root, "TxDtls")]
    raise Unanswered("iso20022_message_unknown")


def _parsed(content: bytes) -> Element:
    try:
        root: Element = ElementTree.fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError):
        raise Unanswered("iso20022_not_xml") from None
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    return root


def _status(row: Element) -> BankWord | None:
    if _said(row, "TxSts") != REJECTED:
        return None
    return BankWord(
        kind=WordKind.RETURNED,
        end_to_end=_said(row, "OrgnlEndToEndId"),
        code=_said(row, "StsRsnInf/Rsn/Cd"),
        reference=_said(row, "StsId"),
    )


def _booking(row: Element) -> BankWord:
    is_return = row.find("RtrInf") is not None
    return BankWord(
        kind=WordKind.RETURNED if is_return else WordKind.SETTLED,
        end_to_end=_said(row, "Refs/EndToEndId"),
        amount=_amount(row.find("Amt")),
        code=_said(row, "RtrInf/Rsn/Cd"),
        reference=_said(row, "Refs/AcctSvcrRef"),
        fee=_amount(row.find("Chrgs/TtlChrgsAndTaxAmt")),
        is_credit=_said(row, "CdtDbtInd") == "CRDT",
    )


def _amount(element: Element | None) -> Money | None:
    if element is None:
        return None
    try:
        return from_major(element.text or "", element.get("Ccy", ""))
    except (BadAmount, BadCurrency):
        raise Unanswered("iso20022_bad_amount") from None


def _said(row: Element, path: str) -> str:
    return (row.findtext(path) or "").strip()[:64]


def _first(root: Element, name: str) -> Element | None:
    return next(_all(root, name), None)


def _all(root: Element, name: str) -> Iterator[Element]:
    return root.iter(name)
