"""Every byte of every column of every sealed row is sealed: each is changed in turn, and the row is named."""

import pytest
from django.db import connection

from ledger.models import SealBlock
from ledger.proof import blocks, sealing, verifying
from tests.kit import seals
from tests.kit.seals import OWNERS

pytestmark = pytest.mark.django_db(transaction=True, databases=OWNERS)

# A change of the least kind for each type of column; `{0}` is the column.
CHANGES = {
    "uuid": """(left({0}::text, 35)
                || translate(right({0}::text, 1), '0123456789abcdef', '1032547698badcfe'))::uuid""",
    "character varying": "(CASE left({0}, 1) WHEN 'x' THEN 'y' ELSE 'x' END) || substr({0}, 2)",
    "text": "(CASE left({0}, 1) WHEN 'x' THEN 'y' ELSE 'x' END) || substr({0}, 2)",
    "smallint": "({0} + 100)::smallint",
    "integer": "{0} + 1",
    "bigint": "{0} + 1",
    "timestamp with time zone": "{0} + interval '1 microsecond'",
    "bytea": "CASE WHEN {0} = '' THEN '\\x00' ELSE set_byte({0}, 0, get_byte({0}, 0) # 1) END",
    "jsonb": "'{{\"changed\": 1}}'::jsonb",
    "inet": "{0} + 1",
    "xid8": "({0}::text::bigint + 1)::text::xid8",
}
INSTEAD_OF_NULL = {
    "uuid": "'01a1fdd8-5cb6-701d-a41a-ebdae5d267d8'::uuid", "bigint": "0", "jsonb": "'null'::jsonb",
}  # fmt: skip
BOOKS = ("ledger_entry", "ledger_posting", "ledger_fact", "ledger_event", "ledger_audit")


def columns(table: str) -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT column_name, data_type FROM information_schema.columns
               WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position""",
            [table],
        )
        return cursor.fetchall()


def changed(column: str, kind: str) -> str:
    change = CHANGES[kind].format(column)
    instead = INSTEAD_OF_NULL.get(kind)
    return f"CASE WHEN {column} IS NULL THEN {instead} ELSE {change} END" if instead else change


def row_of(table: str, books: seals.Books) -> tuple[str, list[object]]:
    entry = books.reversal  # the entry with every column filled
    match table:
        case "ledger_entry":
            return "id = %s", [entry]
        case "ledger_posting":
            return "entry_id = %s AND line = 2", [entry]
        case "ledger_fact":
            return "entry_id = %s AND source_type = 'reversal'", [entry]
        case "ledger_audit":
            return "id = %s", [books.act]
        case _:
            return "id = %s", [books.event_of(entry)]


@pytest.mark.parametrize("scheme", [blocks.WITH_AUDIT, blocks.ROW_IMAGES])
@pytest.mark.parametrize("table", BOOKS)
def test_a_change_of_any_column_of_the_books_names_the_row(books, table, scheme):
    if scheme != sealing.SCHEME:
        seals.seal_as(scheme)
    where, parameters = row_of(table, books)
    names = {"ledger_event": books.event_of(books.reversal), "ledger_audit": books.act}
    named = str(names.get(table, books.reversal))
    unseen = {}
    for column, kind in columns(table):
        sql = f"UPDATE {table} SET {column} = {changed(column, kind)} WHERE {where}"
        fault = seals.fault_after(sql, *parameters)
        if named not in fault:
            unseen[column] = fault
    assert not unseen


@pytest.mark.parametrize("table", ["ledger_seal", "ledger_seal_records"])
def test_a_change_of_any_column_of_a_seal_names_the_block(books, table):
    with_rows = SealBlock.objects.order_by("-number").first()
    last = ""
    if table == "ledger_seal_records":
        last = f" AND part = (SELECT max(r.part) FROM {table} r WHERE r.number = {with_rows.number})"
    unseen = {}
    for column, kind in columns(table):
        sql = f"UPDATE {table} SET {column} = {changed(column, kind)} WHERE number = %s{last}"
        fault = seals.fault_after(sql, with_rows.number)
        if f"block {with_rows.number}" not in fault:
            unseen[column] = fault
    assert not unseen


def test_what_is_not_sealed_is_only_what_moves(books):
    """The negative control: an account's version is no part of what was sealed, its code is."""
    change = "UPDATE ledger_account SET version = version + 1 WHERE merchant_id = %s"
    assert seals.fault_after(change, books.merchant) == ""
    assert verifying.verify().holds


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_account SET code = 'other'",
        "UPDATE ledger_account SET owner = 'other'",
        "UPDATE ledger_account SET merchant_id = '01a1fdd8-5cb6-701d-a41a-ebdae5d267d8'",
        "DELETE FROM ledger_account",
    ],
)
def test_an_account_that_is_made_another_is_found_by_its_postings(books, change):
    change += " WHERE merchant_id = %s AND code = 'vendor_available' AND currency = 'USD'"
    fault = seals.fault_after(change, books.merchant)
    assert str(books.entries[0]) in fault
    assert "posting 2" in fault


def test_a_change_of_one_posting_names_it(books):
    change = (
        "UPDATE ledger_posting SET recorded_at = recorded_at + interval '1 microsecond' WHERE entry_id = %s"
    )
    assert "posting 3 is not as" in seals.fault_after(f"{change} AND line = 3", books.entries[1])
