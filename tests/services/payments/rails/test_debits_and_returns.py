"""Debits by file, from the order to the bank line: settled, returned before, returned after; both rails."""

from dataclasses import replace

import pytest

from ledger import balances, chart
from ledger.chart import Code
from ledger.models import AuditRecord
from ledger.money import Money
from payments.models import BankFile, BankFileContent, BankWord, Dispute, Payment, ProviderOperation
from payments.models.operations import Kind
from payments.services.bank_files import hearing_banks
from payments.services.routes.routing import NoProvider
from settlements import selectors as settlement_selectors
from tests.kit.books import assert_all_invariants_hold
from tests.kit.rails import RailsBank
from tests.kit.tables import tables_with
from tests.services.payments.cast import sold

pytestmark = pytest.mark.django_db
RAILS = ("ach", "sepa")
FEES = {"ach": 250, "sepa": 300}
CURRENCIES = {"ach": "USD", "sepa": "EUR"}
SHORT_OF_FUNDS = {"ach": "R01", "sepa": "AM04"}
CLOSED = {"ach": "R02", "sepa": "AC04"}
UNAUTHORISED = {"ach": "R10", "sepa": "MD06"}


def fresh(payment: Payment) -> Payment:
    return Payment.objects.get(pk=payment.pk)


def held(merchant, code: Code, rail: str, owner: str = "") -> int:
    return balances.balance(chart.account(code, merchant.pk, CURRENCIES[rail], owner)).minor


@pytest.mark.parametrize("rail", RAILS)
def test_a_debit_waits_for_its_file_and_is_captured_when_the_bank_settles(rail, northwind, ada, rails):
    method = rails.method(northwind, rail)
    payment = rails.pay(method, 10_000, [(ada, 8_000)])
    assert (payment.state, payment.is_processing, payment.provider) == ("created", True, rail)
    assert payment.method_token == method.vault_token

    [file] = rails.hand_over()
    assert (file.state, file.rail, file.entry_count, file.total_minor) == ("handed_over", rail, 1, 10_000)
    assert fresh(payment).state == "created"
    [entry] = rails.entries()
    assert (entry["amount"], entry["direction"], entry["due"]) == (10_000, "debit", str(rails.due(rail)))
    assert rails.hand_over() == []  # once each

    rails.close(rails.due(rail))
    rails.hear()
    assert (fresh(payment).state, fresh(payment).captured_minor) == ("captured", 10_000)
    assert held(northwind, Code.PROVIDER_CLEARING, rail, rail) == 10_000
    imported = rails.reconcile(northwind, rail)
    assert not settlement_selectors.open_breaks(northwind.pk).exists(), imported
    assert held(northwind, Code.PROVIDER_CLEARING, rail, rail) == 0
    assert_all_invariants_hold()


@pytest.mark.parametrize("rail", RAILS)
@pytest.mark.parametrize(
    ("codes", "decline"), [(SHORT_OF_FUNDS, "insufficient_funds"), (CLOSED, "no_such_account")]
)
def test_a_return_before_settlement_fails_the_payment_and_costs_a_fee(
    rail, codes, decline, northwind, ada, rails
):
    payment = rails.pay(rails.method(northwind, rail, codes[rail]), 10_000, [(ada, 8_000)])
    rails.day(rail)
    after = fresh(payment)
    assert (after.state, after.decline_code, after.captured_minor) == ("failed", decline, 0)
    assert codes[rail] in after.decline_message
    assert after.decline_is_hard is (decline == "no_such_account")
    assert held(northwind, Code.PROVIDER_FEES, rail, rail) == FEES[rail]
    assert held(northwind, Code.PROVIDER_CLEARING, rail, rail) == -FEES[rail]
    rails.reconcile(northwind, rail)
    assert not settlement_selectors.open_breaks(northwind.pk).exists()
    assert held(northwind, Code.PROVIDER_CLEARING, rail, rail) == 0
    assert_all_invariants_hold()


@pytest.mark.parametrize("rail", RAILS)
def test_a_return_after_settlement_takes_the_money_back_from_who_had_it(rail, northwind, ada, rails):
    payment = rails.pay(rails.method(northwind, rail, UNAUTHORISED[rail]), 10_000, [(ada, 8_000)])
    rails.day(rail)
    assert fresh(payment).state == "captured"
    vendor = str(ada.pk)
    assert held(northwind, Code.VENDOR_PENDING, rail, vendor) == -7_200  # 10 % commission
    rails.day(rail, 2)

    after = fresh(payment)
    assert (after.state, after.disputed_minor) == ("captured", 10_000)
    dispute = Dispute.objects.get(payment=payment)
    assert (dispute.state, dispute.scheme, dispute.reason_code) == ("lost", rail, UNAUTHORISED[rail])
    assert (dispute.category, dispute.fee_minor) == ("fraudulent", FEES[rail])
    assert held(northwind, Code.VENDOR_PENDING, rail, vendor) == 0
    assert held(northwind, Code.PROVIDER_FEES, rail, rail) == FEES[rail]
    for days in (1, 2):
        rails.reconcile(northwind, rail, days)
    assert not settlement_selectors.open_breaks(northwind.pk).exists()
    assert held(northwind, Code.PROVIDER_CLEARING, rail, rail) == 0
    assert_all_invariants_hold()


@pytest.mark.parametrize("rail", RAILS)
def test_a_return_of_what_was_refunded_in_part_is_borne_by_the_merchant(rail, northwind, rails):
    payment = rails.pay(rails.method(northwind, rail), 10_000)
    rails.day(rail)
    rails.refund(payment, 4_000)
    rails.day(rail, 2)
    assert fresh(payment).refunded_minor == 4_000
    rails.send_back(payment, UNAUTHORISED[rail])
    rails.day(rail, 3)
    after = fresh(payment)
    assert (after.refunded_minor, after.disputed_minor) == (4_000, 6_000)
    for days in (1, 2, 3):
        rails.reconcile(northwind, rail, days)
    assert not settlement_selectors.open_breaks(northwind.pk).exists()
    assert_all_invariants_hold()


@pytest.mark.parametrize("rail", RAILS)
def test_files_are_heard_once(rail, northwind, rails):
    payment = rails.pay(rails.method(northwind, rail, UNAUTHORISED[rail]), 10_000)
    rails.day(rail)
    rails.day(rail, 2)
    words = BankWord.objects.count()
    assert rails.hear() == 0
    assert BankWord.objects.count() == words
    # The same return stands in two files (the return file, the notification): its effect is one.
    assert ProviderOperation.objects.filter(payment=payment, kind=Kind.WITHDRAWAL).count() == 1


def test_one_day_of_both_rails_with_several_entries(northwind, ada, rails):
    good = [rails.pay(rails.method(northwind, rail), 1_000 + n) for rail in RAILS for n in range(3)]
    bad = [rails.pay(rails.method(northwind, rail, SHORT_OF_FUNDS[rail]), 500) for rail in RAILS]
    files = rails.hand_over()
    assert [(file.rail, file.entry_count) for file in files] == [("ach", 4), ("sepa", 4)]
    for rail in RAILS:
        rails.close(rails.due(rail))
    rails.hear()
    assert {fresh(one).state for one in good} == {"captured"}
    assert {fresh(one).state for one in bad} == {"failed"}
    assert_all_invariants_hold()


def test_a_capture_by_the_merchant_is_a_debit_of_its_own(northwind, rails):
    payment = rails.pay(rails.method(northwind, "sepa"), 10_000, capture_method="manual")
    assert (payment.state, payment.authorized_minor) == ("authorized", 10_000)
    assert rails.hand_over() == []
    rails.capture(payment, 6_000)
    rails.capture(payment, 4_000)
    rails.day("sepa")
    assert (fresh(payment).state, fresh(payment).captured_minor) == ("captured", 10_000)
    assert_all_invariants_hold()


def test_a_capture_that_comes_back_leaves_the_authorization(northwind, rails):
    payment = rails.pay(rails.method(northwind, "ach", "R01"), 10_000, capture_method="manual")
    rails.capture(payment, 6_000)
    rails.day("ach")
    after = fresh(payment)
    assert (after.state, after.captured_minor, after.capturing_minor) == ("authorized", 0, 0)
    assert after.decline_code == "insufficient_funds"


def test_what_no_file_can_hold_is_declined_at_once(northwind, rails):
    wanted = replace(rails.wish(rails.method(northwind, "ach"), 1_000), amount=Money(1_000, "EUR"))
    with pytest.raises(NoProvider, match="does not take EUR"):
        sold(northwind, wanted)
    by_hand = replace(wanted, amount=Money(1_000, "USD"), method_id=None, method_type="ach", method_token="x")
    payment = sold(northwind, by_hand)
    assert (payment.state, payment.decline_code) == ("failed", "no_such_account")


def test_an_account_that_was_removed_is_left_out_of_the_file(northwind, rails):
    gone, good = rails.method(northwind, "ach"), rails.method(northwind, "ach")
    lost, kept = rails.pay(gone, 1_000), rails.pay(good, 2_000)
    rails.remove(gone)
    rails.hand_over()
    assert (fresh(lost).state, fresh(lost).decline_code) == ("failed", "no_such_account")
    assert [entry["amount"] for entry in rails.entries()] == [2_000]
    rails.day("ach")
    assert fresh(kept).state == "captured"
    assert_all_invariants_hold()


def test_a_file_of_nothing_but_removed_accounts_is_not_handed_over(northwind, rails):
    gone = rails.method(northwind, "sepa")
    lost = rails.pay(gone, 1_000)
    rails.remove(gone)
    [file] = rails.hand_over()
    assert (file.state, fresh(lost).state) == ("refused", "failed")
    assert rails.entries() == []
    assert_all_invariants_hold()


def test_a_file_that_the_bank_refuses_ends_its_operations(northwind, rails):
    payment = rails.pay(rails.method(northwind, "ach"), 1_000)
    refused = AuditRecord.objects.filter(action="bank_file.refused")
    before = refused.count()
    rails.script("400")
    [file] = rails.hand_over()
    assert rails.hits("400") == 1
    assert (file.state, fresh(payment).state) == ("refused", "failed")
    assert refused.count() == before + 1
    assert_all_invariants_hold()


@pytest.mark.parametrize("fault", ["500_before", "500_after", "reset_after", "429", "timeout_before"])
def test_a_file_whose_answer_is_lost_is_handed_over_again_as_the_same(fault, northwind, rails):
    payment = rails.pay(rails.method(northwind, "sepa"), 1_000)
    rails.script(fault)
    [file] = rails.hand_over()
    assert (file.state, rails.hits(fault)) == ("gathered", 1)
    assert fresh(payment).state == "created"
    rails.work(later_seconds=400)
    assert BankFile.objects.get(pk=file.pk).state == "handed_over"
    assert len(rails.entries()) == 1
    assert not BankFileContent.objects.filter(file=file, erased_at=None).exists()


def test_a_word_about_nobody_calls_a_person(northwind, rails):
    unknown = AuditRecord.objects.filter(action="bank_word.unknown")
    before, words = unknown.count(), list(BankWord.objects.values_list("pk", flat=True))
    rails.pay(rails.method(northwind, "ach"), 1_000)
    rails.hand_over()
    BankFile.objects.get(merchant=northwind).entries.update(end_to_end="0" * 32 + "S", trace="1" * 15)
    rails.close(rails.due("ach"))
    rails.hear()
    assert BankWord.objects.exclude(pk__in=words).get().verdict == hearing_banks.UNKNOWN
    assert unknown.count() == before + 1


def test_no_account_number_is_outside_of_the_vault(northwind, rails, own_network, caplog):
    method = rails.method(northwind, "ach", "R10")
    rails.pay(method, 1_000)
    rails.day("ach")
    rails.day("ach", 2)
    number = RailsBank.secret(method)
    assert number
    assert number not in caplog.text
    assert not tables_with(number)
