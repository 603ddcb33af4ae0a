"""Writes: statements that change rows, sent at once or together, many in one round trip.

A table's one row travels as parameters of its columns (`ledger.row_texts`); several as one JSON document
(`json_populate_recordset`), so that a statement has one text however many they are: the driver reads it once,
PostgreSQL plans it once.

In a *gathered* phase what is written waits until the commit and is sent with it as one statement, in the
order in which it was handed in. Such a phase must not read what it has written. The laws hold as ever:
triggers and constraints run in that statement, and a refusal undoes the phase.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache, wraps
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from django.db import DataError, IntegrityError, connection, models, transaction

from ledger import locks
from ledger.row_texts import Columns, document_of, texts_of

P = ParamSpec("P")
R = TypeVar("R")
Refusal = Callable[[IntegrityError | DataError], Exception]

TEXTS_MAX: Final = 512  # statements that are remembered: the same text, so that the driver knows it at a look


class RowsMissing(RuntimeError):
    """A write met fewer rows than it should: a defect, for they were locked."""


def as_it_is(error: IntegrityError | DataError) -> Exception:
    """Return the database's refusal itself: nobody has a better word for it."""
    return error


class One(NamedTuple):
    """How a write of documents is said when it is of one row: its parameters are that row's `columns`."""

    sql: str
    columns: Columns


class Write(NamedTuple):
    """One change of rows; `sql` is an INSERT, UPDATE or DELETE, or with `is_call` an expression that writes.

    Its parameters are `values`, or one document of its rows: such writes with one text are sent as one.
    `rows` is how many it must meet (None: any number), and `missing` makes the error when it does not.
    `refused` finds the named error for a law that the database upheld.
    """

    sql: str
    values: Sequence[Any] = ()
    documents: Sequence[dict[str, Any]] = ()
    rows: int | None = 1
    keys: frozenset[Any] = frozenset()  # table and key of each row: a statement may write a row once
    is_call: bool = False
    missing: Callable[[], Exception] = RowsMissing
    refused: Refusal = as_it_is
    one: One | None = None


class _Step(NamedTuple):
    """A write as the statement has it: its text, how many rows it must meet, its parameters."""

    sql: str
    met: str
    values: Sequence[Any]


_ONE: Final = "one"
_SO_MANY: Final = "so many"  # said by a parameter more
_ANY: Final = "any number"


def write(*writes: Write) -> None:
    """Send these writes: at once as one statement, or in a gathered phase with all others of it.

    :raises Exception: what `missing` or `refused` of a write says.
    """
    unit = locks.require_phase()
    if unit.waiting is None:
        send(*writes)
        return
    if any(not write.keys.isdisjoint(other.keys) for write in writes for other in unit.waiting):
        flush()
    unit.waiting.extend(writes)


def flush() -> None:
    """Send what waits in a gathered phase (it stays gathered): what may be refused before it is answered."""
    unit = locks.require_phase()
    if unit.waiting:
        writes, unit.waiting = unit.waiting, []
        send(*writes)


def gathered(function: Callable[P, R]) -> Callable[P, R]:
    """Make the whole function one gathered phase; it is run again as `locks.phased` does."""

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        unit = locks.require_phase()
        unit.waiting, unit.send_last = [], _send_last
        return function(*args, **kwargs)

    return locks.phased(inside)


def _send_last() -> None:
    """Send what waits in a gathered phase with its COMMIT."""
    unit = locks.require_phase()
    writes, unit.waiting = unit.waiting, None
    if writes:
        send(*writes, is_last=True)


def inserting(model: type[models.Model], rows: Sequence[models.Model], refused: Refusal = as_it_is) -> Write:
    """Return the write that adds rows; columns with a default of the database get that."""
    sql, one, columns, values_of, own = _insertion(model)
    documents = [dict(zip(columns, values_of(row.__dict__), strict=True)) for row in rows]
    for column, value_of in own:
        for document, row in zip(documents, rows, strict=True):
            document[column] = value_of(row)
    return Write(sql, (), documents, len(rows), _keys(model, rows), refused=refused, one=one)


def adding(model: type[models.Model], rows: Sequence[models.Model]) -> Write:
    """Return the write that adds those of the rows whose like is not there yet."""
    write = inserting(model, rows)
    return write._replace(sql=f"{write.sql} ON CONFLICT DO NOTHING", rows=None, one=None)


def moving(model: type[models.Model], rows: Sequence[models.Model], names: frozenset[str]) -> Write:
    """Return the write that gives several rows their values of these fields (`attname`s)."""
    sql, one, columns = _move(model, names)
    documents = [{column: row.__dict__[name] for column, name in columns} for row in rows]
    return Write(sql, (), documents, len(rows), _keys(model, rows), one=one)


def send(*writes: Write, is_last: bool = False) -> None:
    """Send these writes at once, as one statement; with `is_last` the open transaction is committed with it.

    :raises Exception: what `missing` or `refused` of a write says.
    """
    counted = _together(write for write in writes if not write.is_call)
    calls = [write for write in writes if write.is_call]
    steps = [_step(write) for write in counted]
    sql = _text(tuple((step.sql, step.met) for step in steps), tuple(write.sql for write in calls))
    values = [value for step in steps for value in step.values]
    values += [write.rows for write, step in zip(counted, steps, strict=True) if step.met is _SO_MANY]
    values += [value for write in calls for value in write.values]
    try:
        here: Any = transaction.get_connection()  # asked once: each look at `connection` is one at the thread
        cursor = here.kept_cursor()
        # A savepoint of a test's transaction is not the phase's to commit.
        cursor.cursor.is_last = is_last and len(here.atomic_blocks) == 1 and here.commit_on_exit
        cursor.execute(sql, values)
    except (IntegrityError, DataError) as error:
        named = _named(writes, counted, error)
        if named is error:
            raise
        raise named from error


@lru_cache(maxsize=TEXTS_MAX)
def _text(counted: tuple[tuple[str, str], ...], calls: tuple[str, ...]) -> str:
    """Return the statement of writes (each with how many rows it must meet) and calls."""
    # Each is run when its figure is asked for, so in this order; calls come last, for the one that posts
    # locks accounts that others' payments hit too until the phase commits.
    steps = ", ".join(f"w{n} AS ({sql} RETURNING 1)" for n, (sql, _) in enumerate(counted))
    figures = [_figure(n, met) for n, (_, met) in enumerate(counted)]
    found = f"SELECT {', '.join([*figures, *calls])}"
    return f"WITH {steps} {found}" if steps else found


def _figure(number: int, met: str) -> str:
    """Return the expression that runs a write, and refuses when it meets other rows than it should."""
    if met is _ONE:
        return f"CASE WHEN EXISTS (SELECT FROM w{number}) THEN 0 ELSE ledger_rows_missing({number}) END"
    count = f"(SELECT count(*) FROM w{number})"  # noqa: S608 - our own names
    return count if met is _ANY else f"CASE {count} WHEN %s THEN 0 ELSE ledger_rows_missing({number}) END"


def _together(writes: Iterable[Write]) -> list[Write]:
    """Make one of the writes of documents that have the same text."""
    found: dict[Any, Write] = {}
    for number, write in enumerate(writes):
        key = write.sql if write.documents else number
        other = found.get(key)
        if other is None:
            found[key] = write
        else:
            count = None if other.rows is None or write.rows is None else other.rows + write.rows
            found[key] = other._replace(documents=[*other.documents, *write.documents], rows=count)
    return list(found.values())


def _step(write: Write) -> _Step:
    if write.one is not None and len(write.documents) == 1:
        texts = texts_of(write.documents[0], write.one.columns)
        if texts is not None:
            return _Step(write.one.sql, _ONE, texts)  # a row that is told by its key: no second is met
    met = _ANY if write.rows is None else _SO_MANY
    return _Step(write.sql, met, [document_of(write.documents)] if write.documents else write.values)


def _keys(model: type[models.Model], rows: Sequence[models.Model]) -> frozenset[Any]:
    return frozenset((model, row.pk) for row in rows if row.pk is not None)


def _named(writes: Sequence[Write], counted: Sequence[Write], error: IntegrityError | DataError) -> Exception:
    diagnosis = getattr(error.__cause__, "diag", None)
    if diagnosis is not None and diagnosis.constraint_name == _ROWS_MISSING:
        return counted[int(diagnosis.message_detail)].missing()
    for write in writes:
        found = write.refused(error)
        if found is not error:
            return found
    return error


@cache
def _insertion(
    model: type[models.Model],
) -> tuple[
    str,
    One,
    tuple[str, ...],
    Callable[[Any], tuple[Any, ...]],
    tuple[tuple[str, Callable[[Any], Any]], ...],
]:
    """Return the statement, that of one row, the columns whose values a row simply holds, how to take these,
    and how to find all others."""
    quote = connection.ops.quote_name
    fields = [
        field
        for field in model._meta.concrete_fields
        if not field.has_db_default() and not isinstance(field, models.AutoField)
    ]
    own = [field for field in fields if _finds_its_value(field)]
    held = [field for field in fields if field not in own]
    listed = ", ".join(quote(str(field.column)) for field in fields)
    table = quote(model._meta.db_table)
    into = f"INSERT INTO {table} ({listed})"
    return (
        f"{into} SELECT {listed} FROM json_populate_recordset(NULL::{table}, %s)",  # noqa: S608 - our names
        One(f"{into} VALUES ({', '.join(['%s'] * len(fields))})", _columns(fields)),
        tuple(str(field.column) for field in held),
        operator.itemgetter(*(field.attname for field in held)),  # of two or more it returns a tuple
        tuple((str(field.column), _saved(field)) for field in own),
    )


def _columns(fields: Iterable[Any]) -> Columns:
    return tuple((str(field.column), isinstance(field, models.JSONField)) for field in fields)


def _finds_its_value(field: Any) -> bool:
    if isinstance(field, models.DateField | models.TimeField):
        return bool(field.auto_now or field.auto_now_add)
    return type(field).pre_save is not models.Field.pre_save


def _saved(field: Any) -> Callable[[Any], Any]:
    return lambda row: field.pre_save(row, True)


@cache
def _move(model: type[models.Model], names: frozenset[str]) -> tuple[str, One, tuple[tuple[str, str], ...]]:
    quote = connection.ops.quote_name
    key = model._meta.pk
    moving = [field for field in model._meta.concrete_fields if field is not key and field.attname in names]
    columns = tuple((str(field.column), field.attname) for field in (*moving, key))
    table, identity = quote(model._meta.db_table), quote(str(key.column))
    moved = ", ".join(f"{quote(str(field.column))} = n.{quote(str(field.column))}" for field in moving)
    sql = (
        f"UPDATE {table} o SET {moved} "  # noqa: S608 - our names
        f"FROM (SELECT * FROM json_populate_recordset(NULL::{table}, %s) LIMIT {_ALL}) n "
        f"WHERE o.{identity} = n.{identity}"
    )
    given = ", ".join(f"{quote(str(field.column))} = %s" for field in moving)
    one = f"UPDATE {table} SET {given} WHERE {identity} = %s"  # noqa: S608 - our names
    return sql, One(one, _columns((*moving, key))), columns


# No limit, but PostgreSQL expects a tenth of its guess of a hundred rows, and looks each up by its key. For a
# hundred it read the whole table while that was small, and went on with the plan when it had grown.
_ALL: Final = "(SELECT NULL::bigint)"
_ROWS_MISSING: Final = "ledger_rows_missing"
