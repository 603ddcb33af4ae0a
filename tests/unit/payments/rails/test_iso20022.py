"""SEPA orders: valid against the schema, read back the same; the bank's messages, and what is not one."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import sepaxml
from hypothesis import given, settings
from lxml import etree

from ledger.money import Money
from payments.providers.bank_files import Account, Direction, OutgoingFile, WordKind
from payments.providers.errors import Unanswered
from payments.providers.rails import iso20022, iso20022_reader
from payments.simulator.errors import Refused
from payments.simulator.rails import reading
from tests.unit.payments.rails.files import CREDITOR, iban, sepa_entries, sepa_file

SCHEMAS = {Direction.DEBIT: "pain.008.001.08", Direction.CREDIT: "pain.001.001.09"}
CARLA = Account("Carla Jüng", iban(532013000))
BIC = "NWBKGB2L"
CARLA_ABROAD = Account("Carla Jüng", iban(532013000), bic=BIC)
STATUS = """<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10">
<CstmrPmtStsRpt><OrgnlPmtInfAndSts><OrgnlPmtInfId>X</OrgnlPmtInfId>
<TxInfAndSts><StsId>rt1</StsId><OrgnlEndToEndId>E1</OrgnlEndToEndId><TxSts>RJCT</TxSts>
<StsRsnInf><Rsn><Cd>AM04</Cd></Rsn></StsRsnInf></TxInfAndSts>
<TxInfAndSts><StsId>rt2</StsId><OrgnlEndToEndId>E2</OrgnlEndToEndId><TxSts>ACSC</TxSts></TxInfAndSts>
</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"""
BOOKED = """<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn><Ntfctn>
<Ntry><Amt Ccy="EUR">93.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><NtryDtls>
<TxDtls><Refs><AcctSvcrRef>b1</AcctSvcrRef><EndToEndId>E1</EndToEndId></Refs><Amt Ccy="EUR">100.00</Amt>
<CdtDbtInd>CRDT</CdtDbtInd></TxDtls>
<TxDtls><Refs><AcctSvcrRef>b2</AcctSvcrRef><EndToEndId>E2</EndToEndId></Refs><Amt Ccy="EUR">4.00</Amt>
<CdtDbtInd>DBIT</CdtDbtInd><Chrgs><TtlChrgsAndTaxAmt Ccy="EUR">3.00</TtlChrgsAndTaxAmt></Chrgs>
<RtrInf><Rsn><Cd>MD06</Cd></Rsn></RtrInf></TxDtls>
</NtryDtls></Ntry></Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"""


@cache
def schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(Path(sepaxml.__file__).parent / "schemas" / f"{name}.xsd"))


@given(sepa_entries())
@settings(max_examples=40, deadline=None)
def test_a_written_file_is_valid_and_reads_back_to_the_same_entries_and_totals(entries):
    for direction in Direction:
        file = sepa_file(entries, direction)
        content = iso20022.write(file, CREDITOR)
        schema(SCHEMAS[direction]).assertValid(etree.fromstring(content))
        read = {one.end_to_end: one for one in reading.read("sepa", content)}
        assert read.keys() == {row.end_to_end for row in file.entries}
        for row in file.entries:
            same = read[row.end_to_end]
            assert (same.direction, same.amount) == (direction, row.amount.minor)
            assert (same.account, same.trace, same.due) == (row.account.number, row.trace, "2026-03-03")


def test_each_sequence_type_has_a_block_of_its_own():
    content = iso20022.write(sepa_file([(100, CARLA), (200, CARLA), (300, CARLA)]), CREDITOR).decode()
    assert content.count("<PmtInf>") == 2
    assert content.count("<SeqTp>FRST</SeqTp>") == 1
    assert "<CtrlSum>6.00</CtrlSum>" in content
    assert "<CtrlSum>4.00</CtrlSum>" in content
    assert content.count("<Id>DE98ZZZ09999999999</Id>") == 2
    assert "Carla Jung" in content  # latin characters only


@pytest.mark.parametrize("minor", [0, 10**11])
def test_an_amount_that_the_scheme_cannot_hold_is_refused(minor):
    with pytest.raises(ValueError, match="minor units"):
        iso20022.write(sepa_file([(minor, CARLA)]), CREDITOR)


def abroad(
    currency: str, minor: int, direction: Direction = Direction.CREDIT, bic: str = BIC
) -> OutgoingFile:
    """A file of two entries in another currency, to accounts that are no IBAN and one."""
    file = sepa_file([(100, Account("Carla Jüng", "0012345678", bic=bic)), (100, CARLA_ABROAD)], direction)
    rows = [replace(row, amount=Money(minor + n, currency)) for n, row in enumerate(file.entries)]
    return replace(file, currency=currency, entries=rows)


@pytest.mark.parametrize(("currency", "first", "both"), [
    ("GBP", "12.34", "24.69"), ("JPY", "1234", "2469"), ("KWD", "1.234", "2.469"),
])  # fmt: skip
def test_a_credit_in_another_currency_is_no_sepa_transfer(currency, first, both):
    file = abroad(currency, 1_234)
    content = iso20022.write(file, replace(CREDITOR, iban="0000161125"))
    schema(SCHEMAS[Direction.CREDIT]).assertValid(etree.fromstring(content))
    text = content.decode()
    assert f'<InstdAmt Ccy="{currency}">{first}</InstdAmt>' in text
    assert text.count(f"<CtrlSum>{both}</CtrlSum>") == 2
    assert text.count(f"<BICFI>{BIC}</BICFI>") == 2
    assert "<ChrgBr>SHAR</ChrgBr>" in text
    assert "<Cd>SEPA</Cd>" not in text
    read = reading.read(f"credit_{currency.lower()}", content)
    assert [(one.amount, one.currency, one.direction) for one in read] == [
        (1_234, currency, "credit"), (1_235, currency, "credit"),
    ]  # fmt: skip
    assert [one.account for one in read] == ["0012345678", CARLA_ABROAD.number]


def test_a_credit_in_another_currency_needs_the_other_banks_code():
    with pytest.raises(ValueError, match="BIC"):
        iso20022.write(abroad("GBP", 100, bic=""), CREDITOR)


def test_the_bank_takes_each_currency_on_its_own_rail():
    content = iso20022.write(abroad("GBP", 100), CREDITOR)
    for rail in ("sepa", "credit_jpy"):
        with pytest.raises(Refused, match="not understood"):
            reading.read(rail, content)


def test_only_euros_are_drawn():
    with pytest.raises(ValueError, match="SEPA debit"):
        iso20022.write(abroad("GBP", 100, Direction.DEBIT), CREDITOR)


def test_a_debit_without_a_mandate_is_refused():
    file = sepa_file([(100, CARLA)], Direction.CREDIT)
    with pytest.raises(ValueError, match="mandate"):
        iso20022.write(
            type(file)(file.id, "A", Direction.DEBIT, "EUR", file.made_at, file.due_date, "N", file.entries),
            CREDITOR,
        )


def test_a_status_report_tells_of_what_was_rejected():
    [word] = iso20022_reader.words(STATUS.encode())
    assert (word.kind, word.end_to_end, word.code) == (WordKind.RETURNED, "E1", "AM04")
    assert word.reference == "rt1"


def test_a_notification_tells_of_bookings_and_of_returns():
    settled, returned = iso20022_reader.words(BOOKED.encode())
    assert (settled.kind, settled.amount, settled.is_credit) == (WordKind.SETTLED, Money(10_000, "EUR"), True)
    assert (returned.kind, returned.code, returned.fee) == (WordKind.RETURNED, "MD06", Money(300, "EUR"))
    assert (returned.amount, returned.is_credit) == (Money(400, "EUR"), False)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "<Document/>",
        "not xml",
        BOOKED.replace(">100.00<", ">1O0.00<"),
        BOOKED.replace('Ccy="EUR">4', 'Ccy="EURO">4'),
        '<!DOCTYPE x [<!ENTITY a "b">]>' + BOOKED,
    ],
)
def test_what_is_no_message_is_not_read(content):
    with pytest.raises(Unanswered):
        iso20022_reader.words(content.encode())
