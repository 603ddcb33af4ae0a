"""The application's rights are those of `config.grants`, table by table and function by function; no more."""

import pytest
from django.db import connection

from config import grants
from tests.kit.owner import OWNERS

pytestmark = pytest.mark.django_db
DECLARE = (
    "declare it in config/grants.py: a table that is only added to (it has the trigger ledger_refuse_change) "
    "in TABLES, a function that the application calls in CALLED, one that runs as the owner in DEFINERS"
)
TABLE_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
COLUMN_RIGHTS = ("SELECT", "INSERT", "UPDATE", "REFERENCES")


def rows(query: str, *parameters: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def relations() -> list[tuple[str, str, bool]]:
    """Name, kind and whether it is a partition, of all tables and views but those of extensions."""
    return rows(
        """SELECT c.relname, c.relkind::text, c.relispartition FROM pg_class c
           WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
             AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"""
    )


def held(table: str) -> str:
    """What the connection's own role may do with a table, as the policy spells it."""
    whole = [
        right for right in TABLE_RIGHTS
        if rows("SELECT has_table_privilege(%s, %s)", f"public.{table}", right)[0][0]
    ]  # fmt: skip
    partly = {}
    for name, right in rows(
        """SELECT a.attname, r FROM pg_attribute a, unnest(%s::text[]) r
           WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
             AND has_column_privilege(a.attrelid, a.attnum, r) ORDER BY a.attnum""",
        [right for right in COLUMN_RIGHTS if right not in whole],
        f"public.{table}",
    ):
        partly.setdefault(right, []).append(name)
    words = {right: right for right in whole}
    words |= {right: f"{right} ({', '.join(sorted(names))})" for right, names in partly.items()}
    return ", ".join(words[right] for right in TABLE_RIGHTS if right in words)


def declared(name: str, kind: str, is_partition: bool) -> str:
    """The policy's words, columns in the order of the alphabet."""
    parts = grants.rights_on(name, kind, is_partition).split("(")
    ordered = [
        ", ".join(sorted(part.partition(")")[0].split(", "))) + ")" + part.partition(")")[2]
        for part in parts[1:]
    ]
    return "(".join([parts[0], *ordered])


def test_the_suite_runs_as_a_role_that_owns_nothing():
    assert rows(
        """SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication,
                  (SELECT count(*) FROM pg_auth_members WHERE member = r.oid),
                  (SELECT count(*) FROM pg_class WHERE relowner = r.oid)
           FROM pg_roles r WHERE rolname = current_user"""
    ) == [(False, False, False, False, False, 0, 0)]
    assert not grants.owns_the_books()


def test_every_table_gives_what_is_declared_and_nothing_else():
    found = {name: (held(name), declared(name, kind, part)) for name, kind, part in relations()}
    wrong = [
        f"{name}: holds {has!r}, declared {want!r}" for name, (has, want) in found.items() if has != want
    ]
    assert not wrong, "\n".join([DECLARE, *wrong])
    assert len(found) > 40


def test_what_refuses_change_is_declared_so():
    """The trigger and the grant say the same, so that neither is forgotten."""
    refusing = {
        name
        for (name,) in rows(
            # On UPDATE; months that left or were read back, for other tests, are nobody's but the owner's.
            """SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
               WHERE t.tgfoid = 'ledger_refuse_change'::regproc AND NOT c.relispartition
                 AND t.tgtype & 16 <> 0 AND c.relname !~ '_[0-9]{4}_[0-9]{2}_'"""
        )
    }
    kept = {name for name, words in grants.TABLES.items() if words == grants.APPEND_ONLY}
    read = {name for name, words in grants.TABLES.items() if words == grants.READ_ONLY}
    assert refusing - kept - read == set(), DECLARE
    assert kept - refusing == set(), "declared append only, without the trigger ledger_refuse_change"


def test_functions_are_called_only_where_declared():
    found = rows(
        """SELECT p.proname, p.oid::regprocedure::text, p.prosecdef, coalesce(p.proconfig, '{}'),
                  has_function_privilege(p.oid, 'EXECUTE'), p.prorettype = 'trigger'::regtype
           FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
             AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"""
    )
    assert len(found) > 8
    for name, signature, is_definer, settings, may_call, is_trigger in found:
        assert may_call == (name in grants.CALLED), f"{signature}: {DECLARE}"
        assert is_definer == (name in grants.DEFINERS), f"{signature}: {DECLARE}"
        if is_definer or (is_trigger and not grants.is_within(name)):
            assert f"search_path={grants.SEARCH_PATH}" in settings, signature


def test_nothing_can_be_made_here():
    assert rows(
        """SELECT has_schema_privilege('public', 'CREATE'),
                  has_database_privilege(current_database(), 'CREATE'),
                  has_database_privilege(current_database(), 'TEMPORARY')"""
    ) == [(False, False, False)]


@pytest.mark.django_db(databases=OWNERS)
def test_granting_again_changes_nothing():
    before = rows("SELECT relname, relacl::text FROM pg_class WHERE relname LIKE %s ORDER BY 1", "ledger%")
    with grants.as_owner():
        assert grants.grant("default")
    after = rows("SELECT relname, relacl::text FROM pg_class WHERE relname LIKE %s ORDER BY 1", "ledger%")
    assert before == after
