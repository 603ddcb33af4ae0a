"""What the application's database role may do, as one table; granted after each migrate, by the owner.

The owner (alias `owner`, MIGRATION_DATABASE_URL) makes tables and functions and owns them. The application
(alias `default`, DATABASE_URL) owns nothing: it reads everything, writes ordinary tables, adds to what is
append only, and posts to the books by calling functions that run with the owner's rights. What it may not do
it cannot do by any statement: that is the law's outer wall; the triggers behind it bind the owner too.

With one address for both there is one role: then nothing is granted and a check warns (config.checks).
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from psycopg import sql

OWNER: Final = "owner"

ORDINARY: Final = "SELECT, INSERT, UPDATE, DELETE"
APPEND_ONLY: Final = "SELECT, INSERT"
READ_ONLY: Final = "SELECT"

TABLES: Final = {
    # The books: written by `ledger_post` alone.
    "ledger_entry": READ_ONLY,
    "ledger_posting": READ_ONLY,
    "ledger_fact": READ_ONLY,
    "ledger_watermark": READ_ONLY,
    "ledger_mark": READ_ONLY,
    "ledger_checkpoint": READ_ONLY,
    "ledger_displaced": READ_ONLY,
    # An account is opened by what it is; its balance moves by `ledger_post` and `ledger_roll` alone.
    "ledger_account": (
        "SELECT, INSERT (merchant_id, code, owner, currency, is_deferred, balance_min, balance_max, "
        "public_uuid), "
        "UPDATE (closed_at)"  # a row can be locked only with a right to change something of it
    ),
    # What is added to and never changed: each has the trigger `ledger_refuse_change` besides.
    "ledger_event": APPEND_ONLY,
    "ledger_audit": APPEND_ONLY,
    "ledger_fx_exposure": APPEND_ONLY,
    "ledger_fx_rate": APPEND_ONLY,
    "ledger_fx_unwind": APPEND_ONLY,
    "ledger_retention": APPEND_ONLY,
    "ledger_seal": APPEND_ONLY,
    "ledger_seal_records": APPEND_ONLY,
    "ledger_seal_check": APPEND_ONLY,
    "payments_routingpolicy": APPEND_ONLY,
    "settlements_batchline": APPEND_ONLY,
    "settlements_fundedoperation": APPEND_ONLY,
    "settlements_statementline": APPEND_ONLY,
    # A legal hold is placed, and lifted once.
    "ledger_legal_hold": "SELECT, INSERT, UPDATE (lifted_at, lifted_by, lift_reason)",
    # Written by the owner, when a month is archived.
    "ledger_archive": READ_ONLY,
    "ledger_carried": READ_ONLY,
    "ledger_archived_stream": READ_ONLY,
    "ledger_archived_hour": READ_ONLY,
    # Written by `migrate`.
    "ledger_state_edge": READ_ONLY,
    "ledger_partitioned": READ_ONLY,
    "django_migrations": READ_ONLY,
}
"""Rights on each table that is not ORDINARY. A partition has none: it is reached through its parent. A view
is READ_ONLY."""

DEFINERS: Final = (
    "ledger_post",
    "ledger_post_one",
    "ledger_roll",
    "ledger_settle_balances",
    "ledger_hold",
    "ledger_release",
    "ledger_make_partitions",
    "ledger_months_waiting",
    "ledger_restore_balance",
)
"""Functions that run with the owner's rights, whoever calls them."""

CALLED: Final = (
    *DEFINERS,
    "ledger_balance_effective",
    "ledger_balance_recorded",
    "ledger_content_hash",
    "ledger_displaced_span",
    "ledger_displaced_upto",
    "ledger_entry_hash",
    "ledger_is_restoring",
    "ledger_month_bound",
    "ledger_partitions_ahead",
    "ledger_restored_columns",
    "ledger_rows_missing",
    "ledger_uuid7",
    "ledger_uuid_at",
    "payments_changed_meanwhile",
    "vendors_key_stands",
)
"""Functions that the application may call. It needs no right to those that only triggers or others call."""

WITHIN: Final = ("ledger_account_law",)
"""Trigger functions that look at the new row alone, as all named `..._within` do (ledger 0024): they name no
table that a session could put another in place of, and a path of their own costs more than their work."""

# A month of a partitioned table, also when it was taken out to be archived.
_MONTH: Final = re.compile(r"_\d{4}_\d{2}(_|$)")

# The names in a function mean our tables, whatever the session calls them: temporary ones come last.
SEARCH_PATH: Final = "public, pg_temp"

_RELATIONS: Final = """
    SELECT c.relname, c.relkind, c.relispartition FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND (d.deptype = 'e' OR c.relkind = 'S' AND d.deptype = 'i'))
    ORDER BY c.relname"""
_FUNCTIONS: Final = """
    SELECT p.oid::regprocedure::text, p.proname, p.prorettype = 'trigger'::regtype FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                      AND d.deptype = 'e')
    ORDER BY 1"""


@contextmanager
def as_owner() -> Iterator[None]:
    """Let everything that this thread does on the default connection go by the owner's instead."""
    application = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = connections[OWNER]
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = application


def owns_the_books() -> bool:
    """Say whether the default connection's role may alter the books; yes when there are none yet."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(
            """SELECT coalesce((SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class
                                WHERE oid = to_regclass('public.ledger_entry')), true)"""
        )
        return bool(cursor.fetchone()[0])


def rights_on(table: str, kind: str, is_partition: bool) -> str:
    """Return what the application may do with a relation, as GRANT spells it; nothing when empty."""
    if is_partition or _MONTH.search(table):
        return ""
    if kind == "S":
        return "USAGE"
    if kind in "vm":
        return READ_ONLY
    return TABLES.get(table, ORDINARY)


def hear_migrated(using: str, **_: object) -> None:
    """Hear that a migration is over."""
    if not grant(using):
        sys.stdout.write("database roles: one role for everything; it may change the books\n")


def grant(using: str) -> bool:
    """Give the application's role what the tables above say, and nothing else; safe to repeat.

    :returns: whether there is a role to give to: not when the application connects as the owner.
    :raises ImproperlyConfigured: the server has no such role.
    """
    role = settings.DATABASES[DEFAULT_DB_ALIAS]["USER"]
    with transaction.atomic(using), connections[using].cursor() as cursor:
        cursor.execute("SELECT current_user, to_regrole(quote_ident(%s)) IS NOT NULL", [role])
        owner, exists = cursor.fetchone()
        if role == owner:
            return False
        if not exists:
            raise ImproperlyConfigured(f"DATABASE_URL: the server has no role {role}; CREATE ROLE it first")
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('everycent_grants'))")
        cursor.execute(_RELATIONS)
        statements = _on_schema(role, connections[using].settings_dict["NAME"])
        for name, kind, is_partition in cursor.fetchall():
            statements += _on_relation(role, name, kind, is_partition)
        cursor.execute(_FUNCTIONS)
        for signature, name, is_trigger in cursor.fetchall():
            statements += _on_function(role, signature, name, is_trigger)
        cursor.execute(sql.SQL("; ").join(statements).as_string(None))
    return True


def is_within(name: str) -> bool:
    """Say whether a trigger function looks at the new row alone."""
    return name in WITHIN or name.endswith("_within")


def _on_schema(role: str, database: str) -> list[sql.Composable]:
    names = {"role": sql.Identifier(role), "database": sql.Identifier(database)}
    return [
        # Nobody makes tables or functions here, not even temporary ones that could pass for ours.
        sql.SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC, {role}").format(**names),
        sql.SQL("REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC, {role}").format(**names),
        sql.SQL("GRANT USAGE ON SCHEMA public TO {role}").format(**names),
    ]


def _on_relation(role: str, name: str, kind: str, is_partition: bool) -> list[sql.Composable]:
    rights = rights_on(name, kind, is_partition)
    parts = {
        "kind": sql.SQL("SEQUENCE" if kind == "S" else "TABLE"),
        "name": sql.Identifier("public", name),
        "role": sql.Identifier(role),
        "rights": sql.SQL(rights),
    }
    taken = sql.SQL("REVOKE ALL ON {kind} {name} FROM PUBLIC, {role}").format(**parts)
    given = sql.SQL("GRANT {rights} ON {kind} {name} TO {role}").format(**parts)
    return [taken, given] if rights else [taken]


def _on_function(role: str, signature: str, name: str, is_trigger: bool) -> list[sql.Composable]:
    parts = {
        "function": sql.SQL(signature),  # as PostgreSQL itself spells it
        "role": sql.Identifier(role),
        "path": sql.SQL(SEARCH_PATH),
        "security": sql.SQL("DEFINER" if name in DEFINERS else "INVOKER"),
    }
    alter = "ALTER FUNCTION {function} SECURITY {security}"
    if is_trigger and is_within(name):
        alter += " RESET search_path"
    elif is_trigger or name in DEFINERS:
        alter += " SET search_path = {path}"
    statements = [alter, "REVOKE ALL ON FUNCTION {function} FROM PUBLIC, {role}"]
    if name in CALLED:
        statements.append("GRANT EXECUTE ON FUNCTION {function} TO {role}")
    return [sql.SQL(statement).format(**parts) for statement in statements]
