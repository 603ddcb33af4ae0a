"""SEPA orders: valid against the schema, read back the same; the bank's messages, and what is not one."""

from functools import cache
from pathlib import Path

import pytest
import sepaxml
from hypothesis import given, settings
from lxml import etree

from ledger.money import Money
from payments.providers.bank_files import Account, Direction, WordKind
from payments.providers.errors import Unanswered
from payments.providers.rails import iso20022, iso20022_reader
from payments.simulator.rails import reading
from tests.unit.payments.rails.files import CREDITOR, iban, sepa_entries, sepa_file

SCHEMAS = {Direction.DEBIT: "pain.008.001.08", Direction.CREDIT: "pain.001.001.09"}
CARLA = Account("Carla Jüng", iban(532013000))
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
    with pytest.raises(ValueError, match="euro"):
        iso20022.write(sepa_file([(minor, CARLA)]), CREDITOR)


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
