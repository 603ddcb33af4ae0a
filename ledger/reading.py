"""Rows without the library's detours, for what every request does: rows read by hand-written SQL (the library
takes longer to build the text of a query than PostgreSQL to answer it), and new rows of many columns.

The rows are the library's own, with the attributes that its constructor would give them. That one asks each
column's descriptor and default anew, and sends signals to which nobody listens (a test says so).
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, TypeVar

from django.db import connection
from django.db.models import Model
from django.db.models.base import ModelState
from django.db.models.expressions import DatabaseDefault
from django.db.models.fields import NOT_PROVIDED

Row = TypeVar("Row", bound=Model)


def columns(model: type[Model], alias: str) -> str:
    """Return the list of a model's columns for a SELECT, in the order in which `row` takes them."""
    return ", ".join(f"{alias}.{field.column}" for field in model._meta.concrete_fields)


def row(model: type[Row], values: Sequence[Any]) -> Row:
    """Return the row of a model that a SELECT of its `columns` has found."""
    names, conversions = _shape(model)
    found = model.__new__(model)
    held = found.__dict__
    held["_state"] = state = ModelState()
    state.adding, state.db = False, connection.alias
    held.update(zip(names, values, strict=True))
    for name, convert in conversions:
        held[name] = convert(held[name], None, connection)
    return found


def new(model: type[Row], **values: Any) -> Row:
    """Return a new row that is not saved; columns are named by their attributes (`payment_id`).

    :raises TypeError: the model has no such column.
    """
    constants, makers, names = _defaults(model)
    if not values.keys() <= names:
        raise TypeError(f"{model.__name__} has no {sorted(values.keys() - names)}")
    made = model.__new__(model)
    held = made.__dict__
    held["_state"] = ModelState()
    held.update(constants)
    for name, make in makers:
        if name not in values:
            held[name] = make()
    held.update(values)
    return made


@cache
def _shape(model: type[Model]) -> tuple[list[str], list[tuple[str, Callable[..., Any]]]]:
    fields = model._meta.concrete_fields
    conversions = [
        (field.attname, field.from_db_value) for field in fields if hasattr(field, "from_db_value")
    ]
    return [field.attname for field in fields], conversions


@cache
def _defaults(
    model: type[Model],
) -> tuple[dict[str, Any], list[tuple[str, Callable[[], Any]]], frozenset[str]]:
    """Return the columns with a default that is the same for all rows, those whose default is made for each,
    and the names of all."""
    constants: dict[str, Any] = {}
    makers: list[tuple[str, Callable[[], Any]]] = []
    fields = model._meta.concrete_fields
    for field in fields:
        if not field.has_db_default() and field.default is not NOT_PROVIDED and callable(field.default):
            makers.append((field.attname, field.get_default))
            continue
        value = field.get_default()
        assert isinstance(value, _UNCHANGING), f"{field} has a default that rows would share"
        constants[field.attname] = value
    return constants, makers, frozenset(field.attname for field in fields)


_UNCHANGING: Final = (str, int, bool, bytes, type(None), DatabaseDefault)
