"""Whatever was posted, and whenever checkpoints were cut, a balance of the past is the sum of the postings
of then."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import balances, clock, locks, past_balances
from ledger.chart import Code, account
from ledger.journal import EntryDraft, credit, debit
from ledger.models import Account, Posting
from ledger.money import Money
from ledger.past_balances import Basis
from tests.kit import books as kit

pytestmark = pytest.mark.django_db(transaction=True)

START = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)


def entry(merchant: uuid.UUID, amount: int, occurred_at: datetime) -> EntryDraft:
    money = Money(amount, "USD")
    return EntryDraft(
        merchant_id=merchant, kind="funding", source_type="test", source_id=uuid.uuid4(), step="funding",
        occurred_at=occurred_at,
        legs=[
            debit(account(Code.BANK, merchant, "USD", "main"), money, "funding"),
            credit(account(Code.VENDOR_PENDING, merchant, "USD", "ada"), money, "sale"),
        ],
    )  # fmt: skip


# Long before it is recorded, around a month's end among others; or about when it is, sooner or later.
occurrences = st.one_of(
    st.integers(-3000, 3000).map(lambda minutes: lambda: START + timedelta(minutes=minutes)),
    st.integers(-900, 900).map(lambda early: lambda: clock.now() - timedelta(milliseconds=early)),
)
steps = st.lists(
    st.one_of(
        st.lists(st.tuples(st.integers(1, 10**6), occurrences), min_size=1, max_size=4),
        st.just("settle"),
        st.just("roll"),
    ),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=steps)
def test_every_past_balance_is_the_sum_of_its_postings(steps, every_posting_is_checkpointed):
    merchant = uuid.uuid4()
    for step in steps:
        if step == "settle":
            every_posting_is_checkpointed()
        elif step == "roll":
            balances.roll()
        else:
            with locks.phase():
                kit.post([entry(merchant, amount, when()) for amount, when in step])
    for row in Account.objects.filter(merchant_id=merchant):
        lines = list(
            Posting.objects.filter(account_id=row.pk)
            .select_related("entry")
            .order_by("recorded_at", "entry_id", "line")
        )
        for moment in sorted({line.recorded_at for line in lines} | {clock.now()}):
            said = sum(line.amount for line in lines if line.recorded_at <= moment)
            assert past_balances.balance_at(row, moment).minor == said
        for moment in sorted({line.entry.occurred_at for line in lines}):
            for at in (moment, moment - timedelta(microseconds=1)):
                said = sum(line.amount for line in lines if line.entry.occurred_at <= at)
                assert past_balances.balance_at(row, at, Basis.EFFECTIVE).minor == said
        told = past_balances.statement(row, datetime(2020, 1, 1, tzinfo=UTC), clock.now() + timedelta(days=1))
        running = 0
        for line, shown in zip(lines, told.lines, strict=True):
            running += line.amount
            assert shown.balance.minor == running
            assert line.balance_after in (None, running)


@pytest.fixture(scope="module")
def every_posting_is_checkpointed():
    """Settle twice (a mark is settled by the run after the one that set it), with a checkpoint each time."""

    def settle() -> None:
        for _ in range(2):
            with connection.cursor() as cursor:
                cursor.execute("SELECT ledger_settle_balances(1, 2)")

    return settle
