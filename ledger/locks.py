"""Database transactions as phases, and row locks in one order for the whole house.

A use-case runs in phases: short durable transactions with no network inside. `phase()` opens one and marks
it, so that `record` can refuse a row that was not locked in it; inner functions call `require_phase()`.
Lock order of the house (each app's `locks.py` follows it): idempotency key, merchant, vendor, subscription,
invoice, saga, payment, operation, refund, dispute, payment transaction, escrow, batch, payout, reconciliation
break, ledger accounts by id, outbox. Rows of one table are locked in the order of their keys, all at once.
"""

import functools
import operator
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, ParamSpec, TypeVar

from django.db import OperationalError, models, transaction

from ledger.errors import NotFound, Unavailable

P = ParamSpec("P")
R = TypeVar("R")
Row = TypeVar("Row", bound=models.Model)

TRIES_MAX: Final = 5
RETRY_PAUSE_SECONDS: Final = (0.01, 0.2)
# Serialization failure, deadlock, lock not available (PostgreSQL appendix A): the whole phase may run again.
RETRYABLE_SQLSTATES: Final = frozenset({"40001", "40P01", "55P03"})


class Busy(Unavailable):
    """The rows stayed locked by others for longer than we wait."""

    code = "busy"
    advice = "Send the same request again, with the same Idempotency-Key."


class NoPhase(RuntimeError):
    """A step that needs a phase ran outside one: a defect."""


class Unit:
    """One open phase: what must run just before it commits and right after, and, when its writes are
    gathered, those that wait and who sends them with the commit (`ledger.writing`)."""

    def __init__(self) -> None:
        self.before_commit: list[Callable[[], None]] = []
        self.after_commit: list[Callable[[], None]] = []
        self.waiting: list[Any] | None = None
        self.send_last: Callable[[], None] | None = None


_open: ContextVar[Unit | None] = ContextVar("phase", default=None)
_first: ContextVar[Callable[[], None] | None] = ContextVar("first question", default=None)


@contextmanager
def phase() -> Iterator[Unit]:
    """Run the block as one durable transaction, marked as a phase.

    :raises NoPhase: a phase is already open; phases do not nest.
    """
    if _open.get() is not None:
        raise NoPhase("a phase is open already: a use-case opens its phases itself, one after the other")
    unit = Unit()
    with transaction.atomic(durable=True):
        token = _open.set(unit)
        try:
            question = _first.get()
            if question is not None:
                question()
                unit.after_commit.append(lambda: ask_first(None))
            yield unit
            for step in unit.before_commit:
                step()
            if unit.send_last is not None:
                unit.send_last()
        finally:
            _open.reset(token)
    for step in unit.after_commit:
        step()


def ask_first(question: Callable[[], None] | None) -> None:
    """Let the next phase that commits begin with a question, which refuses by raising; None: with none.

    For what must hold when a request's work begins, whatever service does it. Whoever sets it takes it back
    in the end: a thread serves one request after the other.
    """
    _first.set(question)


def phased(function: Callable[P, R]) -> Callable[P, R]:
    """Make the whole function one phase, run again when PostgreSQL asks for it (at most five times).

    :raises Busy: it was refused each time.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(1, TRIES_MAX + 1):
            try:
                with phase():
                    return function(*args, **kwargs)
            except OperationalError as error:
                if sqlstate(error) not in RETRYABLE_SQLSTATES:
                    raise
                if attempt == TRIES_MAX:
                    raise Busy("the rows needed are locked by other requests") from error
                time.sleep(random.uniform(*RETRY_PAUSE_SECONDS))
        raise AssertionError("unreachable: the loop returns or raises")

    return run


def require_phase() -> Unit:
    """Return the open phase.

    :raises NoPhase: there is none.
    """
    unit = _open.get()
    if unit is None:
        raise NoPhase("this step must run inside ledger.locks.phase()")
    return unit


def is_in_phase() -> bool:
    """Say whether a phase is open; a provider call asks, to refuse."""
    return _open.get() is not None


def before_commit(step: Callable[[], None]) -> None:
    """Run `step` inside the open phase, after everything else and just before it commits."""
    require_phase().before_commit.append(step)


def after_commit(step: Callable[[], None]) -> None:
    """Run `step` once the open phase has committed; it must not fail, for nothing can be undone then."""
    require_phase().after_commit.append(step)


def lock(queryset: "models.QuerySet[Row]") -> list[Row]:
    """Lock and return the rows of a queryset, by primary key, stamped as locked in this phase.

    Waits at most the connection's lock_timeout. Foreign-key checks of others are not blocked (no_key).
    """
    unit = require_phase()
    rows = list(queryset.select_for_update(of=("self",), no_key=True).order_by("pk"))
    for row in rows:
        stamp(row, unit)
    return rows


def lock_one(queryset: "models.QuerySet[Row]", missing: type[NotFound] = NotFound) -> Row:
    """Lock and return the only row of a queryset.

    :raises NotFound: (or the subclass given) there is none.
    """
    rows = lock(queryset)
    if not rows:
        raise missing(f"there is no such {queryset.model._meta.verbose_name}")
    return rows[0]


def lock_pair(queryset: "models.QuerySet[Row]", before: str) -> "tuple[Row, Any] | None":
    """Lock the only row of a queryset together with the row that its relation `before` names; None without.

    One statement; the named row is locked first (PostgreSQL locks in the order of `FOR … OF`), and a row that
    changed while it was waited for is read again.
    """
    unit = require_phase()
    row = queryset.select_related(before).select_for_update(of=(before, "self"), no_key=True).first()
    if row is None:
        return None
    first = getattr(row, before)
    stamp(first, unit)
    stamp(row, unit)
    return row, first


def stamp(row: models.Model, unit: Unit) -> None:
    """Mark a row as locked in this phase and remember its values, so that only changes are written."""
    held = row.__dict__
    names, values_of = _columns(type(row))
    try:
        before = dict(zip(names, values_of(held), strict=True))
    except KeyError:  # a column was not read, or is filled by the database
        before = {name: held.get(name) for name in names}
    held["_before"] = before
    if held.get("_locked_in") is not unit:
        held["_found"] = before  # as the phase found it, however often it is written meanwhile
    held["_locked_in"] = unit


@functools.cache
def _columns(model: type[models.Model]) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    names = tuple(field.attname for field in model._meta.concrete_fields)
    return names, operator.itemgetter(*names)  # of one column it would return a value, no tuple: none has one


def changes_in_phase(row: models.Model) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the columns of a locked row that differ from what the open phase found: before and after."""
    if row.__dict__.get("_locked_in") is not require_phase():
        return {}, {}
    found = row.__dict__["_found"]
    changed = [name for name, value in found.items() if row.__dict__.get(name) != value]
    return {name: found[name] for name in changed}, {name: row.__dict__.get(name) for name in changed}


def is_locked(row: models.Model) -> bool:
    """Say whether the row was locked (or made) in the open phase."""
    return row.__dict__.get("_locked_in") is require_phase()


def sqlstate(error: Exception) -> str:
    """Return PostgreSQL's error class of a Django database error, or an empty string."""
    cause: Any = error.__cause__
    return getattr(cause, "sqlstate", None) or ""
