"""Every migration is undone and made again, the last first, on a new database: the schema is what it was.

Compared are tables with columns, defaults and storage, indexes, constraints, triggers and functions, as
PostgreSQL itself writes them down; not the order of columns, which no undo can bring back.
"""

from collections.abc import Iterator

import pytest
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration

from tests.kit.owner import OWNERS
from tests.kit.source import APPS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.django_db(transaction=True, databases=OWNERS),
]

SCRATCH = "everycent_undone"
Schema = dict[str, str]

# What stands, each under a name of its own.
SCHEMA = r"""
    WITH ours AS (SELECT c.* FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace)
    SELECT 'relation ' || relname, concat_ws(' ', relkind, reloptions, pg_get_partkeydef(oid),
           pg_get_expr(relpartbound, oid), CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END)
      FROM ours WHERE relkind IN ('r', 'p', 'v', 'm', 'S')
    UNION ALL SELECT 'column ' || c.relname || '.' || a.attname,
           concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
                     a.attstorage, pg_get_expr(d.adbin, d.adrelid))
      FROM ours c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE c.relkind IN ('r', 'p')
    UNION ALL SELECT 'index ' || c.relname, pg_get_indexdef(c.oid) FROM ours c WHERE c.relkind IN ('i', 'I')
    UNION ALL SELECT 'constraint ' || r.relname || '.' || k.conname, pg_get_constraintdef(k.oid)
      FROM pg_constraint k JOIN ours r ON r.oid = k.conrelid
    UNION ALL SELECT 'trigger ' || r.relname || '.' || t.tgname,
           t.tgenabled::text || ' ' || pg_get_triggerdef(t.oid)
      FROM pg_trigger t JOIN ours r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
    UNION ALL SELECT 'function ' || p.oid::regprocedure, pg_get_functiondef(p.oid)
      FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f'
"""


@pytest.fixture
def scratch() -> Iterator[str]:
    """A new, empty database, to which the owner's connection leads meanwhile."""
    owner = connections["owner"]
    was = owner.settings_dict["NAME"]
    with owner.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {SCRATCH}")
        cursor.execute(f"CREATE DATABASE {SCRATCH}")
    owner.close()
    owner.settings_dict["NAME"] = SCRATCH
    yield SCRATCH
    owner.close()
    owner.settings_dict["NAME"] = was
    with owner.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {SCRATCH}")


def schema() -> Schema:
    with connections["owner"].cursor() as cursor:
        cursor.execute(SCHEMA)
        return dict(cursor.fetchall())


def difference(was: Schema, now: Schema) -> list[str]:
    """Return what is gone, left over and changed."""
    return [
        f"{name}: {was.get(name, 'not there')} | {now.get(name, 'not there')}"
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]


def test_every_migration_is_undone_and_made_again(scratch):
    executor = MigrationExecutor(connections["owner"])
    every = [migration for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    plan: list[Migration] = sorted(every, key=lambda one: one.app_label in APPS)  # Django's own come first
    executor.recorder.ensure_schema()
    state, before = executor._create_project_state(), []
    stood: list[Schema] = []
    for migration in plan:
        stood.append(schema())
        before.append(state.clone())
        state = executor.apply_migration(state, migration)
    stood.append(schema())
    wrong = {}
    for number in reversed(range(len(plan))):
        migration = plan[number]
        if migration.app_label not in APPS:
            continue
        executor.unapply_migration(before[number].clone(), migration)
        if left := difference(stood[number], schema()):
            wrong[f"{migration} undone"] = left
            continue
        executor.apply_migration(before[number].clone(), migration)
        if left := difference(stood[number + 1], schema()):
            wrong[f"{migration} made again"] = left
        executor.unapply_migration(before[number].clone(), migration)
    assert not wrong, "\n".join(f"{name}\n  " + "\n  ".join(left) for name, left in wrong.items())
