"""Migrations are linear, complete and can be undone (style B4, rule 48)."""

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunPython, RunSQL

from tests.kit.source import APPS


@pytest.fixture
def loader(db):
    return MigrationLoader(connection)


def ours(loader):
    return {key: migration for key, migration in loader.disk_migrations.items() if key[0] in APPS}


def test_the_models_need_no_new_migration(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_each_app_has_one_last_migration(loader):
    for app in {key[0] for key in ours(loader)}:
        assert len(loader.graph.leaf_nodes(app)) == 1, f"{app} has two heads"


def test_every_migration_can_be_undone(loader):
    stuck = [
        f"{app}.{name}: {operation}"
        for (app, name), migration in ours(loader).items()
        for operation in migration.operations
        if isinstance(operation, RunSQL | RunPython) and not operation.reversible
    ]
    assert not stuck
