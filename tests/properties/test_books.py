"""Whatever is posted, the books balance, each balance is the sum of its postings, and a reversal undoes its
entry."""

import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import balances, clock, invariants, journal, locks
from ledger.chart import Code, account
from ledger.journal import EntryDraft, Leg
from ledger.models import JournalEntry
from ledger.money import Money

pytestmark = pytest.mark.django_db

FREE = (Code.BANK, Code.SUSPENSE, Code.COMMISSION, Code.PAYOUT_IN_TRANSIT)


def accounts(merchant: uuid.UUID, currency: str) -> list:
    owners = {Code.BANK: "main"}
    return [account(code, merchant, currency, owners.get(code, "")) for code in FREE]


@st.composite
def drafts(draw, merchant: uuid.UUID):
    """An entry of two to eight legs in one or two currencies that sums to zero in each."""
    legs = []
    for currency in draw(
        st.lists(st.sampled_from(["USD", "JPY", "KWD"]), min_size=1, max_size=2, unique=True)
    ):
        refs = accounts(merchant, currency)
        amounts = draw(st.lists(st.integers(-(10**9), 10**9).filter(bool), min_size=1, max_size=3))
        rest = -sum(amounts)
        for amount in [*amounts, *([rest] if rest else [])]:
            legs.append(Leg(draw(st.sampled_from(refs)), Money(amount, currency), "transfer"))
    return EntryDraft(
        merchant_id=merchant, kind="test", source_type="test", source_id=uuid.uuid4(), step="test",
        occurred_at=clock.now(), legs=legs,
    )  # fmt: skip


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_random_entries_balance_and_reverse(data):
    merchant = uuid.uuid4()
    batch = data.draw(st.lists(drafts(merchant), min_size=1, max_size=6))
    with locks.phase():
        ids = journal.post(batch)
    expected: dict = {}
    for draft in batch:
        for leg in draft.legs:
            expected[leg.account] = expected.get(leg.account, 0) + leg.amount.minor
    assert {found.ref: found.balance.minor for found in balances.balances(merchant)} == expected
    assert not any(balances.trial_balance(merchant).values())
    with locks.phase():
        entries = JournalEntry.objects.filter(pk__in=ids)
        journal.post([journal.reversal(entry, step="reversal", at=clock.now()) for entry in entries])
    assert not any(found.balance.minor for found in balances.balances(merchant))
    assert not list(invariants.entries_balance())
    assert not list(invariants.balances_are_sums())
