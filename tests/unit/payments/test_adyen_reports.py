"""Adyen's settlement detail reports: what a line means, and that only what adds up is believed."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money
from payments.providers.adyen import reports
from payments.providers.errors import ProviderRefused, Unanswered
from payments.providers.notices import ProviderReport

PSP, PART = "QFQTPCQ8HXSKGK82", "BCDFGHJKLMNPQRST"


def row(kind: str, **told: str) -> dict[str, str]:
    return {
        **dict.fromkeys(reports.COLUMNS, ""), "Psp Reference": PSP, "Creation Date": "2026-11-21 12:00:00",
        "Type": kind, "Modification Reference": PART, "Gross Currency": "EUR", "Net Currency": "EUR", **told,
    }  # fmt: skip


def settled(gross: str = "20.00", net: str = "19.30", **told: str) -> dict[str, str]:
    fees = {"Markup (NC)": "0.20", "Scheme Fees (NC)": "0.10", "Interchange (NC)": "0.40"}
    amounts = {"Gross Credit (GC)": gross, "Net Credit (NC)": net}
    return row("Settled", **{**amounts, **fees, "Modification Merchant Reference": "capture.op_2", **told})


def refunded(amount: str = "5.00", reference: str = "refund.op_4", **told: str) -> dict[str, str]:
    amounts = {"Gross Debit (GC)": amount, "Net Debit (NC)": amount}
    return row("Refunded", **{**amounts, "Modification Merchant Reference": reference, **told})


def payout(amount: str) -> dict[str, str]:
    return row("MerchantPayout", **{"Net Debit (NC)": amount, "Psp Reference": ""})


def read(*rows: dict[str, str]) -> ProviderReport:
    out = io.StringIO()
    writer = csv.DictWriter(out, reports.COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return reports.report("7", out.getvalue().encode())


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


class TestAReport:
    def test_has_captures_with_their_fees_and_refunds(self):
        found = read(settled(), refunded(), payout("14.30"))
        assert (found.captured, found.fees, found.refunded, found.net) == (
            eur(2_000), eur(70), eur(500), eur(1_430),
        )  # fmt: skip
        assert [(line.kind, line.idempotency_key, line.fee) for line in found.lines] == [
            ("capture", "op_2", eur(70)), ("refund", "op_4", eur(0)),
        ]  # fmt: skip
        assert {line.authorization for line in found.lines} == {PSP}

    def test_names_what_a_dispute_moved_as_its_webhooks_do(self):
        back = {"Gross Debit (GC)": "20.00", "Net Debit (NC)": "27.50", "Commission (NC)": "7.50"}
        found = read(settled(), row("Chargeback", **back), payout("-8.20"))
        assert found.lines[1].idempotency_key == f"{PART}:chargeback"
        assert (found.lines[1].kind, found.lines[1].fee) == ("withdrawal", eur(750))
        assert found.disputed == eur(2_000)

    def test_names_the_capture_of_a_sale_by_the_sales_key(self):
        told = read(settled(**{"Modification Merchant Reference": "sale.op_9"}), payout("19.30"))
        assert [(line.kind, line.idempotency_key) for line in told.lines] == [("capture", "op_9:capture")]

    def test_names_a_refund_of_the_customer_area_by_adyens_reference(self):
        found = read(settled(), refunded(reference="op_1"), payout("14.30"))
        assert found.lines[1].idempotency_key == f"adyen_{PART}"

    @pytest.mark.parametrize(("reference", "key"), [("refund.op_4", "op_4"), ("op_1", f"adyen_{PART}")])
    def test_names_a_refund_that_came_back_after_the_refund(self, reference, key):
        credit = {"Gross Credit (GC)": "5.00", "Net Credit (NC)": "5.00"}
        back = row("RefundedReversed", **credit, **{"Modification Merchant Reference": reference})
        first = settled(**{"Modification Reference": PSP})
        found = read(first, refunded(reference=reference), back, payout("19.30"))
        assert [(line.kind, line.idempotency_key) for line in found.lines] == [
            ("capture", "op_2"), ("refund", key), ("refund_returned", f"{key}:returned"),
        ]  # fmt: skip
        assert found.refunded == eur(0)

    def test_leaves_out_a_capture_that_failed_within_it(self):
        plain = dict.fromkeys(reports.FEES, "")
        debit = {"Gross Debit (GC)": "20.00", "Net Debit (NC)": "20.00"}
        failed = row("CaptureFailed", **debit, **{"Modification Merchant Reference": "capture.op_2"})
        kept = refunded(**{"Modification Reference": PSP})
        found = read(settled("20.00", "20.00", **plain), failed, kept, payout("-5.00"))
        assert [line.kind for line in found.lines] == ["refund"]

    def test_gives_invoices_a_name_that_no_operation_has(self):
        invoice = row("InvoiceDeduction", **{"Net Debit (NC)": "9.30", "Modification Reference": ""})
        found = read(settled(), invoice, payout("10.00"))
        assert found.lines[1].idempotency_key == "adyen_invoicededuction_2"
        assert found.lines[1].kind == "withdrawal"

    def test_has_the_decimals_of_its_currency(self):
        yen = {"Gross Currency": "JPY", "Net Currency": "JPY"}
        plain = dict.fromkeys(reports.FEES, "")
        found = read(settled("2000", "2000", **yen, **plain), payout("2000") | yen)
        assert found.net == Money(2_000, "JPY")


class TestDisbelief:
    @pytest.mark.parametrize(
        "rows",
        [
            [],
            [settled()],
            [settled(), payout("19.31")],
            [settled(net="19.29"), payout("19.29")],
            [settled(), payout("10.00"), payout("9.30")],
            [settled(**{"Net Currency": "USD"}), payout("19.30")],
            [settled("20.005", "19.305"), payout("19.305")],
            [settled("NaN", "NaN"), payout("NaN")],
            [settled("1e99", "1e99"), payout("19.30")],
            [settled(**{"Gross Currency": "???"}), payout("19.30")],
            [settled(), payout("19.30") | {"Creation Date": "yesterday"}],
        ],
    )
    def test_of_what_does_not_add_up_or_is_none(self, rows):
        with pytest.raises(Unanswered):
            read(*rows)

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a,b\n1,2\n", b'"open', b"<html></html>"])
    def test_of_other_files(self, content):
        with pytest.raises(Unanswered):
            reports.report("7", content)

    @pytest.mark.parametrize("name", ["", "../x", "7.csv", "1234567890", "-1"])
    def test_of_names_that_are_no_batch(self, name):
        with pytest.raises(ProviderRefused):
            reports.file_name(name)

    @given(st.data())
    def test_of_any_change(self, data):
        rows: Any = [settled(), refunded(), payout("14.30")]
        changed = data.draw(st.sampled_from(rows))
        name = data.draw(st.sampled_from(reports.COLUMNS))
        changed[name] = data.draw(st.sampled_from(["", "0", "1.00", "-5", "x", "EUR", "Settled", "JPY"]))
        try:
            found = read(*rows)
        except Unanswered:
            return
        net = found.captured - found.fees - found.refunded - (found.disputed or eur(0))
        assert net == found.net == eur(1_430)
