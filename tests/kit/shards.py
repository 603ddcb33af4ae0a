"""The books spread over hash partitions by merchant: a variant of the schema, made from the schema itself.

Plain PostgreSQL's nearest likeness of tables that an engine spreads over servers: a row's place follows from
its merchant, and no unique key can leave the merchant out. `spread` replaces each table that
`config.shards` names by one of the same columns, checks, keys, indexes, triggers and grants.
"""

from typing import Any

from django.db import connection, transaction

from config import shards


def spread(count: int) -> list[str]:
    """Replace the tables by ones of `count` hash partitions, keeping their rows; return their names."""
    names = shards.spread_tables()
    with transaction.atomic(), connection.cursor() as cursor:
        views = _rows(cursor, "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'")
        grants = {name: _grants(cursor, name) for name, _ in views}
        for name, _ in views:
            cursor.execute(f"DROP VIEW {name} CASCADE")
        # Months are made by hand here no more: the partitions of this variant are all there from the start.
        guarded = {name for (name,) in _rows(cursor, "DELETE FROM ledger_partitioned RETURNING name")}
        for name in names:
            _replace(cursor, name, count, name in guarded)
        cursor.execute("SELECT ledger_see_this_month()")  # there are no months now: it shows the whole table
        for name, definition in views:
            if name != "ledger_entry_this_month":
                cursor.execute(f"CREATE VIEW {name} AS {definition}")
            for grant in grants[name]:
                cursor.execute(grant)
    return names


def _replace(cursor: Any, name: str, count: int, is_guarded: bool) -> None:
    keys = _rows(
        cursor,
        """SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
           WHERE conrelid = %s::regclass AND contype IN ('p', 'u', 'f')""",
        name,
    )
    indexes = _rows(
        cursor,
        """SELECT replace(pg_get_indexdef(x.indexrelid), ' ON ONLY ', ' ON ') FROM pg_index x
           WHERE x.indrelid = %s::regclass
             AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = x.indexrelid)""",
        name,
    )
    triggers = _rows(
        cursor,
        """SELECT tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger
           WHERE tgrelid = %s::regclass AND NOT tgisinternal""",
        name,
    )
    grants = _grants(cursor, name)
    cursor.execute(f"ALTER TABLE {name} RENAME TO {name}_whole")
    cursor.execute(
        f"""CREATE TABLE {name} (LIKE {name}_whole INCLUDING ALL EXCLUDING INDEXES)
            PARTITION BY HASH ({shards.KEY})"""
    )
    for number in range(count):
        part = f"{name}_of_{number}"
        cursor.execute(
            f"CREATE TABLE {part} PARTITION OF {name} FOR VALUES WITH (MODULUS {count}, REMAINDER {number})"
        )
        if is_guarded:
            cursor.execute("SELECT ledger_guard_partition(%s, %s)", [part, name])
    cursor.execute(f"INSERT INTO {name} OVERRIDING SYSTEM VALUE SELECT * FROM {name}_whole")
    cursor.execute(f"DROP TABLE {name}_whole")
    for key, definition in keys:
        cursor.execute(f"ALTER TABLE {name} ADD CONSTRAINT {key} {definition}")
    for (definition,) in indexes:
        cursor.execute(definition)
    for trigger, enabled, definition in triggers:
        cursor.execute(definition)
        if enabled == "A":
            cursor.execute(f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {trigger}")
    for grant in grants:
        cursor.execute(grant)


def _grants(cursor: Any, name: str) -> list[str]:
    """Return the grants on a table and on its columns, as statements."""
    return [
        f"GRANT {privilege}{f' ({column})' if column else ''} ON {name} TO {grantee}"
        for privilege, column, grantee in _rows(
            cursor,
            """SELECT a.privilege_type, NULL, a.grantee::regrole::text
               FROM pg_class c, aclexplode(c.relacl) a
               WHERE c.oid = %(name)s::regclass AND a.grantee NOT IN (0, c.relowner)
               UNION ALL
               SELECT a.privilege_type, t.attname, a.grantee::regrole::text
               FROM pg_attribute t, aclexplode(t.attacl) a
               WHERE t.attrelid = %(name)s::regclass AND a.grantee <> 0""",
            {"name": name},
        )
    ]


def _rows(cursor: Any, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    cursor.execute(query, [parameters] if isinstance(parameters, str) else parameters)
    found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
