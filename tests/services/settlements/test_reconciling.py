"""Bank statements against the books, with the sandbox bank's own files, true and falsified."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from ledger import balances, chart
from ledger.actors import staff_actor
from ledger.chart import Code
from ledger.ids import uuid7
from ledger.money import Money
from ledger.states import StateConflict
from payments.providers import registry
from payments.providers.errors import ProviderUnavailable
from settlements import selectors
from settlements.bankfiles.types import StatementUnreadable
from settlements.models import BankStatement, FundedOperation, Match, Payout, StatementLine
from settlements.services import importing, resolving
from tests.factories import vendors as who
from tests.kit import settling
from tests.kit.books import assert_all_invariants_hold
from tests.kit.owner import OWNERS
from tests.kit.settling import Forgery

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 22, tzinfo=UTC)
NEXT_DAY = AT + timedelta(days=1)
EUR = "EUR"


@pytest.fixture
def sold(own_network, ada):
    """Ada has sold for 100.00 EUR (10 % commission), is settled and paid 90.00."""
    settling.sell(own_network, ada, Money(10_000, EUR), AT)
    settling.pay(settling.settle(ada, EUR, AT), AT)
    return own_network


@pytest.fixture
def file(sold):
    """The bank's statement of that day: the funding and the payout."""
    return settling.statement_file(sold, AT)


def payout_of(vendor):
    return Payout.objects.get(batch__vendor=vendor)


def bank_balance(merchant, currency=EUR):
    found = balances.balances(merchant.pk, code=Code.BANK)
    return sum(row.balance.minor for row in found if row.balance.currency == currency)


def reasons(merchant):
    return sorted(selectors.open_breaks(merchant.pk).values_list("reason", flat=True))


def clearing(merchant, currency=EUR):
    return balances.balance(chart.account(Code.PROVIDER_CLEARING, merchant.pk, currency, "velocitypay")).minor


class TestATrueStatement:
    def test_explains_every_line_and_the_bank_is_the_books(self, northwind, ada, file):
        imported = settling.take_in(northwind, file, AT)
        assert (imported.new_lines, reasons(northwind)) == (2, [])
        assert Match.objects.filter(merchant=northwind).count() == 2
        payout = payout_of(ada)
        assert (payout.state, payout.batch.state) == ("reconciled", "reconciled")
        statement = BankStatement.objects.get(merchant=northwind)
        assert bank_balance(northwind) == statement.closing_minor == 10_000 - 315 - 9_000
        assert clearing(northwind) == 0
        assert FundedOperation.objects.filter(match__merchant=northwind).count() == 1
        assert_all_invariants_hold()

    def test_the_same_file_again_adds_nothing(self, northwind, file):
        settling.take_in(northwind, file, AT)
        rows = StatementLine.objects.count(), BankStatement.objects.count(), Match.objects.count()
        again = settling.take_in(northwind, file, NEXT_DAY)
        assert again.new_lines == 0
        assert (StatementLine.objects.count(), BankStatement.objects.count(), Match.objects.count()) == rows
        assert_all_invariants_hold()

    def test_is_fetched_from_the_bank_by_its_day(self, northwind, sold):
        sold.close_day(AT.date().isoformat())
        imported = settling.fetch(northwind, AT)
        assert (imported.new_lines, imported.runs[0].matched, reasons(northwind)) == (2, 2, [])

    @pytest.mark.parametrize(("currency", "minor"), [("JPY", 5_000), ("KWD", 12_345)])
    def test_holds_for_currencies_of_any_exponent(self, northwind, ada, own_network, currency, minor):
        settling.sell(own_network, ada, Money(minor, currency), AT, own=7)
        settling.pay(settling.settle(ada, currency, AT), AT)
        settling.take_in(northwind, settling.statement_file(own_network, AT, currency), AT)
        assert reasons(northwind) == []
        assert payout_of(ada).state == "reconciled"
        assert_all_invariants_hold()

    def test_a_second_statement_goes_on_where_the_first_closed(self, northwind, ada, sold, file):
        settling.take_in(northwind, file, AT)
        settling.sell(sold, ada, Money(3_000, EUR), NEXT_DAY)
        settling.take_in(northwind, settling.statement_file(sold, NEXT_DAY), NEXT_DAY)
        assert reasons(northwind) == []
        assert_all_invariants_hold()


class TestAFalsifiedStatement:
    def test_a_missing_payout_line_is_a_break_until_it_comes(self, northwind, ada, file):
        reference = payout_of(ada).public_id
        settling.take_in(northwind, Forgery(file).drop(reference).content(), AT)
        (found,) = selectors.open_breaks(northwind.pk)
        assert (found.reason, found.payout, found.amount) == (
            "payout_not_on_statement",
            payout_of(ada),
            Money(-9_000, EUR),
        )
        assert payout_of(ada).state == "paid"
        assert_all_invariants_hold()

    def test_an_extra_line_is_a_break_and_moves_nothing(self, northwind, ada, file):
        reference = payout_of(ada).public_id
        settling.take_in(northwind, Forgery(file).add(reference, "RENT MARCH").content(), AT)
        (found,) = selectors.open_breaks(northwind.pk)
        assert (found.reason, found.amount) == ("line_unexplained", Money(-9_000, EUR))
        assert bank_balance(northwind) == 10_000 - 315 - 9_000
        assert_all_invariants_hold()

    def test_a_line_booked_twice_is_a_break(self, northwind, ada, file):
        reference = payout_of(ada).public_id
        settling.take_in(northwind, Forgery(file).repeat(reference).content(), AT)
        assert reasons(northwind) == ["line_duplicate"]
        assert payout_of(ada).state == "reconciled"
        assert_all_invariants_hold()

    def test_a_payout_that_comes_again_on_a_later_statement_is_a_break(self, northwind, ada, file):
        reference = payout_of(ada).public_id
        settling.take_in(northwind, file, AT)
        again = Forgery(file).drop("sr_").named("S2").content()
        settling.take_in(northwind, again, NEXT_DAY)
        assert "line_duplicate" in reasons(northwind)
        assert Match.objects.filter(payout__batch__vendor=ada).count() == 1
        assert reference

    def test_a_changed_amount_is_a_break(self, northwind, ada, file):
        reference = payout_of(ada).public_id
        settling.take_in(northwind, Forgery(file).amount(reference, "89.99").content(), AT)
        (found,) = selectors.open_breaks(northwind.pk)
        assert (found.reason, found.detail["expected"]) == ("amount_differs", -9_000)
        assert payout_of(ada).state == "paid"
        assert_all_invariants_hold()

    def test_a_changed_funding_is_a_break_with_both_figures(self, northwind, file):
        settling.take_in(northwind, Forgery(file).amount("sr_", "96.84").content(), AT)
        found = selectors.open_breaks(northwind.pk).get(reason="report_total_differs")
        assert found.amount == Money(9_684, EUR)
        assert found.detail["items_net"] == Money(9_685, EUR).as_json()
        assert clearing(northwind) == 9_685
        assert_all_invariants_hold()

    def test_a_missing_funding_is_a_break_about_its_operations(self, northwind, file):
        settling.take_in(northwind, Forgery(file).drop("sr_").content(), AT)
        found = selectors.open_breaks(northwind.pk).get(reason="operations_not_funded")
        assert (found.amount, found.detail["count"]) == (Money(9_685, EUR), 1)
        assert_all_invariants_hold()

    def test_figures_that_do_not_come_out_hold_the_whole_statement(self, northwind, ada, file):
        reference = payout_of(ada).public_id
        imported = settling.take_in(northwind, Forgery(file).drop(reference).content(comes_out=False), AT)
        assert imported.statements[0].statement.state == "held"
        assert (imported.new_lines, reasons(northwind)) == (0, ["statement_does_not_foot"])
        assert bank_balance(northwind) == 0
        settling.take_in(northwind, file, AT)
        assert reasons(northwind) == []
        assert_all_invariants_hold()

    def test_a_statement_that_comes_again_changed_is_held(self, northwind, ada, file):
        reference = payout_of(ada).public_id
        settling.take_in(northwind, file, AT)
        settling.take_in(northwind, Forgery(file).add(reference, "RENT").content(), NEXT_DAY)
        assert reasons(northwind) == ["statement_changed"]
        assert StatementLine.objects.filter(merchant=northwind).count() == 2
        assert_all_invariants_hold()

    def test_a_gap_between_statements_is_a_break_until_the_missing_one_comes(
        self, northwind, ada, sold, file
    ):
        settling.sell(sold, ada, Money(3_000, EUR), NEXT_DAY)
        later = settling.statement_file(sold, NEXT_DAY)
        settling.take_in(northwind, later, NEXT_DAY)
        assert "opening_differs" in reasons(northwind)
        assert_all_invariants_hold()
        settling.take_in(northwind, file, NEXT_DAY)
        assert reasons(northwind) == []
        assert_all_invariants_hold()

    def test_a_funding_of_operations_that_are_not_ours_is_a_break_each(self, northwind, ada, sold, file):
        southwind = who.create_merchant("Southwind")
        settling.take_in(southwind, file, AT)
        assert reasons(southwind) == ["line_unexplained", "operation_unknown"]
        assert bank_balance(southwind) == 0
        assert payout_of(ada).state == "paid"
        assert_all_invariants_hold()

    @pytest.mark.parametrize(
        "content", [b"", b"<a/>", b"not xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>']
    )
    def test_what_is_no_statement_is_refused_and_nothing_is_stored(self, northwind, content):
        with pytest.raises(StatementUnreadable):
            settling.take_in(northwind, content, AT)
        assert not BankStatement.objects.filter(merchant=northwind).exists()


class TestABreak:
    def test_a_payout_not_known_yet_is_matched_when_it_is(self, northwind, ada, own_network):
        settling.sell(own_network, ada, Money(10_000, EUR), AT)
        settling.send_to(ada, "bank_lost_answer")
        assert settling.pay(settling.settle(ada, EUR, AT), AT).state == "paying"
        file = settling.statement_file(own_network, AT)
        settling.take_in(northwind, file, AT)
        assert reasons(northwind) == ["payout_not_paid"]
        settling.resolve(northwind, AT)
        settling.take_in(northwind, file, AT)
        assert reasons(northwind) == []
        (found,) = selectors.breaks(northwind.pk)
        assert (found.state, found.resolved_by) == ("resolved", "system")
        assert payout_of(ada).state == "reconciled"
        assert_all_invariants_hold()

    def test_an_unreachable_provider_leaves_the_funding_open_until_it_answers(
        self, northwind, sold, file, settings
    ):
        url = settings.VELOCITYPAY_URL
        settings.VELOCITYPAY_URL = "http://127.0.0.1:9"
        registry.reset()
        settling.take_in(northwind, file, AT)
        assert reasons(northwind) == ["operations_not_funded", "report_not_found"]
        settings.VELOCITYPAY_URL = url
        registry.reset()
        settling.take_in(northwind, file, AT)
        assert reasons(northwind) == []
        assert_all_invariants_hold()

    def test_what_a_person_resolved_is_not_opened_again(self, northwind, ada, file):
        forged = Forgery(file).add(payout_of(ada).public_id, "RENT MARCH").content()
        settling.take_in(northwind, forged, AT)
        (found,) = selectors.open_breaks(northwind.pk)
        resolve(northwind, found, "our rent, booked by hand")
        settling.take_in(northwind, forged, NEXT_DAY)
        assert reasons(northwind) == []
        with pytest.raises(StateConflict):
            resolve(northwind, found, "again")

    def test_is_resolved_with_a_reason_only(self, northwind, ada, file):
        settling.take_in(northwind, Forgery(file).add(payout_of(ada).public_id, "RENT").content(), AT)
        (found,) = selectors.open_breaks(northwind.pk)
        with pytest.raises(resolving.ReasonMissing):
            resolve(northwind, found, "  ")

    def test_the_bank_not_answering_is_said(self, northwind, own_network, settings):
        settings.VELOCITYPAY_URL = "http://127.0.0.1:9"
        registry.reset()
        with pytest.raises(ProviderUnavailable):
            settling.fetch(northwind, AT)


class TestLaw:
    def test_a_line_is_stored_once(self, northwind, file):
        settling.take_in(northwind, file, AT)
        line = StatementLine.objects.filter(merchant=northwind).first()
        line.pk, line.line_no = None, 99
        with pytest.raises(IntegrityError, match="settlements_line_once"), transaction.atomic():
            line.save(force_insert=True)

    @pytest.mark.django_db(databases=OWNERS)
    @pytest.mark.parametrize("table", ["statementline", "fundedoperation"])
    def test_lines_refuse_change_even_by_the_owner(self, as_owner, northwind, file, table):
        settling.take_in(northwind, file, AT)
        with (
            pytest.raises(IntegrityError, match="append only"),
            transaction.atomic(),
            connection.cursor() as c,
        ):
            c.execute(f"UPDATE settlements_{table} SET amount_minor = 1")


def resolve(merchant, found, reason):
    return resolving.resolve(
        merchant_id=merchant.pk, break_id=found.pk, reason=reason, actor=staff_actor(7, "finn"), at=NEXT_DAY
    )


class TestAnAccountOfAnotherMerchant:
    """A bank account belongs to the merchant whose statement of it came first."""

    @pytest.fixture
    def ours(self, northwind, file, settings) -> bytes:
        """Northwind's statement, of an account that no other test has; it has been imported."""
        settings.BANK_ACCOUNTS_ARE_SHARED = False
        content = re.sub(
            rb"<IBAN>[^<]+</IBAN>", f"<IBAN>DE{uuid7().int % 10**20:020d}</IBAN>".encode(), file, count=1
        )
        settling.take_in(northwind, content, AT)
        return content

    def test_cannot_be_read_by_a_file(self, ours):
        stranger = who.create_merchant("Stranger")
        with pytest.raises(importing.BankAccountNotFound):
            settling.take_in(stranger, ours, AT)
        assert not BankStatement.objects.filter(merchant=stranger).exists()

    def test_is_left_out_of_what_is_fetched(self, northwind, ours, monkeypatch):
        monkeypatch.setattr(importing.bank_feed, "statements_of", lambda day: iter([ours]))
        stranger = who.create_merchant("Stranger")
        assert settling.fetch(stranger, AT).statements == []
        assert not BankStatement.objects.filter(merchant=stranger).exists()
        assert [row.is_new for row in settling.fetch(northwind, AT).statements] == [False]
