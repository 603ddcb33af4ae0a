"""The bank's own files: returns by NACHA, rejections by pain.002, bookings by camt.054."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from xml.sax.saxutils import escape

from payments.simulator.currencies import major

PAIN_002 = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
CAMT_054 = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"
RETURN_CODES = {"debit": "26", "credit": "21"}


@dataclass(frozen=True, slots=True)
class Booking:
    """One line of a notification: the entry, what was booked (signed, zero for a mere charge), the fee."""

    row: sqlite3.Row
    amount: int
    reference: str
    code: str = ""
    fee: int = 0
    told_as: str = ""

    @property
    def end_to_end(self) -> str:
        """The name by which it is told: the entry's, unless the bank errs."""
        return self.told_as or str(self.row["end_to_end"])


def nacha_returns(day: str, bookings: Sequence[Booking]) -> bytes:
    """A file of returned entries, each with its addenda 99."""
    date = day.replace("-", "")[2:]
    lines = [f"1011234567890 110000000{date}2359A094101{'EVERYCENT':23}{'SANDBOX BANK':23}{'':8}"]
    whole = _Sums()
    ordered = sorted(bookings, key=lambda one: one.row["sec"])
    batches = [(sec, list(rows)) for sec, rows in groupby(ordered, key=lambda one: one.row["sec"])]
    for number, (sec, rows) in enumerate(batches, 1):
        batch, tail = _Sums(), f"{'1234567890':10}{'':25}11000000{number:07}"
        lines.append(
            f"5200{'EVERYCENT':16}{'':20}1234567890{sec}{'RETURN':10}{date}{date}   1{'11000000'}{number:07}"
        )
        for one in rows:
            lines += _returned(one)
            batch.add(one)
            whole.add(one)
        lines.append(f"8200{batch.control(6)}{tail}")
    blocks = -(-(len(lines) + 1) // 10)
    lines.append(f"9{len(batches):06}{blocks:06}{whole.control(8)}{'':39}")
    lines += ["9" * 94] * (-len(lines) % 10)
    return "".join(f"{line}\n" for line in lines).encode("ascii")


class _Sums:
    def __init__(self) -> None:
        self.records, self.hash, self.debit, self.credit = 0, 0, 0, 0

    def add(self, one: Booking) -> None:
        self.records += 2
        self.hash += int(one.row["routing"][:8])
        if one.row["direction"] == "debit":
            self.debit += one.row["amount"]
        else:
            self.credit += one.row["amount"]

    def control(self, width: int) -> str:
        return f"{self.records:0{width}}{self.hash % 10**10:010}{self.debit:012}{self.credit:012}"


def _returned(one: Booking) -> tuple[str, str]:
    row = one.row
    entry = (
        f"6{RETURN_CODES[row['direction']]}{row['routing']}{row['account']:17}{row['amount']:010}"
        f"{row['trace']:>15}{row['holder'][:22]:22}  1{one.reference}"
    )
    addenda = f"799{one.code}{row['trace']}{'':6}{row['routing'][:8]}{'':44}{one.reference}"
    return entry, addenda


def pain_002(name: str, day: str, bookings: Sequence[Booking]) -> bytes:
    """A status report of rejected debits."""
    rows = "".join(
        f"<TxInfAndSts><StsId>{one.reference}</StsId><OrgnlEndToEndId>{escape(one.row['end_to_end'])}"
        f"</OrgnlEndToEndId><TxSts>RJCT</TxSts><StsRsnInf><Rsn><Cd>{one.code}</Cd></Rsn></StsRsnInf>"
        f"</TxInfAndSts>"
        for one in bookings
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{PAIN_002}"><CstmrPmtStsRpt><GrpHdr>'
        f"<MsgId>{name}</MsgId><CreDtTm>{day}T23:59:59Z</CreDtTm></GrpHdr><OrgnlGrpInfAndSts>"
        f"<OrgnlMsgId>SEVERAL</OrgnlMsgId><OrgnlMsgNmId>pain.008.001.08</OrgnlMsgNmId></OrgnlGrpInfAndSts>"
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>SEVERAL</OrgnlPmtInfId>{rows}</OrgnlPmtInfAndSts>"
        f"</CstmrPmtStsRpt></Document>\n"
    ).encode()


def camt_054(name: str, day: str, currency: str, net: int, bookings: Sequence[Booking]) -> bytes:
    """A notification of what was booked on a day, entry by entry, under the one line of the statement."""
    details = "".join(_details(one, currency) for one in bookings)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{CAMT_054}"><BkToCstmrDbtCdtNtfctn>'
        f"<GrpHdr><MsgId>{name}</MsgId><CreDtTm>{day}T23:59:59Z</CreDtTm></GrpHdr><Ntfctn><Id>{name}</Id>"
        f"<CreDtTm>{day}T23:59:59Z</CreDtTm><Acct><Id><Othr><Id>SANDBOX</Id></Othr></Id>"
        f"<Ccy>{currency}</Ccy></Acct><Ntry>{_amount(net, currency)}<Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt><AcctSvcrRef>{name}</AcctSvcrRef>"
        f"<BkTxCd/><NtryDtls><Btch><NbOfTxs>{len(bookings)}</NbOfTxs></Btch>{details}</NtryDtls></Ntry>"
        f"</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>\n"
    ).encode()


def _details(one: Booking, currency: str) -> str:
    charges = reason = ""
    if one.fee:
        fee = f'<TtlChrgsAndTaxAmt Ccy="{currency}">{major(one.fee, currency)}</TtlChrgsAndTaxAmt>'
        charges = f"<Chrgs>{fee}</Chrgs>"
    if one.code:
        reason = f"<RtrInf><Rsn><Cd>{one.code}</Cd></Rsn></RtrInf>"
    return (
        f"<TxDtls><Refs><AcctSvcrRef>{one.reference}</AcctSvcrRef>"
        f"<EndToEndId>{escape(one.end_to_end)}</EndToEndId></Refs>"
        f"{_amount(one.amount, currency)}{charges}{reason}</TxDtls>"
    )


def _amount(minor: int, currency: str) -> str:
    side = "CRDT" if minor > 0 else "DBIT"
    return f'<Amt Ccy="{currency}">{major(abs(minor), currency)}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
