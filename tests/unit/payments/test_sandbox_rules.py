"""The sandbox's pure parts: scenarios, faults as written, fees, statements."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money, Rounding, exponent
from payments.simulator import currencies, scenarios
from payments.simulator.camt import NAMESPACE, Line, Statement, statement_xml
from payments.simulator.errors import Refused
from payments.simulator.faults import AFTER, BEFORE, RESULTS, WEBHOOKS, parse
from payments.simulator.fees import bps_half_even, capture_fee


class TestScenarios:
    def test_have_distinct_names_and_well_formed_numbers(self):
        assert (
            len(scenarios.BY_NAME) == len(scenarios.BY_NUMBER) == len(scenarios.CARDS) + len(scenarios.IBANS)
        )
        for card in scenarios.CARDS:
            assert scenarios.check_card_number(card.number) == card.number
        for iban in scenarios.IBANS:
            assert scenarios.check_iban(iban.number) == iban.number

    def test_name_only_faults_that_exist(self):
        for scenario in scenarios.BY_NAME.values():
            kinds = {"authorize", "increment", "capture", "void", "refund", "transfer"}
            assert set(scenario.faults) <= kinds
            for spec in scenario.faults.values():
                parse(spec, "test")

    def test_cover_what_was_asked_for(self):
        specs = [spec for row in scenarios.BY_NAME.values() for spec in row.faults.values()]
        kinds = {part.partition(":")[0] for spec in specs for part in spec.split("+")}
        assert kinds >= {"decline", "timeout_after", "timeout_before", "reset_after",
                         "500_after", "500_before",
                         "pending_then_ok", "pending_then_fail", "no_webhook"}  # fmt: skip

    @pytest.mark.parametrize("number", ["4242424242424241", "42", "", "4242x24242424242", "\u0664" * 16])
    def test_refuse_what_is_no_card_number(self, number):
        with pytest.raises(Refused):
            scenarios.check_card_number(number)

    @pytest.mark.parametrize(
        "iban", ["DE00370400440532013000", "DE", "DE8937040044053201300", "1289370400440532013000"]
    )
    def test_refuse_what_is_no_iban(self, iban):
        with pytest.raises(Refused):
            scenarios.check_iban(iban)

    @pytest.mark.parametrize(
        ("number", "brand"),
        [("4242424242424242", "visa"), ("5555555555554444", "mastercard"), ("2223003122003222", "mastercard"),
         ("378282246310005", "amex"), ("6011111111111117", "discover"), ("3056930009020004", "diners"),
         ("3566002020360505", "jcb"), ("6200000000000005", "unionpay"), ("9999999999999995", "unknown")],
    )  # fmt: skip
    def test_know_the_brand_by_the_number(self, number, brand):
        assert scenarios.brand_of(number) == brand


class TestFaultsAsWritten:
    @pytest.mark.parametrize("kind", [*RESULTS, *BEFORE, *AFTER, *WEBHOOKS])
    def test_each_kind_is_read(self, kind):
        plan = parse(kind, "test")
        assert kind in (plan.result, plan.before, plan.after, plan.webhook)

    def test_several_are_joined(self):
        plan = parse("decline:lost_card+slow:2.5+dup_webhook:3", "test")
        assert (plan.result, plan.code, plan.after, plan.seconds) == ("decline", "lost_card", "slow", 2.5)
        assert plan.webhook == "dup_webhook:3"

    def test_what_pends_may_say_how_long(self):
        plan = parse("pending_then_ok:600", "test")
        assert (plan.result, plan.argument, plan.seconds) == ("pending_then_ok", "600", 600.0)
        assert parse("pending_then_ok", "test").argument == ""

    @pytest.mark.parametrize("spec", ["", "nonsense", "500_after+timeout_after", "ok+"])
    def test_nonsense_is_refused(self, spec):
        with pytest.raises(Refused):
            parse(spec, "test")


class TestFees:
    @pytest.mark.parametrize(
        ("amount", "currency", "method", "fee"),
        [
            (10_000, "USD", "card", 320),
            (1_999, "USD", "card", 88),
            (1_000, "JPY", "card", 69),
            (1_000, "KWD", "card", 129),
            (50, "USD", "card", 31),
            (10, "USD", "card", 10),
            (10_000, "USD", "bank_transfer", 80),
            (1_000_000, "USD", "bank_transfer", 500),
        ],
    )
    def test_are_whole_minor_units_and_never_above_the_amount(self, amount, currency, method, fee):
        assert capture_fee(amount, currency, method) == fee

    @given(st.integers(0, 10**12), st.integers(0, 10_000))
    def test_round_as_the_house_rounds(self, amount, rate):
        ours = Money(amount, "USD").bps(rate, Rounding.HALF_EVEN).minor
        assert bps_half_even(amount, rate) == ours


class TestStatements:
    @given(st.integers(0, 10**14), st.sampled_from(["USD", "JPY", "KWD", "CLF", "HUF"]))
    def test_major_units_are_exact_and_have_the_right_decimals(self, minor, currency):
        text = currencies.major(minor, currency)
        whole, _, part = text.partition(".")
        assert len(part) == exponent(currency) == currencies.exponent(currency)
        assert int(whole + part) == minor

    @pytest.mark.parametrize("currency", ["XAU", "XXX", "ABC", "usd", ""])
    def test_refuse_what_has_no_minor_unit(self, currency):
        with pytest.raises(Refused):
            currencies.exponent(currency)

    def test_escape_what_people_wrote(self):
        line = Line(-300, "po_1", "Ada & <Co>", "DE89370400440532013000", 'PAYOUT "1"', "trf_1")
        xml = statement_xml(Statement("st_1", 1, "2026-11-20", "DE1", "Us & Co", "USD", 0, -300, (line,)))
        root = ElementTree.fromstring(xml)
        names = [node.text for node in root.iter(f"{{{NAMESPACE}}}Nm")]
        assert names == ["Us & Co", "Ada & <Co>"]
        closing = root.findall(f".//{{{NAMESPACE}}}Bal")[1]
        assert closing.findtext(f"{{{NAMESPACE}}}Amt") == "3.00"
        assert closing.findtext(f"{{{NAMESPACE}}}CdtDbtInd") == "DBIT"
