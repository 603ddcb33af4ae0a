"""kill -9 at every crash point between a debit and its bank line: each entry reaches the bank once, and what
the bank says is booked once."""

from pathlib import Path

import pytest

from ledger.crashpoints import registry as points
from ledger.models import JournalEntry
from payments.models import (
    BankFile,
    BankFileContent,
    BankFileEntry,
    Payment,
    PaymentMethod,
    ProviderOperation,
)
from payments.providers import registry
from tests.kit.books import assert_all_invariants_hold
from tests.kit.killed import killed_at

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]

HANDING = sorted(point for point in points if point.startswith("bank_file."))
HEARING = sorted(point for point in points if point.startswith(("bank_notice.", "bank_word.")))
LEASE_SECONDS = 200  # a job of the dead is taken over after 90 s


@pytest.fixture
def killed(tmp_path: Path):
    def run(point: str, step) -> None:
        def alone() -> None:
            registry.reset()  # connections to the bank are the parent's
            step()

        killed_at(point, tmp_path, alone)

    return run


@pytest.fixture(autouse=True)
def vault_left_as_it_was(northwind, rails):
    """Rows outlive these tests: a record that could still be opened would be in the way of the vault's."""
    yield
    for method in PaymentMethod.objects.filter(merchant=northwind):
        rails.remove(method)


def entries_of(payment: Payment, rails) -> list:
    mine = BankFileEntry.objects.get(operation__payment=payment)
    return [entry for entry in rails.entries() if entry["end_to_end"] == mine.end_to_end]


def test_the_sweep_knows_every_point():
    assert len(HANDING) == 6
    assert HEARING == ["bank_notice.after_keep", "bank_word.after_effect"]


@pytest.mark.parametrize("rail", ["ach", "sepa"])
@pytest.mark.parametrize("point", HANDING)
def test_a_file_is_handed_over_once_wherever_its_job_dies(point, rail, northwind, rails, killed):
    payment = rails.pay(rails.method(northwind, rail), 1_000)
    killed(point, rails.hand_over)
    rails.hand_over()
    rails.work(later_seconds=LEASE_SECONDS)
    assert len(entries_of(payment, rails)) == 1
    file = BankFile.objects.get(merchant=northwind)
    assert file.state == "handed_over"
    assert not BankFileContent.objects.filter(file=file, erased_at=None).exists()
    rails.close(rails.due(rail))
    rails.hear()
    after = Payment.objects.get(pk=payment.pk)
    assert (after.state, after.captured_minor) == ("captured", 1_000)
    assert_all_invariants_hold()


@pytest.mark.parametrize("point", HEARING)
@pytest.mark.parametrize("code", ["", "R01", "R10"])
def test_a_banks_word_is_booked_once_wherever_its_hearer_dies(point, code, northwind, rails, killed):
    payment = rails.pay(rails.method(northwind, "ach", code), 1_000)
    rails.hand_over()
    for days in (1, 2) if code == "R10" else (1,):
        rails.close(rails.due("ach", days))
        if days == 1:
            killed(point, rails.hear)
        rails.hear()
    after = Payment.objects.get(pk=payment.pk)
    wanted = {"": ("captured", 1_000, 0), "R01": ("failed", 0, 0), "R10": ("captured", 1_000, 1_000)}
    assert (after.state, after.captured_minor, after.disputed_minor) == wanted[code]
    told = ProviderOperation.objects.filter(payment=payment, kind__in=["withdrawal", "return_fee"])
    assert told.count() == (1 if code else 0)
    assert JournalEntry.objects.filter(source_id=payment.pk).count() == (0 if code == "R01" else 1)
    assert_all_invariants_hold()


def test_a_return_of_money_that_had_come_is_booked_once(northwind, rails, killed):
    payment = rails.pay(rails.method(northwind, "sepa", "MD06"), 1_000)
    rails.day("sepa")
    rails.close(rails.due("sepa", 2))
    killed("bank_word.after_effect", rails.hear)
    assert Payment.objects.get(pk=payment.pk).disputed_minor == 1_000
    rails.hear()
    assert ProviderOperation.objects.filter(payment=payment, kind="withdrawal").count() == 1
    assert_all_invariants_hold()


@pytest.mark.parametrize("point", HEARING)
def test_a_credit_that_comes_back_is_booked_once(point, northwind, rails, killed):
    payment = rails.pay(rails.method(northwind, "sepa"), 1_000)
    rails.day("sepa")
    refund = rails.refund(payment, 400)
    rails.day("sepa", 2)
    credit = BankFileEntry.objects.get(operation__subject_id=refund.pk)
    body = {"end_to_end": credit.end_to_end, "code": "AC04", "kept": 150}
    rails.network.client.post("/rails/sim/returns", json=body).raise_for_status()
    rails.close(rails.due("sepa", 3))
    killed(point, rails.hear)
    rails.hear()
    refund.refresh_from_db()
    assert (refund.state, Payment.objects.get(pk=payment.pk).refunded_minor) == ("failed", 0)
    steps = JournalEntry.objects.filter(source_id=refund.pk).order_by("id").values_list("step", flat=True)
    assert list(steps) == ["refund", "refund_returned"]
    told = ProviderOperation.objects.filter(payment=payment, kind__in=["refund_returned", "return_fee"])
    assert sorted(told.values_list("kind", "fee_minor")) == [("refund_returned", 0), ("return_fee", 450)]
    assert_all_invariants_hold()
