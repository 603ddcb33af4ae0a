"""The reader of bank statements: exact on real files, and closed to hostile ones."""

import json
import time
import tracemalloc
import warnings
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import DomainError
from ledger.money import Money
from settlements.bankfiles import camt053, readers
from settlements.bankfiles.types import StatementUnreadable

CHECKOUT = Path(__file__).resolve().parents[3]
PLACES = [above / "shared" / "data" / "bank" for above in list(CHECKOUT.parents)[:2]]
SAMPLES = next((place for place in PLACES if place.is_dir()), PLACES[0])

REFUSED = {"camt/genkgo/camt053.v2.wrong.xml"}


def line(amount="10.00", sign="CRDT", currency="EUR", e2e="po_1", status="BOOK", extra="", details=None):
    inner = details or f"<TxDtls><Refs><EndToEndId>{e2e}</EndToEndId></Refs></TxDtls>"
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts><Cd>{status}</Cd></Sts>'
        f"<BookgDt><Dt>2026-03-02</Dt></BookgDt>{extra}<NtryDtls>{inner}</NtryDtls></Ntry>"
    )


def balance(code, amount, currency="EUR", sign="CRDT"):
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>2026-03-02</Dt></Dt></Bal>'
    )


def message(*lines, opening="0.00", closing="10.00", currency="EUR", version="camt.053.001.08", head=""):
    return (
        f'{head}<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{version}"><BkToCstmrStmt><Stmt><Id>S1</Id>'
        f"<Acct><Id><IBAN>DE02120300000000202051</IBAN></Id><Ccy>{currency}</Ccy></Acct>"
        f"{balance('OPBD', opening, currency)}{balance('CLBD', closing, currency)}{''.join(lines)}"
        "</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def truth():
    if not SAMPLES.is_dir():
        return []
    everything = json.loads((SAMPLES / "TRUTH.json").read_text())
    return [(name, row) for name, row in everything.items() if row["format"].startswith("camt.053")]


def test_the_real_samples_are_here():
    """Say loudly when the corpus is missing, instead of passing over it in silence."""
    if not SAMPLES.is_dir():
        warnings.warn(f"NO BANK SAMPLES AT {SAMPLES}: the reader was not tried on real files", stacklevel=1)
        return
    assert len(truth()) == 22


@pytest.mark.parametrize(("name", "expected"), truth())
def test_reads_a_real_file_to_the_figures_of_its_truth(name, expected):
    content = (SAMPLES / name).read_bytes()
    if name in REFUSED:
        with pytest.raises(StatementUnreadable):
            readers.read(content)
        return
    statements = readers.read(content)
    assert len(statements) == len(expected["statements"])
    for statement, figures in zip(statements, expected["statements"], strict=True):
        booked = statement.booked
        assert statement.account == figures["account"]
        assert figures["currency"] in (None, statement.currency)
        for ours, theirs in ((statement.opening, "opening"), (statement.closing, "closing")):
            if figures[theirs] is None:
                assert ours is None
            else:
                assert ours.major() == Decimal(figures[theirs])
        assert len(statement.entries) == figures["entries"]
        assert sum(max(1, len(entry.details)) for entry in statement.entries) == figures["tx_details"]
        assert sum(entry.amount.major() for entry in booked) == Decimal(figures["signed_sum_booked"])
        assert len(statement.entries) - len(booked) == figures["pending"]
        assert (statement.problems() == []) == figures["balanced"]


class TestReading:
    def test_gives_signed_exact_amounts_and_references(self):
        (statement,) = camt053.read(
            message(
                line("12.345", currency="BHD"),
                line("2", "DBIT", "BHD", e2e="po_2"),
                closing="10.345",
                opening="0",
                currency="BHD",
            )
        )
        assert [record.amount for record in statement.records()] == [Money(12345, "BHD"), Money(-2000, "BHD")]
        assert [record.end_to_end_id for record in statement.records()] == ["po_1", "po_2"]
        assert statement.problems() == []

    @pytest.mark.parametrize("version", [f"camt.053.001.0{n}" for n in range(2, 9)] + ["anything"])
    def test_is_lenient_about_the_namespace(self, version):
        assert camt053.read(message(line(), version=version))[0].problems() == []

    def test_splits_a_batch_booking_whose_transactions_explain_it(self):
        details = "".join(
            f"<TxDtls><Refs><EndToEndId>po_{n}</EndToEndId></Refs>"
            f'<Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd></TxDtls>'
            for n, amount in ((1, "4.00"), (2, "6.00"))
        )
        (statement,) = camt053.read(
            message(line("10.00", "DBIT", details=details), opening="10.00", closing="0.00")
        )
        assert [(r.end_to_end_id, r.amount.minor) for r in statement.records()] == [
            ("po_1", -400),
            ("po_2", -600),
        ]

    def test_keeps_a_batch_booking_whole_when_its_transactions_do_not_explain_it(self):
        details = (
            '<TxDtls><Amt Ccy="EUR">4.00</Amt></TxDtls>'
            "<TxDtls><Refs><EndToEndId>x</EndToEndId></Refs></TxDtls>"
        )
        (statement,) = camt053.read(message(line(details=details)))
        assert [(r.end_to_end_id, r.amount.minor) for r in statement.records()] == [("", 1000)]

    def test_leaves_out_what_is_only_announced(self):
        (statement,) = camt053.read(message(line(), line("99.00", status="PDNG")))
        assert len(statement.records()) == 1
        assert statement.problems() == []

    def test_names_a_statement_that_does_not_come_out(self):
        (statement,) = camt053.read(message(line("9.99")))
        assert "closing balance says 10.00 EUR" in statement.problems()[0]

    def test_names_a_statement_of_mixed_currencies(self):
        (statement,) = camt053.read(message(line(currency="USD")))
        assert statement.problems() == ["a EUR statement holds amounts in USD"]

    def test_tells_equal_lines_apart_and_knows_the_same_file_again(self):
        content = message(line("5.00"), line("5.00"))
        first, second = camt053.read(content)[0].hashes(), camt053.read(content)[0].hashes()
        assert len(set(first)) == 2
        assert first == second

    def test_a_changed_line_has_another_hash(self):
        assert (
            camt053.read(message(line()))[0].hashes() != camt053.read(message(line(e2e="po_9")))[0].hashes()
        )


BOMB = '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
XXE = '<!DOCTYPE b [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


class TestHostileFiles:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"   ",
            b"hello",
            b"\x00" * 100,
            b"<",
            b"<a><b></a>",
            b"<html><body>404</body></html>",
            b'<?xml version="1.0" encoding="UTF-16"?><a/>',
            b'<?xml version="1.0" encoding="no-such-encoding"?><a/>',
            b'<?xml version="1.0" encoding="UTF-8"?><a>\xff\xfe</a>',
            message(line(), head=BOMB),
            message(line(e2e="&x;"), head=XXE),
            message(line(), head='<!DOCTYPE b SYSTEM "http://127.0.0.1:1/x.dtd">'),
            message(line(e2e="&undefined;")),
            message(line(), version="camt.052.001.08"),
            message(line(), version="camt.054.001.08"),
            message(line("10.001")),
            message(line("1", currency="XXX")),
            message(line("1", currency="")),
            message(line("1e3")),
            message(line("NaN")),
            message(line("1_000")),
            message(line("-")),
            message(line("9" * 60)),
            message(line("١٢")),
            message(line(sign="BOTH")),
            message("<Ntry><CdtDbtInd>CRDT</CdtDbtInd></Ntry>"),
            message(line(extra="<ValDt><Dt>2026-02-30</Dt></ValDt>")),
            b"<Document><BkToCstmrStmt></BkToCstmrStmt></Document>",
            b"<a>" * 100_000 + b"</a>" * 100_000,
        ],
    )
    def test_refuses_it_as_a_domain_error(self, content):
        with pytest.raises(StatementUnreadable):
            readers.read(content)

    def test_refuses_a_file_that_is_too_large_without_parsing_it(self):
        with pytest.raises(StatementUnreadable, match="bytes"):
            camt053.read(b"<a>" + b" " * camt053.MAX_BYTES)

    def test_refuses_a_million_entries_in_bounded_time_and_memory(self):
        content = (
            b"<Document><BkToCstmrStmt><Stmt>"
            + b"<Ntry/>" * 1_000_000
            + b"</Stmt></BkToCstmrStmt></Document>"
        )
        tracemalloc.start()
        begun = time.thread_time()
        with pytest.raises(StatementUnreadable, match="too many"):
            camt053.read(content)
        assert time.thread_time() - begun < 10
        assert tracemalloc.get_traced_memory()[1] < 200 * 1024 * 1024
        tracemalloc.stop()

    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=300))
    def test_never_crashes_on_bytes(self, content):
        try:
            readers.read(content)
        except DomainError:
            return

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_never_crashes_on_a_damaged_file(self, data):
        content = bytearray(message(line(), line("3.00", "DBIT")))
        for _ in range(data.draw(st.integers(1, 6))):
            at = data.draw(st.integers(0, len(content) - 1))
            content[at] = data.draw(st.integers(0, 255))
        try:
            readers.read(bytes(content))
        except DomainError:
            return
