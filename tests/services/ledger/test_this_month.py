"""The law looks for a posting's entry in this month first: no other month is locked, no other is trusted."""

import uuid
from datetime import UTC, datetime

import pytest
from django.db import connection

from ledger import chart, clock, journal, locks
from ledger.chart import Code, account
from ledger.journal import EntryDraft, credit, debit
from ledger.money import Money
from tests.kit import books
from tests.kit.attacks import fetch
from tests.kit.owner import OWNERS

pytestmark = pytest.mark.django_db(databases=OWNERS)
# A statement's plan for all parameters is made with its sixth execution in a session.
EXECUTIONS = 8
SHOWN = """
    SELECT DISTINCT d.refobjid::regclass::text FROM pg_rewrite r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                    AND d.refclassid = 'pg_class'::regclass
    WHERE r.ev_class = 'ledger_entry_this_month'::regclass AND d.refobjid <> r.ev_class"""
LOCKED = """
    SELECT DISTINCT relation::regclass::text FROM pg_locks
    WHERE pid = pg_backend_pid() AND relation::regclass::text ~ '^ledger_entry_(\\d{4}_\\d{2}|other)$'"""


def draft(merchant: uuid.UUID, **given: object) -> EntryDraft:
    money = Money(500, "USD")
    sides = account(Code.BANK, merchant, "USD", "main"), account(Code.VENDOR_PENDING, merchant, "USD", "ada")
    return EntryDraft(
        merchant, "funding", "test", uuid.uuid4(), "funding", clock.now(),
        [debit(sides[0], money, "funding"), credit(sides[1], money, "sale")], **given,
    )  # fmt: skip


def month_of(moment: datetime) -> str:
    return f"ledger_entry_{moment:%Y_%m}"


def show(table: str) -> None:
    """Point the view at another table, as an older month's end leaves it."""
    statement = (
        "CREATE OR REPLACE VIEW ledger_entry_this_month AS SELECT e.id, e.merchant_id, e.xid FROM {0} e"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.format(table))


def test_a_posting_locks_no_month_but_its_own():
    merchant = uuid.uuid4()
    for _ in range(EXECUTIONS):
        with locks.phase():
            chart.ids_of([leg.account for leg in draft(merchant).legs])
            books.post([draft(merchant)])
            found = fetch(LOCKED)
    assert found == [(month_of(datetime.now(UTC)),)]


@pytest.mark.usefixtures("as_owner")
def test_the_daily_job_points_the_view_at_the_month_that_is_now():
    month = month_of(datetime.now(UTC))
    assert fetch(SHOWN) == [(month,)]
    show("ledger_entry_other")
    assert fetch(SHOWN) == [("ledger_entry_other",)]
    fetch("SELECT ledger_make_partitions(3)")
    assert fetch(SHOWN) == [(month,)]


@pytest.mark.usefixtures("as_owner")
@pytest.mark.parametrize("way", ["one", "many"])
def test_an_entry_that_the_view_does_not_show_is_found_all_the_same(way):
    """At a month's turn, until the job has run; and an id of another month, always."""
    merchant = uuid.uuid4()
    show("ledger_entry_other")
    drafts = [draft(merchant) for _ in range(1 if way == "one" else 3)]
    with locks.phase():
        written = journal.post(drafts)
    assert written == [one.id for one in drafts]
    held = fetch("SELECT count(*) FROM ledger_posting WHERE merchant_id = %s", merchant)
    assert held == [(2 * len(drafts),)]
