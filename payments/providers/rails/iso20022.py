"""Pure: orders written as ISO 20022: SEPA debits as pain.008.001.08, credits as pain.001.001.09.

A credit in another currency than euro is no SEPA transfer: it names the other bank by its BIC, each side
bears its own bank's charges, and amounts have the currency's own decimals (ISO 4217).

The rules over the schema are the European Payments Council's (EPC016-06 for the Core debit, EPC115-06 for the
credit transfer): latin characters only, references of at most 35 characters, one block per sequence type.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from ledger.money import Money
from payments.providers.bank_files import Direction, OutgoingEntry, OutgoingFile

DEBIT_SPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.008.001.08"
CREDIT_SPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
AMOUNT_MAX: Final = 10**11 - 1  # 999,999,999.99
NAME_MAX: Final = 70
SEPA_CURRENCY: Final = "EUR"
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
LATIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ ")


@dataclass(frozen=True, slots=True)
class Creditor:
    """Who we are: name, account (an IBAN in SEPA), and for SEPA debits the creditor identifier (AT-02)."""

    name: str
    iban: str
    creditor_id: str


def write(file: OutgoingFile, creditor: Creditor) -> bytes:
    """Return the file.

    :raises ValueError: there is no entry, or one whose amount, mandate or reference the scheme cannot hold.
    """
    if not file.entries:
        raise ValueError("a file without entries")
    for entry in file.entries:
        _check(entry, file.direction)
    is_debit = file.direction is Direction.DEBIT
    document = Element("Document", xmlns=DEBIT_SPACE if is_debit else CREDIT_SPACE)
    root = SubElement(document, "CstmrDrctDbtInitn" if is_debit else "CstmrCdtTrfInitn")
    _group_header(root, file, creditor)
    if is_debit:
        for number, (sequence, entries) in enumerate(_by_sequence(file), 1):
            _debits(root, file, creditor, number, sequence, entries)
    else:
        _credits(root, file, creditor)
    return ElementTree.tostring(document, encoding="utf-8", xml_declaration=True)


def _check(entry: OutgoingEntry, direction: Direction) -> None:
    if not 0 < entry.amount.minor <= AMOUNT_MAX:
        raise ValueError("an entry is of 1 to 99,999,999,999 minor units")
    if direction is Direction.DEBIT and entry.amount.currency != SEPA_CURRENCY:
        raise ValueError("a SEPA debit is of euros")
    if entry.amount.currency != SEPA_CURRENCY and not entry.account.bic:
        raise ValueError("a credit in another currency needs the other bank's BIC")
    if direction is Direction.DEBIT and (entry.mandate is None or not 1 <= len(entry.mandate.id) <= 35):
        raise ValueError("a debit needs a mandate with an id of up to 35 characters")
    if not 1 <= len(entry.end_to_end) <= 35 or not LATIN.issuperset(entry.end_to_end):
        raise ValueError("an end-to-end id has up to 35 latin characters")


def _by_sequence(file: OutgoingFile) -> Iterable[tuple[str, list[OutgoingEntry]]]:
    def sequence(entry: OutgoingEntry) -> str:
        return entry.mandate.sequence.value if entry.mandate else ""

    ordered = sorted(file.entries, key=lambda entry: (sequence(entry), entry.trace))
    return [(name, list(entries)) for name, entries in groupby(ordered, key=sequence)]


def _group_header(root: Element, file: OutgoingFile, creditor: Creditor) -> None:
    header = SubElement(root, "GrpHdr")
    _text(header, "MsgId", file.id)
    _text(header, "CreDtTm", file.made_at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    _text(header, "NbOfTxs", str(len(file.entries)))
    _text(header, "CtrlSum", _major(file.total))
    _text(SubElement(header, "InitgPty"), "Nm", latin(creditor.name))


def _block(
    root: Element, file: OutgoingFile, number: int, method: str, entries: Sequence[OutgoingEntry]
) -> Element:
    block = SubElement(root, "PmtInf")
    _text(block, "PmtInfId", f"{file.id}-{number}"[:35])
    _text(block, "PmtMtd", method)
    _text(block, "BtchBookg", "true")
    _text(block, "NbOfTxs", str(len(entries)))
    _text(block, "CtrlSum", _major(sum((row.amount for row in entries), Money.zero(file.currency))))
    if file.currency == SEPA_CURRENCY:
        kind = SubElement(block, "PmtTpInf")
        _text(SubElement(kind, "SvcLvl"), "Cd", "SEPA")
    return block


def _debits(
    root: Element,
    file: OutgoingFile,
    creditor: Creditor,
    number: int,
    sequence: str,
    entries: Sequence[OutgoingEntry],
) -> None:
    block = _block(root, file, number, "DD", entries)
    kind = block.find("PmtTpInf")
    if kind is not None:
        _text(SubElement(kind, "LclInstrm"), "Cd", "CORE")
        _text(kind, "SeqTp", sequence)
    _text(block, "ReqdColltnDt", file.due_date.isoformat())
    _text(SubElement(block, "Cdtr"), "Nm", latin(creditor.name))
    _iban(SubElement(block, "CdtrAcct"), creditor.iban)
    _no_bic(SubElement(block, "CdtrAgt"))
    _text(block, "ChrgBr", "SLEV")
    other = SubElement(SubElement(SubElement(SubElement(block, "CdtrSchmeId"), "Id"), "PrvtId"), "Othr")
    _text(other, "Id", creditor.creditor_id)
    _text(SubElement(other, "SchmeNm"), "Prtry", "SEPA")
    for entry in entries:
        _debit(block, file, entry)


def _debit(block: Element, file: OutgoingFile, entry: OutgoingEntry) -> None:
    movement = SubElement(block, "DrctDbtTxInf")
    _identify(movement, entry)
    _text(movement, "InstdAmt", _major(entry.amount)).set("Ccy", entry.amount.currency)
    if entry.mandate is not None:
        mandate = SubElement(SubElement(movement, "DrctDbtTx"), "MndtRltdInf")
        _text(mandate, "MndtId", entry.mandate.id)
        _text(mandate, "DtOfSgntr", entry.mandate.signed_on.isoformat())
    _text(SubElement(movement, "UltmtCdtr"), "Nm", latin(file.on_behalf_of))
    _no_bic(SubElement(movement, "DbtrAgt"))
    _text(SubElement(movement, "Dbtr"), "Nm", latin(entry.account.holder))
    _iban(SubElement(movement, "DbtrAcct"), entry.account.number)
    _remittance(movement, file, entry)


def _credits(root: Element, file: OutgoingFile, creditor: Creditor) -> None:
    block = _block(root, file, 1, "TRF", file.entries)
    _text(SubElement(block, "ReqdExctnDt"), "Dt", file.due_date.isoformat())
    _text(SubElement(block, "Dbtr"), "Nm", latin(creditor.name))
    _account(SubElement(block, "DbtrAcct"), creditor.iban)
    _no_bic(SubElement(block, "DbtrAgt"))
    _text(block, "ChrgBr", "SLEV" if file.currency == SEPA_CURRENCY else "SHAR")
    for entry in file.entries:
        movement = SubElement(block, "CdtTrfTxInf")
        _identify(movement, entry)
        amount = SubElement(movement, "Amt")
        _text(amount, "InstdAmt", _major(entry.amount)).set("Ccy", entry.amount.currency)
        if entry.account.bic:
            agent = SubElement(SubElement(movement, "CdtrAgt"), "FinInstnId")
            _text(agent, "BICFI", entry.account.bic)
        _text(SubElement(movement, "Cdtr"), "Nm", latin(entry.account.holder))
        _account(SubElement(movement, "CdtrAcct"), entry.account.number)
        _remittance(movement, file, entry)


def _identify(movement: Element, entry: OutgoingEntry) -> None:
    names = SubElement(movement, "PmtId")
    _text(names, "InstrId", entry.trace)
    _text(names, "EndToEndId", entry.end_to_end)


def _remittance(movement: Element, file: OutgoingFile, entry: OutgoingEntry) -> None:
    words = f"{latin(file.on_behalf_of)} {entry.end_to_end}"
    _text(SubElement(movement, "RmtInf"), "Ustrd", words[:140])


def _account(account: Element, number: str) -> None:
    """An IBAN as one, any other number as what its bank calls it."""
    if _IBAN.fullmatch(number):
        _iban(account, number)
        return
    _text(SubElement(SubElement(account, "Id"), "Othr"), "Id", number)


def _iban(account: Element, number: str) -> None:
    _text(SubElement(account, "Id"), "IBAN", number)


def _no_bic(agent: Element) -> None:
    """IBAN only (Regulation 260/2012): the bank finds the other bank by the number."""
    other = SubElement(SubElement(agent, "FinInstnId"), "Othr")
    _text(other, "Id", "NOTPROVIDED")


def _text(parent: Element, name: str, value: str) -> Element:
    child = SubElement(parent, name)
    child.text = value
    return child


def _major(amount: Money) -> str:
    return f"{amount.major():f}"


def latin(value: str) -> str:
    """Return a name in the characters that all banks of the schemes take, without accents, at most 70."""
    plain = unicodedata.normalize("NFKD", value.replace("ß", "ss")).encode("ascii", "ignore").decode()
    kept = "".join(letter if letter in LATIN else " " for letter in plain)
    return " ".join(kept.split())[:NAME_MAX] or "NOTPROVIDED"
