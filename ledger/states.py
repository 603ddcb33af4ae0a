"""The state machine kit: machines as data, guarded in Python by django-fsm-2 and in SQL by one trigger.

An edge names the move, where it may start, where it ends, the event it means and whether money moves with it.
A model's methods are bound to edges; `ledger.recording.record` sees which edge was taken. The library can
be gone round by `QuerySet.update` and `create(state=…)`, so the table `ledger_state_edge` (written from
this registry after each migrate) is checked by a trigger on every table that has a machine.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import CharField
from django_fsm import FSMField, TransitionNotAllowed, transition

from ledger.errors import Conflict

NEW: Final = ""
HISTORICAL: Final = "__fake__"  # the module of Django's models of the past (migrations.state.ModelState)
STAY: Final = "*"  # the target of an edge that changes fields and leaves the state as it is

P = ParamSpec("P")
M = TypeVar("M")
R = TypeVar("R")


class StateConflict(Conflict):
    """The object's state does not allow this move."""

    code = "state_conflict"
    advice = "Fetch the object, look at its status, and send a request that this status allows."


@dataclass(frozen=True, slots=True)
class Edge:
    """One legal move: `by` names the only kind of actor who may take it, when there is one.

    An edge to `STAY` leaves the state as it is: something else of the row changed, and is an event too.
    """

    name: str
    frm: frozenset[str] | set[str]
    to: str
    event: str
    posts: bool = False
    by: str | None = None


class Machine:
    """A named set of edges; the first of a new object starts at NEW."""

    registry: Final[dict[str, "Machine"]] = {}

    def __init__(self, name: str, edges: Iterable[Edge]) -> None:
        self.name = name
        self.edges: Mapping[str, Edge] = MappingProxyType({edge.name: edge for edge in edges})
        Machine.registry[name] = self

    def edge(self, name: str) -> Callable[[Callable[Concatenate[M, P], R]], Callable[Concatenate[M, P], R]]:
        """Bind a model's method to an edge: the method guards and sets fields; the state changes after it.

        :raises StateConflict: (when called) the object is not in a state where the edge starts.
        """
        edge = self.edges[name]

        def bind(method: Callable[Concatenate[M, P], R]) -> Callable[Concatenate[M, P], R]:
            target = None if edge.to == STAY else edge.to  # None is the library's word for staying
            guarded = transition(field="state", source=sorted(edge.frm), target=target)(method)

            @functools.wraps(guarded)
            def take(instance: M, /, *args: P.args, **kwargs: P.kwargs) -> R:
                row: Any = instance
                was = row.state
                try:
                    result: R = guarded(instance, *args, **kwargs)
                except TransitionNotAllowed as error:
                    raise StateConflict(
                        f"a {self.name.replace('_', ' ')} that is {row.state or 'new'} cannot {edge.name}",
                        param="status",
                        state=row.state,
                        edge=edge.name,
                    ) from error
                row.__dict__.setdefault("_edges_taken", []).append((edge, was))
                return result

            take.__dict__["edge"] = edge  # so that a walk over the model finds which method takes which edge
            return take

        return bind

    def states(self) -> list[str]:
        """Return every state of the machine in the order in which the edges name them."""
        named = [state for edge in self.edges.values() for state in (*sorted(edge.frm), edge.to)]
        return [state for state in dict.fromkeys(named) if state not in (NEW, STAY)]

    def mermaid(self) -> str:
        """Draw the machine as a Mermaid state diagram."""
        lines = ["stateDiagram-v2"]
        for edge in self.edges.values():
            for start in sorted(edge.frm):
                end = start if edge.to == STAY else edge.to
                lines.append(f"    {start or '[*]'} --> {end}: {edge.name}")
        left = {start for edge in self.edges.values() if edge.to != STAY for start in edge.frm}
        leaves = set(self.states()) - left
        lines += [f"    {state} --> [*]" for state in self.states() if state in leaves]
        return "\n".join(lines)


class StateField(FSMField):
    """A protected text column that only the edges of its machine change."""

    def __init__(self, machine: Machine | None = None, **options: Any) -> None:
        self.machine = machine
        options.setdefault("max_length", 32)
        options.setdefault("default", NEW)
        options.setdefault("db_index", False)
        options["protected"] = True
        super().__init__(**options)

    def get_state(self, instance: Any) -> Any:
        """Return the state of a row; one that was not read is read now, as the library does it."""
        try:
            return instance.__dict__[self.name]
        except KeyError:
            return super().get_state(instance)

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False, **options: Any) -> None:
        """Join a model; in one of the past, which migrations see, it is a text column like others.

        The library would ask each such field again about every model made afterwards: a third of migrating.
        """
        if cls.__module__ == HISTORICAL:
            CharField.contribute_to_class(self, cls, name, private_only=private_only, **options)
        else:
            super().contribute_to_class(cls, name, private_only=private_only, **options)


def guard_sql(table: str, machine: str) -> str:
    """Return the SQL that puts a table's `state` column under its machine (for migrations)."""
    return f"""
CREATE TRIGGER {table}_state_insert BEFORE INSERT ON {table}
    FOR EACH ROW EXECUTE FUNCTION ledger_guard_state('{machine}');
CREATE TRIGGER {table}_state_update BEFORE UPDATE ON {table}
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION ledger_guard_state('{machine}');
"""


def unguard_sql(table: str) -> str:
    """Return the SQL that undoes `guard_sql`."""
    return f"DROP TRIGGER {table}_state_insert ON {table}; DROP TRIGGER {table}_state_update ON {table};"


def write_edges(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Make the table of edges equal to the registry; run after each migrate, as the owner."""
    wanted = {
        (machine.name, start, start if edge.to == STAY else edge.to)
        for machine in Machine.registry.values()
        for edge in machine.edges.values()
        for start in edge.frm
    }
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT machine, source, target FROM ledger_state_edge")
        present = set(cursor.fetchall())
        for edge in present - wanted:
            cursor.execute(
                "DELETE FROM ledger_state_edge WHERE (machine, source, target) = (%s, %s, %s)", edge
            )
        if wanted - present:
            cursor.executemany(
                "INSERT INTO ledger_state_edge (machine, source, target) VALUES (%s, %s, %s)",
                sorted(wanted - present),
            )
