"""Which tables of the books an engine of many servers may spread by merchant, read from the catalogue.

Citus (and plain hash partitions) can spread a table when the column it is spread by stands in each of its
unique keys. This module says which tables do so, why the others of the ledger stay whole, and writes the
statements; `docs/scaling.md` tells what they mean.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.db import connection

KEY: Final = "merchant_id"
FIRST: Final = "ledger_account"  # the table beside whose rows those of the others are kept
ENTRY_POINT: Final = "ledger_post_one"  # runs where its merchant's rows are

# Copied whole to every server: small, the same for all merchants, read by triggers and functions.
REFERENCE: Final = {"ledger_state_edge": "the edges of all machines, read by the guards of states"}

# What grows with every payment: these must be spread.
BOOKS: Final = ("ledger_account", "ledger_entry", "ledger_posting", "ledger_fact", "ledger_event")

# Of the ledger, kept whole, and why; a name that ends with "_" stands for all that begin so.
HOUSE: Final = {
    "ledger_archived_hour": "in which files to look for an event; small, and of all merchants",
    "ledger_audit": "people's acts; some concern no merchant",
    "ledger_fx_": "rates, quotes and exposure of the house's treasury, small beside the books",
    "ledger_job": "work of the house, claimed by whoever is free",
    "ledger_outbox": "news on the way; a row goes when it is delivered, so the table stays small",
    "ledger_partitioned": "which tables are partitioned by month: read when partitions are made",
    "ledger_seal": "one chain of blocks for each server, whose transaction ids it names",
    "ledger_watermark": "how far each server has rolled up; transaction ids are a server's own",
}

_TABLES: Final = """
    SELECT c.relname,
           EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = %s AND a.attnotnull),
           coalesce((SELECT jsonb_object_agg(k.relname, k.columns) FROM (
               SELECT i.relname, jsonb_agg(a.attname ORDER BY a.attnum) AS columns
               FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
               JOIN pg_attribute a ON a.attrelid = x.indexrelid
               WHERE x.indrelid = c.oid AND x.indisunique AND a.attnum <= x.indnkeyatts GROUP BY i.relname
           ) k), '{}')::text
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the catalogue with its unique keys, by name of the index."""

    name: str
    has_merchant: bool
    keys: dict[str, list[str]]

    @property
    def keys_without_merchant(self) -> list[str]:
        """The unique keys that do not hold the merchant."""
        return sorted(name for name, columns in self.keys.items() if KEY not in columns)

    @property
    def can_be_spread(self) -> bool:
        """Say whether every row has a merchant and every unique key holds it."""
        return self.has_merchant and not self.keys_without_merchant


def tables() -> list[Table]:
    """Return every table of the database; a partition counts with the table it is part of."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, [KEY])
        return [Table(name, merchant, json.loads(keys)) for name, merchant, keys in cursor.fetchall()]


def spread_tables() -> list[str]:
    """Return the tables of the ledger that are spread by merchant, the accounts first."""
    found = [table.name for table in tables() if table.name.startswith("ledger_") and table.can_be_spread]
    kept = {name for name in found if name in REFERENCE or why_whole(name)}
    return sorted(set(found) - kept, key=lambda name: (name != FIRST, name))


def why_whole(name: str) -> str:
    """Return why a table of the ledger stays whole; empty when nothing says that it must."""
    return next(
        (why for key, why in HOUSE.items() if name == key or (key[-1] == "_" and name.startswith(key))), ""
    )


def statements() -> Iterator[str]:
    """Return what is run once on a coordinator of Citus 12 or later, after the migrations.

    Triggers are made on the shards: Citus makes none on a distributed table (docs.citusdata.com, "Triggers").
    """
    spread = spread_tables()
    for name in REFERENCE:
        yield f"SELECT create_reference_table('{name}');"
    for name in spread:
        beside = "" if name == FIRST else f", colocate_with => '{FIRST}'"
        yield f"SELECT create_distributed_table('{name}', '{KEY}'{beside});"
    with connection.cursor() as cursor:
        cursor.execute("SELECT oid::regprocedure::text FROM pg_proc WHERE proname = %s", [ENTRY_POINT])
        for (signature,) in cursor.fetchall():
            yield (
                f"SELECT create_distributed_function('{signature}', 'e_merchant', "
                f"colocate_with => '{FIRST}');"
            )
        for name in spread:
            yield from _triggers(name)


def _triggers(table: str) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT pg_get_triggerdef(oid) FROM pg_trigger
               WHERE tgrelid = %s::regclass AND NOT tgisinternal ORDER BY tgname""",
            [table],
        )
        for (definition,) in cursor.fetchall():
            on_shard = definition.replace(f" ON public.{table} ", " ON %s ", 1)
            yield f"SELECT run_command_on_placements('{table}', $t${on_shard}$t$);"
