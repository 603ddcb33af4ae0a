"""Bank statements as ISO 20022 camt.053.001.08: pure, from lines in minor units to XML in major units."""

import json
import sqlite3
from dataclasses import dataclass
from xml.sax.saxutils import escape

from payments.simulator.currencies import major

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


@dataclass(frozen=True, slots=True)
class Line:
    """One statement line; a positive amount came in, a negative one went out (minor units)."""

    amount: int
    end_to_end_id: str
    counterparty: str
    counterparty_iban: str
    remittance: str
    bank_reference: str

    @classmethod
    def of_transfer(cls, row: sqlite3.Row) -> "Line":
        """The debit line of an executed transfer."""
        destination = json.loads(row["destination"])
        return cls(
            -row["amount"],
            row["reference"],
            str(destination.get("holder", "")),
            str(destination.get("iban", "")),
            f"PAYOUT {row['reference']}",
            row["id"],
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """A day of one account."""

    id: str
    sequence: int
    date: str
    iban: str
    holder: str
    currency: str
    opening: int
    closing: int
    lines: tuple[Line, ...]


def statement_xml(statement: Statement) -> str:
    """The statement as an XML document."""
    made = f"{statement.date}T23:59:59Z"
    head = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>{_short(statement.id)}</MsgId><CreDtTm>{made}</CreDtTm></GrpHdr>\n"
        f"<Stmt><Id>{_short(statement.id)}</Id><ElctrncSeqNb>{statement.sequence}</ElctrncSeqNb>"
        f"<CreDtTm>{made}</CreDtTm><Acct><Id><IBAN>{statement.iban}</IBAN></Id><Ccy>{statement.currency}</Ccy>"
        f"<Ownr><Nm>{escape(statement.holder)}</Nm></Ownr></Acct>\n"
    )
    balances = _balance("OPBD", statement.opening, statement) + _balance("CLBD", statement.closing, statement)
    entries = "".join(_entry(number, line, statement) for number, line in enumerate(statement.lines, 1))
    return f"{head}{balances}{entries}</Stmt></BkToCstmrStmt></Document>\n"


def _short(text: str) -> str:
    return escape(text[:35])


def _amount(minor: int, currency: str) -> str:
    return f'<Amt Ccy="{currency}">{major(abs(minor), currency)}</Amt>{_side(minor)}'


def _side(minor: int) -> str:
    return f"<CdtDbtInd>{'DBIT' if minor < 0 else 'CRDT'}</CdtDbtInd>"


def _balance(code: str, minor: int, statement: Statement) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_amount(minor, statement.currency)}"
        f"<Dt><Dt>{statement.date}</Dt></Dt></Bal>\n"
    )


def _entry(number: int, line: Line, statement: Statement) -> str:
    family = "ICDT" if line.amount < 0 else "RCDT"
    code = f"<Domn><Cd>PMNT</Cd><Fmly><Cd>{family}</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn>"
    return (
        f"<Ntry><NtryRef>{number}</NtryRef>{_amount(line.amount, statement.currency)}<Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><Dt>{statement.date}</Dt></BookgDt><ValDt><Dt>{statement.date}</Dt></ValDt>"
        f"<AcctSvcrRef>{_short(line.bank_reference)}</AcctSvcrRef><BkTxCd>{code}</BkTxCd>"
        f"<NtryDtls><TxDtls><Refs><AcctSvcrRef>{_short(line.bank_reference)}</AcctSvcrRef>"
        f"<EndToEndId>{_short(line.end_to_end_id)}</EndToEndId></Refs>"
        f"{_amount(line.amount, statement.currency)}{_parties(line)}"
        f"<RmtInf><Ustrd>{escape(line.remittance[:140])}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>\n"
    )


def _parties(line: Line) -> str:
    role = "Cdtr" if line.amount < 0 else "Dbtr"
    name = (
        f"<{role}><Pty><Nm>{escape(line.counterparty[:140])}</Nm></Pty></{role}>" if line.counterparty else ""
    )
    account = (
        f"<{role}Acct><Id><IBAN>{escape(line.counterparty_iban)}</IBAN></Id></{role}Acct>"
        if line.counterparty_iban
        else ""
    )
    return f"<RltdPties>{name}{account}</RltdPties>" if name or account else ""
