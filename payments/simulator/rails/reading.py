"""Files as the bank reads them: what it does not understand whole, it refuses whole."""

from decimal import Decimal
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from payments.simulator.currencies import exponent
from payments.simulator.errors import Refused
from payments.simulator.rails import books
from payments.simulator.rails.books import Handed

CREDITS = ("22", "32")
DEBITS = ("27", "37")


def read(rail: str, content: bytes) -> list[Handed]:
    """The entries of a file.

    :raises Refused: it is not a file of the rail, or its totals do not agree.
    """
    try:
        entries = _nacha(content) if rail == "ach" else _pain(content)
        if any(books.rail_of(entry.currency) != rail for entry in entries):
            raise ValueError("currency")
    except (ValueError, ArithmeticError, IndexError, StopIteration, ParseError, DefusedXmlException) as error:
        raise Refused(422, "file_unreadable", f"The file is not understood: {type(error).__name__}") from None
    if not entries:
        raise Refused(422, "file_empty", "The file has no entry")
    return entries


def _nacha(content: bytes) -> list[Handed]:
    lines = content.decode("ascii").splitlines()
    if len(lines) % 10 or any(len(line) != 94 for line in lines):
        raise ValueError("blocking")
    found: list[Handed] = []
    sec = due = ""
    sums = [0, 0, 0, 0]  # of the file: records, hash, debits, credits
    for place, line in enumerate(lines):
        if line[0] == "5":
            sec, due = line[50:53], f"20{line[69:71]}-{line[71:73]}-{line[73:75]}"
        elif line[0] == "6":
            credit, amount = line[1:3] in CREDITS, int(line[29:39])
            if not credit and line[1:3] not in DEBITS:
                raise ValueError("transaction code")
            _check_routing(line[3:12])
            sums = [sums[0] + 1, sums[1] + int(line[3:11]), sums[2] + (not credit) * amount,
                    sums[3] + credit * amount]  # fmt: skip
            addenda = lines[place + 1]
            if line[78] != "1" or addenda[:3] != "705" or addenda[87:94] != line[87:94]:
                raise ValueError("addenda")
            found.append(
                Handed(
                    end_to_end=addenda[3:83].strip(),
                    trace=line[79:94],
                    direction="credit" if credit else "debit",
                    amount=amount,
                    currency="USD",
                    due=due,
                    account=line[12:29].strip(),
                    holder=line[54:76].strip(),
                    routing=line[3:12],
                    sec=sec,
                )
            )
        elif line[0] == "7":
            sums[0] += 1
        elif line[0] == "9" and line != "9" * 94:
            said = [int(line[13:21]), int(line[21:31]), int(line[31:43]), int(line[43:55])]
            if said != [sums[0], sums[1] % 10**10, sums[2], sums[3]] or int(line[7:13]) * 10 != len(lines):
                raise ValueError("control")
    return found


def _check_routing(number: str) -> None:
    weights = (3, 7, 1) * 3
    if sum(int(digit) * weight for digit, weight in zip(number, weights, strict=True)) % 10:
        raise ValueError("routing number")


def _pain(content: bytes) -> list[Handed]:
    root = ElementTree.fromstring(content, forbid_dtd=True)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    header = next(root.iter("GrpHdr"))
    found = [_movement(block, row) for block in root.iter("PmtInf") for row in block if row.tag in _MOVEMENTS]
    total = sum(Decimal(amount.text or "") for amount in root.iter("InstdAmt"))
    if int(header.findtext("NbOfTxs", "0")) != len(found) or Decimal(header.findtext("CtrlSum", "")) != total:
        raise ValueError("control sums")
    return found


_MOVEMENTS = ("DrctDbtTxInf", "CdtTrfTxInf")


def _movement(block: Element, row: Element) -> Handed:
    is_debit = row.tag == "DrctDbtTxInf"
    amount = next(row.iter("InstdAmt"))
    side = "Dbtr" if is_debit else "Cdtr"
    day = block.findtext("ReqdColltnDt" if is_debit else "ReqdExctnDt/Dt", "")
    if is_debit and not row.findtext("DrctDbtTx/MndtRltdInf/MndtId"):
        raise ValueError("mandate")
    currency = amount.get("Ccy", "")
    if currency != "EUR" and (is_debit or not row.findtext("CdtrAgt/FinInstnId/BICFI")):
        raise ValueError("bank")
    return Handed(
        end_to_end=row.findtext("PmtId/EndToEndId", ""),
        trace=row.findtext("PmtId/InstrId", ""),
        direction="debit" if is_debit else "credit",
        amount=_minor(amount.text or "", currency),
        currency=currency,
        due=day,
        account=row.findtext(f"{side}Acct/Id/IBAN", "") or row.findtext(f"{side}Acct/Id/Othr/Id", ""),
        holder=row.findtext(f"{side}/Nm", ""),
    )


def _minor(figure: str, currency: str) -> int:
    minor = Decimal(figure).scaleb(exponent(currency))
    if minor != int(minor):
        raise ValueError("decimals")
    return int(minor)
