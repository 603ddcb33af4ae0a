"""Run by `test_shards.py` in a database whose books lie in hash partitions; not collected by itself."""

import uuid

import pytest
from django.db import connection

from config import shards
from ledger import balances, bulk, chart, clock
from ledger.chart import Code, account
from ledger.ids import uuid7
from ledger.journal import EntryDraft, credit, debit
from ledger.locks import phase
from ledger.money import Money
from tests.kit import books
from tests.services.ledger.test_shards import PARTITIONS

pytestmark = pytest.mark.django_db
MERCHANTS = 40


def sale(merchant: uuid.UUID, minor: int = 500) -> EntryDraft:
    money = Money(minor, "USD")
    return EntryDraft(
        merchant_id=merchant, kind="sale", source_type="test", source_id=uuid7(), step="sale",
        occurred_at=clock.now(),
        legs=[
            debit(account(Code.PROVIDER_CLEARING, merchant, "USD", "velocitypay"), money, "clearing"),
            credit(account(Code.VENDOR_PENDING, merchant, "USD", "ada"), money, "sale"),
        ],
    )  # fmt: skip


def rows(query: str, *parameters: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def test_each_table_of_the_books_lies_in_as_many_hash_partitions():
    found = rows(
        """SELECT p.partrelid::regclass::text, p.partstrat, count(*) FROM pg_partitioned_table p
           JOIN pg_inherits i ON i.inhparent = p.partrelid GROUP BY 1, 2"""
    )
    spread = {name for name, strategy, count in found if strategy == "h" and count == int(PARTITIONS)}
    assert set(shards.BOOKS) <= spread


def test_all_rows_of_a_merchant_lie_beside_each_other():
    """The same remainder in each table: an engine that keeps them on one server joins them there."""
    merchants = [uuid.uuid4() for _ in range(MERCHANTS)]
    with phase():
        books.post([sale(merchant) for merchant in merchants])
    places = {
        name: dict(
            rows(
                f"""SELECT merchant_id, substring(tableoid::regclass::text FROM '\\d+$')
                    FROM {name} WHERE merchant_id = ANY (%s)""",
                merchants,
            )
        )
        for name in shards.BOOKS
    }
    assert len(set(places["ledger_account"].values())) > MERCHANTS / 4
    assert all(place == places["ledger_account"] for place in places.values())


def test_a_merchants_balance_is_read_from_its_partition_alone():
    merchant = uuid.uuid4()
    with phase():
        books.post([sale(merchant)])
    plan = "\n".join(
        line for (line,) in rows("EXPLAIN SELECT * FROM ledger_balance WHERE merchant_id = %s", merchant)
    )
    assert plan.count("on ledger_account_of_") == 1


def test_batches_and_dry_runs_judge_each_entry():
    one, other = uuid.uuid4(), uuid.uuid4()
    good, bad = sale(one), sale(other)
    bad = EntryDraft(**{**{name: getattr(bad, name) for name in bad.__slots__}, "legs": bad.legs[:1]})
    with phase():
        judged = bulk.dry_run([good, bad])
        assert [type(verdict).__name__ for verdict in judged] == ["Posted", "Refused"]
        assert balances.balances(one) == []
        chart.forget_known()
        posted = bulk.post_many([good, bad])
        assert [type(verdict).__name__ for verdict in posted] == ["Posted", "Refused"]
    assert balances.balance(account(Code.VENDOR_PENDING, one, "USD", "ada")) == Money(-500, "USD")
