"""Accounts and the trial balance as they were at a moment."""

import uuid
from datetime import timedelta

import pytest
from django.urls import reverse

from ledger import clock, locks
from ledger.chart import Code, account
from ledger.journal import EntryDraft, credit, debit
from ledger.models import Account, Posting
from ledger.money import Money
from tests.kit import books as kit

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank():
    """A bank account with 12.34 and then 100.00 more."""
    merchant = uuid.uuid4()
    for minor in (1234, 10000):
        with locks.phase():
            kit.post([_funding(merchant, minor)])
    return Account.objects.get(merchant_id=merchant, code=Code.BANK)


def _funding(merchant: uuid.UUID, minor: int) -> EntryDraft:
    money = Money(minor, "EUR")
    return EntryDraft(
        merchant_id=merchant, kind="funding", source_type="test", source_id=uuid.uuid4(), step="funding",
        occurred_at=clock.now() - timedelta(days=3),
        legs=[
            debit(account(Code.BANK, merchant, "EUR", "main"), money, "funding"),
            credit(account(Code.VENDOR_PENDING, merchant, "EUR", "ada"), money, "sale"),
        ],
    )  # fmt: skip


def page(root, name: str, *args: object, at: str = "") -> str:
    return root.get(reverse(name, args=args), {"at": at} if at else {}).content.decode()


def test_an_account_shows_its_running_balance_also_when_it_keeps_none(root, bank):
    shown = page(root, "admin:ledger_account_change", bank.pk)
    assert "112.34" in shown
    assert "12.34" in shown


def test_an_account_as_it_was_recorded_and_as_it_was_in_effect(root, bank):
    first = Posting.objects.filter(account_id=bank.pk).order_by("recorded_at").first().recorded_at
    before = page(root, "admin:ledger_account_change", bank.pk, at=(first - timedelta(hours=1)).isoformat())
    then = page(root, "admin:ledger_account_change", bank.pk, at=first.isoformat())
    assert "As recorded" in before
    assert "As effective" in before
    facts = before.partition("As recorded")[2].partition("</section>")[0]
    assert "0.00" in facts  # nothing was recorded yet
    assert "112.34" in facts  # but all of it was in effect
    assert "12.34" in then.partition("As recorded")[2].partition("As effective")[0]


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01T00:00", "<script>"])
def test_a_moment_that_is_none_is_said_to_be_none(root, bank, at):
    shown = page(root, "admin:ledger_account_change", bank.pk, at=at)
    assert "Give a date and a time" in shown
    assert "<script>" not in shown.partition('id="as-of"')[2].partition(">")[0]


def test_the_trial_balance_of_a_moment_agrees(root, bank):
    shown = page(root, "admin:trial_balance", at=clock.now().isoformat())
    assert "debits and credits agree" in shown
    assert "DIFFER" not in shown
