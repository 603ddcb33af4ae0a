"""What the two posting functions are given may be anything: what is not an entry is refused, whole.

They run with the owner's rights, so their arguments are the application's only way into the books.
"""

import uuid

import pytest
from django.db import DatabaseError, connection, transaction

from ledger.ids import uuid7
from ledger.locks import phase
from tests.kit import books as kit
from tests.kit.attacks import fetch, state_of
from tests.services.ledger.test_law_as_the_application import sale

pytestmark = pytest.mark.django_db
MOST = 2**63 - 1

# What differs from a lawful entry of 5 between the accounts `low` and `high`.
ODD: dict[str, dict[str, object]] = {
    "no accounts": {"accounts": [], "amounts": [], "lines": [], "purposes": []},
    "null for accounts": {"accounts": None},
    "an account that is null": {"accounts": ["low", None]},
    "null for amounts": {"amounts": None},
    "an amount that is null": {"amounts": [5, None]},
    "amounts that are null": {"amounts": [None, None]},
    "too few amounts": {"amounts": [5]},
    "the greatest bigints": {"amounts": [MOST, -MOST]},
    "amounts whose sum overflows to nothing": {
        "accounts": ["low", "high", "high"], "amounts": [MOST, MOST, 2], "lines": [1, 2, 3],
        "purposes": ["x", "x", "x"],
    },
    "one over the bound": {"amounts": [10**15 + 1, -(10**15) - 1]},
    "null for lines": {"lines": None},
    "a line that is null": {"lines": [1, None]},
    "a line twice": {"lines": [1, 1]},
    "null for purposes": {"purposes": None},
    "no id": {"id": None},
    "no merchant": {"merchant": None},
    "no source": {"source": None},
    "no step": {"step": None},
    "no moment": {"at": None},
    "a moment that never comes": {"at": "infinity"},
    "taking back what is not there": {"reverses": uuid.UUID(int=7)},
    "an account twice, out of balance": {"accounts": ["low", "low"], "amounts": [5, 5]},
}  # fmt: skip
ONE = """SELECT ledger_post_one(%(id)s, %(merchant)s, 'x', 'test', %(source)s, %(step)s, %(at)s, %(reverses)s,
             %(lines)s::int[], %(accounts)s::bigint[], %(amounts)s::bigint[], %(purposes)s::text[])"""
MANY = """SELECT ledger_post(ARRAY[%(id)s]::uuid[], ARRAY[%(merchant)s]::uuid[], '{x}', '{test}',
              ARRAY[%(source)s]::uuid[], ARRAY[%(step)s], ARRAY[%(at)s]::timestamptz[],
              ARRAY[%(reverses)s]::uuid[], %(entries)s::int[], %(lines)s::int[], %(accounts)s::bigint[],
              %(amounts)s::bigint[], %(purposes)s::text[])"""


@pytest.fixture
def merchant() -> uuid.UUID:
    merchant = uuid.uuid4()
    with phase():
        kit.post([sale(merchant, 1000)])
    return merchant


def given(merchant: uuid.UUID, changes: dict[str, object]) -> dict[str, object]:
    rows = fetch("SELECT id FROM ledger_account WHERE merchant_id = %s ORDER BY code", merchant)
    network, vendor = (row[0] for row in rows)
    named = {"low": min(network, vendor), "high": max(network, vendor)}
    plain = {
        "id": uuid7(), "merchant": merchant, "source": uuid.uuid4(), "step": "x", "at": "2026-01-15T12:00Z",
        "reverses": None, "lines": [1, 2], "accounts": ["low", "high"], "purposes": ["x", "x"],
        "amounts": [5, -5] if network < vendor else [-5, 5],
    }  # fmt: skip
    found = {**plain, **changes}
    if found["accounts"] is not None:
        found["accounts"] = [named.get(name, name) for name in found["accounts"]]
    return {**found, "entries": [1] * len(found["accounts"] or [0, 0])}


@pytest.mark.parametrize("statement", [ONE, MANY], ids=["one", "many"])
class TestTheDoor:
    def test_takes_the_lawful_entry(self, merchant, statement):
        before = len(state_of(merchant))
        with connection.cursor() as cursor:
            cursor.execute(statement, given(merchant, {}))
        assert len(state_of(merchant)) == before + 4  # an entry, two postings, a fact

    @pytest.mark.parametrize("odd", ODD)
    def test_refuses_what_is_none(self, merchant, statement, odd):
        before = state_of(merchant)
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, given(merchant, ODD[odd]))
        assert state_of(merchant) == before


@pytest.mark.parametrize("entries", [[1, 1], [2, 2], [1, 3], [1, None]])
def test_none_among_others_is_without_postings(merchant, entries):
    before = state_of(merchant)
    two = {"ids": [uuid7(), uuid7()], "sources": [uuid.uuid4(), uuid.uuid4()]}
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """SELECT ledger_post(%(ids)s::uuid[], ARRAY[%(merchant)s, %(merchant)s]::uuid[], '{x,x}',
                   '{test,test}', %(sources)s::uuid[], '{x,x}', ARRAY[now(), now()], '{NULL,NULL}',
                   %(entries)s::int[], '{1,2}', %(accounts)s::bigint[], %(amounts)s::bigint[], '{x,x}')""",
            {**given(merchant, {}), **two, "entries": entries},
        )
    assert state_of(merchant) == before
