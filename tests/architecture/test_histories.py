"""Every change of a recorded row is an event: there is no other way to write one (ledger.recorded)."""

import ast
import re

from django.apps import apps
from django.db import models

from ledger import changes
from ledger.recorded import Recorded
from tests.kit.source import sources

RECORDED = [model for model in apps.get_models() if issubclass(model, Recorded)]
TABLES = [model._meta.db_table for model in RECORDED]
# `record` writes the rows it tells of; a restoration writes a row as its events tell it, and tells that; the
# measurement makes rows with their events by the thousand in a throw-away database.
WRITERS = ("ledger/recording.py", "ledger/history/restoring.py", "config/bench/histories.py")


def test_there_are_recorded_rows():
    assert len(RECORDED) >= 12


def test_no_statement_of_ours_changes_a_recorded_table():
    table = "|".join(map(re.escape, TABLES))
    changing = re.compile(rf'\b(UPDATE|DELETE\s+FROM|INSERT\s+INTO)\s+(ONLY\s+)?"?({table})\b', re.IGNORECASE)
    found = [
        f"{source.path}:{node.lineno}"
        for source in sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and changing.search(node.value)
    ]
    assert not found


def test_only_the_recorder_uses_the_managers_that_do_not_refuse():
    names = ("_base_manager", "_default_manager")
    found = [
        f"{source.path}:{node.lineno}"
        for source in sources()
        if source.path not in WRITERS
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr in names and not _is_read(node, source)
    ]
    assert not found


def _is_read(node: ast.Attribute, source) -> bool:
    line = source.text.splitlines()[node.lineno - 1]
    return not re.search(r"update|create|delete", line)


def test_every_manager_of_a_recorded_model_refuses_to_write():
    for model in RECORDED:
        for manager in model._meta.managers:
            for name in ("update", "bulk_update", "bulk_create", "delete"):
                method = getattr(manager.get_queryset(), name)
                assert "Recorded" in method.__qualname__, f"{model.__name__}.{manager.name}.{name}"


def test_every_column_of_a_recorded_model_can_be_told():
    kinds = (
        models.CharField, models.TextField, models.IntegerField, models.BooleanField, models.UUIDField,
        models.DateField, models.DateTimeField, models.BinaryField, models.JSONField, models.DecimalField,
        models.ForeignKey,
    )  # fmt: skip
    for model in RECORDED:
        told = changes.told(model)
        for column in model._meta.concrete_fields:
            assert isinstance(column, kinds), f"{model.__name__}.{column.name} has no form in an event"
        assert set(told.plain) | told.hidden, model.__name__
