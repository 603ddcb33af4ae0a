"""Checks that a trigger upholds (ledger 0024) are those that are declared, and refuse as a check would."""

import pytest
from django.db import IntegrityError, connection, transaction

from tests.kit.owner import OWNERS

pytestmark = pytest.mark.django_db(databases=OWNERS)

CAN_UPHOLD_FROM = 180_000  # the version of PostgreSQL; before it, checks stay checks
UPHELD = {
    "fraud_check",
    "payments_payment",
    "payments_paymenttransaction",
    "payments_provideroperation",
    "vendors_idempotencykey",
}
TRIGGERS = r"""
    SELECT t.tgrelid::regclass::text, p.prosrc = ledger_law_text(t.tgrelid), t.tgenabled,
           NOT EXISTS (SELECT FROM pg_trigger o WHERE o.tgrelid = t.tgrelid AND o.tgname > t.tgname
                       AND o.tgtype & 2 = 2 AND NOT o.tgisinternal AND o.tgtype & 20 <> 0
                       AND o.tgfoid <> 'payments_retry_limit'::regproc)
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgname = p.proname AND p.proname LIKE '%\_within' AND NOT t.tgisinternal"""
DECLARED = """
    SELECT k.conrelid::regclass::text, k.conname,
           coalesce((to_jsonb(k)->>'conenforced')::bool, true) FROM pg_constraint k
    WHERE k.contype = 'c' AND k.conrelid <> 0"""


@pytest.fixture
def table():
    """A table with checks whose columns and values are named to be mistaken for one another."""
    with connection.cursor() as cursor:
        cursor.execute(
            """CREATE TABLE law_sample (kind text, kind_of text, "position" int, amount bigint,
                CONSTRAINT law_sample_kind CHECK (kind = 'amount' OR kind = 'it''s kind' OR kind_of IS NULL),
                CONSTRAINT law_sample_place CHECK ("position" BETWEEN 1 AND 9),
                CONSTRAINT law_sample_amount CHECK (amount <> 0 AND length(kind) < 20))"""
        )
        cursor.execute("SELECT ledger_uphold_by_trigger('law_sample')")
    return "law_sample"


def put(*values):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO law_sample VALUES (%s, %s, %s, %s)", values)


def test_every_check_is_upheld_once(as_owner):
    with connection.cursor() as cursor:
        cursor.execute(TRIGGERS)
        upheld = UPHELD if connection.pg_version >= CAN_UPHOLD_FROM else set()
        assert sorted(cursor.fetchall()) == [(name, True, "A", True) for name in sorted(upheld)]
        cursor.execute(DECLARED)
        wrong = {name for relation, name, enforced in cursor.fetchall() if enforced is (relation in upheld)}
        assert not wrong


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (("other", "x", 1, 1), "law_sample_kind"),
        (("amount", "x", 10, 1), "law_sample_place"),
        (("amount", "x", 1, 0), "law_sample_amount"),
        (("x" * 20, None, None, None), "law_sample_amount"),
    ],
)
def test_what_breaks_a_check_is_refused_by_its_name(as_owner, table, values, named):
    with pytest.raises(IntegrityError) as refused:
        put(*values)
    diagnosis = refused.value.__cause__.diag
    assert (diagnosis.sqlstate, diagnosis.constraint_name, diagnosis.table_name) == ("23514", named, table)
    assert f'violates check constraint "{named}"' in diagnosis.message_primary


def test_what_a_check_allows_passes_and_cannot_be_changed_into_what_it_does_not(as_owner, table):
    put("amount", "x", 1, -1)
    put("it's kind", "x", 9, 5)
    put(None, None, None, None)
    with (
        pytest.raises(IntegrityError, match="law_sample_place"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute('UPDATE law_sample SET "position" = 0 WHERE amount = 5')


def test_the_way_back_is_a_check(as_owner, table):
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_uphold_by_check('law_sample')")
        cursor.execute(
            """SELECT bool_and(coalesce((to_jsonb(k)->>'conenforced')::bool, true)), count(*)
               FROM pg_constraint k WHERE conrelid = 'law_sample'::regclass"""
        )
        assert cursor.fetchone() == (True, 3)
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'law_sample'::regclass")
        assert cursor.fetchone() == (0,)
    with pytest.raises(IntegrityError, match="law_sample_place"):
        put("amount", "x", 10, 1)
