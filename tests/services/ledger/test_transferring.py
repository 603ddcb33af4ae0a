"""Transfers between accounts: who may pay whom by which type, what it posts, and what is refused by name."""

import uuid
from datetime import timedelta

import pytest

from ledger import clock
from ledger.accounts import opening
from ledger.chart import Code
from ledger.ids import uuid7
from ledger.journal import AccountClosed
from ledger.locks import phase
from ledger.models import Account, AuditRecord, Event, JournalEntry, Posting, Transfer
from ledger.models.accounts import AccountNotFound
from ledger.models.transfers import NotRefundable, TransferNotFound
from ledger.money import CurrencyMismatch, Money
from ledger.transfers import movements
from ledger.transfers.kinds import HouseOnly, TransferType, WrongAccounts
from ledger.transfers.movements import (
    InsufficientFunds,
    LimitPassed,
    SameAccount,
    VersionMismatch,
    VersionNotKept,
)
from ledger.transfers.transferring import BadInterest, BadRefund
from tests.kit.books import assert_all_invariants_hold
from tests.kit.queries import statement_budget
from tests.kit.wallets import KEY, Purses, of_code

pytestmark = pytest.mark.django_db
TYPE = TransferType


@pytest.fixture
def purses() -> Purses:
    return Purses()


@pytest.fixture
def carla(purses: Purses) -> Account:
    return purses.wallet("carla", 10_000)


@pytest.fixture
def dora(purses: Purses) -> Account:
    return purses.wallet("dora")


class TestTransfer:
    def test_moves_money_with_one_entry_and_one_event(self, purses, carla, dora):
        moved = purses.move(carla, dora, 2_500)
        assert (moved.state, moved.amount) == ("completed", Money(2_500, "USD"))
        assert purses.figures(carla) == (7_500, 0, 7_500)
        assert purses.figures(dora) == (2_500, 0, 2_500)
        event = Event.objects.get(subject_id=moved.pk)
        assert (event.type, event.payload["from_account"]) == ("transfer.completed", carla.public_id)
        entry = JournalEntry.objects.get(pk=event.entry_id)
        assert (entry.kind, entry.source_type, entry.source_id) == ("transfer", "transfer", moved.pk)
        lines = Posting.objects.filter(entry=entry).order_by("line").values_list("account_id", "amount")
        assert list(lines) == [(carla.pk, 2_500), (dora.pk, -2_500)]

    def test_run_again_under_its_id_moves_nothing_more(self, purses, carla, dora):
        key = uuid7()
        assert purses.move(carla, dora, 100, transfer_id=key) == purses.move(
            carla, dora, 100, transfer_id=key
        )
        assert purses.figures(dora) == (100, 0, 100)

    def test_takes_five_statements(self, purses, carla, dora):
        purses.move(carla, dora, 1)
        with statement_budget(exactly=5):
            # it is not there yet; two accounts; their locks; the rules; the row with its event and posting
            purses.move(carla, dora, 1)

    def test_takes_all_that_is_there_and_not_a_cent_more(self, purses, carla, dora):
        purses.move(carla, dora, 10_000)
        with pytest.raises(InsufficientFunds) as refused:
            purses.move(carla, dora, 1)
        assert (refused.value.param, refused.value.facts["available"]) == ("amount", 0)

    def test_keeps_a_refusal_for_want_of_money_in_the_audit_log(self, purses, carla, dora):
        with pytest.raises(InsufficientFunds):
            purses.move(carla, dora, 10_001)
        assert not Transfer.objects.filter(merchant_id=purses.merchant_id).exists()
        kept = AuditRecord.objects.get(merchant_id=purses.merchant_id, action="transfer.refused")
        assert (kept.outcome, kept.object_id) == ("refused", carla.public_id)
        assert kept.after == {
            "type": "transfer", "code": "insufficient_funds", "amount": {"amount": 10_001, "currency": "USD"},
        }  # fmt: skip

    def test_refuses_one_account_twice(self, purses, carla):
        with pytest.raises(SameAccount) as refused:
            purses.move(carla, carla, 1)
        assert refused.value.param == "to_account"

    def test_refuses_another_currency(self, purses, carla):
        erika = Purses(purses.merchant_id, "EUR").wallet("erika")
        with pytest.raises(CurrencyMismatch) as refused:
            purses.move(carla, erika, 1)
        assert refused.value.param == "to_account"

    @pytest.mark.parametrize("param", ["from_account", "to_account"])
    def test_refuses_an_account_of_another_merchant_like_none(self, purses, carla, param):
        theirs = Purses().wallet("eve", 100)
        ends = (theirs, carla) if param == "from_account" else (carla, theirs)
        with pytest.raises(AccountNotFound) as refused:
            purses.move(*ends, 1)
        assert refused.value.param == param

    @pytest.mark.parametrize("param", ["from_account", "to_account"])
    def test_refuses_a_closed_account(self, purses, carla, dora, param):
        shut = purses.wallet("shut")
        purses.close(shut)
        ends = (shut, carla) if param == "from_account" else (carla, shut)
        with pytest.raises(AccountClosed) as refused:
            purses.move(*ends, 1)
        assert refused.value.param == param

    def test_goes_on_only_at_the_version_that_the_caller_read(self, purses, carla, dora):
        carla.refresh_from_db()
        purses.move(carla, dora, 1, expected_version=carla.version)
        with pytest.raises(VersionMismatch) as refused:
            purses.move(carla, dora, 1, expected_version=carla.version)
        assert refused.value.facts["version"] == carla.version + 1
        assert purses.figures(dora) == (1, 0, 1)

    def test_a_hold_is_a_change_of_version_too(self, purses, carla, dora):
        carla.refresh_from_db()
        purses.hold(carla, dora, 1)
        with pytest.raises(VersionMismatch):
            purses.move(carla, dora, 1, expected_version=carla.version)

    def test_a_database_without_the_check_in_python_refuses_too(self, purses, carla, dora, monkeypatch):
        monkeypatch.setattr(movements, "check", lambda *a, **k: None)
        with pytest.raises(Exception, match="overdrawn"):
            purses.move(carla, dora, 10_001)
        assert purses.figures(carla) == (10_000, 0, 10_000)


class TestTypes:
    """Each payment type by hand-computed figures; every one sums to zero and leaves the invariants whole."""

    def test_a_payment_goes_to_the_merchant_and_its_refund_comes_back(self, purses, carla):
        shop = purses.open(code=Code.MERCHANT_BALANCE)
        paid = purses.move(carla, shop, 4_000, TYPE.PAYMENT)
        back = purses.move(shop, carla, 1_500, TYPE.REFUND, refunds=paid.pk)
        assert (back.refunds_id, purses.figures(carla)[0], purses.figures(shop)[0]) == (paid.pk, 7_500, 2_500)
        paid.refresh_from_db()
        assert paid.refunded_minor == 1_500
        assert_all_invariants_hold()

    def test_refunds_never_exceed_their_payment(self, purses, carla):
        shop = purses.open(code=Code.MERCHANT_BALANCE)
        purses.fund(shop, 50_000)
        paid = purses.move(carla, shop, 4_000, TYPE.PAYMENT)
        purses.move(shop, carla, 3_999, TYPE.REFUND, refunds=paid.pk)
        with pytest.raises(NotRefundable):
            purses.move(shop, carla, 2, TYPE.REFUND, refunds=paid.pk)
        purses.move(shop, carla, 1, TYPE.REFUND, refunds=paid.pk)
        assert purses.figures(carla)[0] == 10_000

    def test_a_refund_names_a_payment_of_the_opposite_direction(self, purses, carla, dora):
        shop = purses.open(code=Code.MERCHANT_BALANCE)
        purses.fund(shop, 50_000)
        paid = purses.move(carla, shop, 4_000, TYPE.PAYMENT)
        given = purses.move(shop, carla, 1_000, TYPE.TRANSFER)
        with pytest.raises(BadRefund):
            purses.move(shop, dora, 1, TYPE.REFUND, refunds=paid.pk)
        with pytest.raises(BadRefund):
            purses.move(shop, carla, 1, TYPE.REFUND, refunds=given.pk)
        with pytest.raises(BadRefund):
            purses.move(shop, carla, 1, TYPE.REFUND)
        with pytest.raises(BadRefund):
            purses.move(shop, carla, 1, TYPE.TRANSFER, refunds=paid.pk)
        with pytest.raises(TransferNotFound):
            purses.move(shop, carla, 1, TYPE.REFUND, refunds=uuid.uuid4())

    def test_a_fee_is_the_platforms_income(self, purses, carla):
        fees = purses.open(code=Code.PLATFORM_FEE)
        purses.move(carla, fees, 30, TYPE.FEE)
        assert (purses.figures(fees), purses.figures(carla)[0]) == ((30, 0, None), 9_970)

    def test_interest_is_charged_to_income_and_paid_out_of_the_merchants_own(self, purses, carla):
        income, shop = purses.open(code=Code.INTEREST_INCOME), purses.open(code=Code.MERCHANT_BALANCE)
        purses.fund(shop, 100)
        purses.move(carla, income, 12, TYPE.INTEREST)
        purses.move(shop, carla, 7, TYPE.INTEREST)
        assert [purses.figures(row)[0] for row in (income, shop, carla)] == [12, 93, 9_995]

    def test_only_the_house_pays_interest_out_of_its_expense(self, purses, carla):
        from ledger.actors import SYSTEM

        expense = purses.open(code=Code.INTEREST_EXPENSE)
        with pytest.raises(HouseOnly):
            purses.move(expense, carla, 5, TYPE.INTEREST)
        purses.move(expense, carla, 5, TYPE.INTEREST, actor=SYSTEM)
        assert (purses.figures(expense), purses.figures(carla)[0]) == ((5, 0, None), 10_005)
        with pytest.raises(VersionNotKept):
            purses.move(expense, carla, 5, TYPE.INTEREST, actor=SYSTEM, expected_version=1)

    def test_a_loan_is_lent_out_of_what_was_set_aside_and_repaid_in_parts(self, purses, carla):
        shop, pool = purses.open(code=Code.MERCHANT_BALANCE), purses.open(code=Code.LOAN_FUNDING)
        loan = purses.open("loan-1", Code.LOAN_RECEIVABLE)
        purses.fund(shop, 8_000)
        purses.move(shop, pool, 6_000)
        purses.move(loan, carla, 5_000, TYPE.LOAN_DISBURSEMENT)
        # The borrower has 50.00 more and owes it; of the 60.00 set aside 10.00 are left.
        assert [purses.figures(row)[0] for row in (carla, loan, pool)] == [15_000, 5_000, 1_000]
        assert of_code(purses, Code.LOAN_CAPITAL) == 5_000
        purses.move(carla, loan, 2_100, TYPE.LOAN_PAYMENT, interest=100)
        # 20.00 of principal are back in the pool, 1.00 of interest is earned.
        assert [purses.figures(row)[0] for row in (carla, loan, pool)] == [12_900, 3_000, 3_000]
        assert (of_code(purses, Code.LOAN_CAPITAL), of_code(purses, Code.INTEREST_INCOME)) == (3_000, 100)
        purses.move(carla, loan, 50, TYPE.LOAN_PAYMENT, interest=50)
        purses.move(carla, loan, 3_000, TYPE.LOAN_PAYMENT)
        assert [purses.figures(row)[0] for row in (carla, loan, pool)] == [9_850, 0, 6_000]
        assert of_code(purses, Code.LOAN_CAPITAL) == 0
        assert_all_invariants_hold()

    def test_nobody_lends_what_was_not_set_aside(self, purses, carla):
        loan = purses.open("loan-1", Code.LOAN_RECEIVABLE)
        with pytest.raises(InsufficientFunds):
            purses.move(loan, carla, 1, TYPE.LOAN_DISBURSEMENT)

    def test_a_loan_is_not_repaid_beyond_what_is_owed(self, purses, carla):
        shop, pool = purses.open(code=Code.MERCHANT_BALANCE), purses.open(code=Code.LOAN_FUNDING)
        loan = purses.open("loan-1", Code.LOAN_RECEIVABLE)
        purses.fund(shop, 100)
        purses.move(shop, pool, 100)
        purses.move(loan, carla, 100, TYPE.LOAN_DISBURSEMENT)
        with pytest.raises(LimitPassed):
            purses.move(carla, loan, 101, TYPE.LOAN_PAYMENT)

    @pytest.mark.parametrize(
        ("kind", "interest"), [(TYPE.TRANSFER, 0), (TYPE.PAYMENT, 1), (TYPE.LOAN_PAYMENT, 11)]
    )
    def test_interest_is_a_part_of_a_loan_payment_only(self, purses, carla, dora, kind, interest):
        with pytest.raises(BadInterest):
            purses.move(carla, dora, 10, kind, interest=interest)

    @pytest.mark.parametrize(
        ("kind", "source", "target", "param"),
        [
            (TYPE.PAYMENT, Code.MERCHANT_BALANCE, Code.WALLET, "from_account"),
            (TYPE.TRANSFER, Code.WALLET, Code.PLATFORM_FEE, "to_account"),
            (TYPE.FEE, Code.PLATFORM_FEE, Code.WALLET, "from_account"),
            (TYPE.LOAN_DISBURSEMENT, Code.WALLET, Code.LOAN_RECEIVABLE, "from_account"),
            (TYPE.LOAN_PAYMENT, Code.WALLET, Code.LOAN_FUNDING, "to_account"),
            (TYPE.TRANSFER, Code.INTEREST_EXPENSE, Code.WALLET, "from_account"),
        ],
    )  # fmt: skip
    def test_a_type_joins_certain_accounts_only(self, purses, kind, source, target, param):
        holders = {Code.WALLET: "w", Code.LOAN_RECEIVABLE: "l"}
        ends = [purses.open(holders.get(code, ""), code) for code in (source, target)]
        with pytest.raises(WrongAccounts) as refused:
            purses.move(*ends, 1, kind)
        assert refused.value.param == param


class TestOpening:
    def test_opens_once_per_holder_and_currency(self, purses):
        row = purses.open("carla")
        with pytest.raises(opening.AccountExists):
            Purses(purses.merchant_id).open("carla")
        again = opening.open_account(
            merchant_id=purses.merchant_id, account_id=row.public_uuid, code=Code.WALLET, holder="carla",
            currency="USD", actor=KEY, at=clock.now(),
        )  # fmt: skip
        assert again == row
        assert AuditRecord.objects.filter(object_id=row.public_id, action="account.opened").count() == 1

    @pytest.mark.parametrize(
        ("code", "holder"),
        [(Code.BANK, "main"), (Code.VENDOR_AVAILABLE, "ada"), (Code.WALLET, ""), (Code.PLATFORM_FEE, "x")],
    )
    def test_opens_what_the_chart_lets_merchants_open(self, purses, code, holder):
        with pytest.raises(opening.NotYoursToOpen):
            purses.open(holder, code)

    def test_the_public_id_is_kept_by_the_database(self, carla):
        from django.db import DatabaseError, transaction

        with (
            pytest.raises(DatabaseError, match=r"keeps its public id|permission denied"),
            transaction.atomic(),
        ):
            Account.objects.filter(pk=carla.pk).update(public_uuid=uuid7())

    def test_ids_made_by_the_database_are_ordered_in_time_and_of_version_7(self, purses):
        before = uuid7()
        purses.fund(purses.open("carla"), 1)  # the bank's account opens by itself
        bank = Account.objects.get(merchant_id=purses.merchant_id, code="suspense")
        assert (bank.public_uuid.version, bank.public_uuid.variant) == (7, uuid.RFC_4122)
        assert before.int >> 80 <= bank.public_uuid.int >> 80 <= uuid7().int >> 80


class TestClosing:
    def test_closes_an_empty_account_and_opens_it_again(self, purses, dora):
        assert purses.close(dora).closed_at is not None
        with pytest.raises(AccountClosed):
            purses.close(dora)
        assert purses.reopen(dora).closed_at is None
        with pytest.raises(opening.AccountNotClosed):
            purses.reopen(dora)
        acts = AuditRecord.objects.filter(object_id=dora.public_id).order_by("id")
        assert list(acts.values_list("action", "reason")) == [
            ("account.opened", ""), ("account.closed", "left"), ("account.reopened", "is back"),
        ]  # fmt: skip

    def test_keeps_an_account_with_money_on_it(self, purses, carla):
        with pytest.raises(opening.AccountNotEmpty):
            purses.close(carla)

    def test_keeps_the_merchants_own_accounts(self, purses):
        with pytest.raises(opening.AccountNotClosable):
            purses.close(purses.open(code=Code.MERCHANT_BALANCE))

    def test_of_another_merchant_is_not_found(self, carla):
        with pytest.raises(AccountNotFound):
            Purses().close(carla)


def test_no_hour_of_the_clock_moves_money():
    """A day's patterns are counted by the service's `at`, not by the machine's clock."""
    purses = Purses()
    carla, dora = purses.wallet("carla", 100), purses.wallet("dora")
    past = clock.now() - timedelta(days=400)
    moved = purses.move(carla, dora, 1, at=past)
    assert (moved.created_at, moved.closed_at) == (past, past)
    with phase():
        assert JournalEntry.objects.get(source_id=moved.pk).occurred_at == past
