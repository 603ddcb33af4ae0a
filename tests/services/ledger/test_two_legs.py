"""The short way of an entry of two legs writes what the general one writes, and refuses what it refuses."""

import uuid

import pytest
from django.db import Error, connection, transaction

from ledger import chart, clock, journal, locks
from ledger.chart import Code, account
from ledger.journal import EntryDraft, credit, debit
from ledger.money import Money
from tests.kit.owner import OWNERS

pytestmark = [pytest.mark.django_db(databases=OWNERS), pytest.mark.usefixtures("as_owner")]

CALL = "SELECT {0}(%s, %s, 'transfer', 'test', %s, 'transfer', %s, NULL, %s, %s, %s, %s)"
WRITTEN = """
    WITH said AS (SELECT ARRAY['xid', 'recorded_at'] AS apart)
    SELECT (SELECT jsonb_agg(to_jsonb(e) - apart) FROM ledger_entry e WHERE e.id = %(id)s),
           (SELECT jsonb_agg(to_jsonb(p) - apart ORDER BY p.line) FROM ledger_posting p
            WHERE p.entry_id = %(id)s),
           (SELECT jsonb_agg(to_jsonb(f)) FROM ledger_fact f WHERE f.entry_id = %(id)s),
           (SELECT jsonb_agg(to_jsonb(a) ORDER BY a.id) FROM ledger_account a
            WHERE a.merchant_id = %(merchant)s)
    FROM said"""


class Undo(Exception):
    """Takes a call back, so that the other one finds the same books."""


@pytest.fixture
def accounts():
    merchant = uuid.uuid4()
    refs = [
        account(Code.BANK, merchant, "USD", "main"),
        account(Code.VENDOR_PENDING, merchant, "USD", "ada"),
        account(Code.VENDOR_PENDING, merchant, "USD", "bob"),
        account(Code.COMMISSION, merchant, "USD"),
        account(Code.VENDOR_PENDING, merchant, "EUR", "ada"),
    ]
    money = Money(1000, "USD")
    with locks.phase():
        ids = chart.ids_of(refs)
        journal.post(
            [
                EntryDraft(
                    merchant, "funding", "test", uuid.uuid4(), "funding", clock.now(),
                    [debit(refs[0], money, "funding"), credit(ref, money, "sale")],
                )
                for ref in refs[1:3]
            ]
        )  # fmt: skip
    return merchant, [ids[ref] for ref in refs]


def outcome(function, merchant, entry, source, at, legs):
    """Return what a call writes, or the constraint that refuses it; nothing is kept."""
    columns = [list(column) for column in zip(*legs, strict=True)]
    found = None
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(CALL.format(function), [entry, merchant, source, at, *columns])
            cursor.execute(WRITTEN, {"id": entry, "merchant": merchant})
            found = cursor.fetchone()
            raise Undo
    except Undo:
        return found
    except Error as error:
        return error.__cause__.sqlstate, error.__cause__.diag.constraint_name


# line, position of the account, amount
LEGS = {
    "both strict": [(1, 1, 10), (2, 2, -10)],
    "lines the other way round": [(2, 1, 10), (1, 2, -10)],
    "the first deferred": [(1, 0, 5), (2, 1, -5)],
    "the last deferred": [(1, 2, 5), (2, 3, -5)],
    "both deferred": [(1, 0, 5), (2, 3, -5)],
    "overdrawn": [(1, 1, 2000), (2, 2, -2000)],
    "unbalanced": [(1, 1, 10), (2, 2, -9)],
    "nothing moved": [(1, 1, 0), (2, 2, 0)],
    "beyond the bound of an amount": [(1, 0, 10**15 + 1), (2, 3, -(10**15) - 1)],
    "two currencies": [(1, 1, 10), (2, 4, -10)],
    "the same line twice": [(1, 1, 10), (1, 2, -10)],
    "an unknown account": [(1, 1, 10), (2, None, -10)],
    "not in order": [(1, 1, 10), (2, 0, -10)],
    "one account twice": [(1, 1, 10), (2, 1, -10)],
    "one leg": [(1, 1, 10)],
    "three legs": [(1, 1, 10), (2, 2, -4), (3, 3, -6)],
}


@pytest.mark.parametrize("name", LEGS)
def test_both_ways_agree(name, accounts):
    merchant, ids = accounts
    legs = [
        (line, 2**62 if position is None else ids[position], amount, "transfer")
        for line, position, amount in LEGS[name]
    ]
    if name != "not in order":
        legs.sort(key=lambda leg: leg[1])
    call = (merchant, uuid.uuid4(), uuid.uuid4(), clock.now(), legs)
    short, general = outcome("ledger_post_one", *call), outcome("ledger_post_legs", *call)
    assert short == general
    assert short is not None


@pytest.mark.parametrize("position", [1, 3], ids=["strict", "deferred"])
def test_both_ways_refuse_a_closed_account(position, accounts):
    merchant, ids = accounts
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_account SET closed_at = now() WHERE id = %s", [ids[position]])
    legs = sorted([(1, ids[position], 5, "sale"), (2, ids[2], -5, "sale")], key=lambda leg: leg[1])
    call = (merchant, uuid.uuid4(), uuid.uuid4(), clock.now(), legs)
    for function in ("ledger_post_one", "ledger_post_legs"):
        assert outcome(function, *call) == ("23514", "ledger_account_open")
