"""Rows by hand-written SQL, for the reads of every request: the library takes longer to build the text of a
query than PostgreSQL to answer it. The rows are the library's own, as a query of the library would make them.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model

Row = TypeVar("Row", bound=Model)


def columns(model: type[Model], alias: str) -> str:
    """Return the list of a model's columns for a SELECT, in the order in which `row` takes them."""
    return ", ".join(f"{alias}.{field.column}" for field in model._meta.concrete_fields)


def row(model: type[Row], values: Sequence[Any]) -> Row:
    """Return the row of a model that a SELECT of its `columns` has found."""
    names, conversions = _shape(model)
    if conversions:
        values = list(values)
        for place, convert in conversions:
            values[place] = convert(values[place], None, connection)
    return model.from_db(connection.alias, names, values)


@cache
def _shape(model: type[Model]) -> tuple[list[str], list[tuple[int, Callable[..., Any]]]]:
    fields = model._meta.concrete_fields
    conversions = [
        (place, field.from_db_value) for place, field in enumerate(fields) if hasattr(field, "from_db_value")
    ]
    return [field.attname for field in fields], conversions
