"""Cursors that open and close transactions on the way: fewer round trips, the same transactions.

The driver sends BEGIN, waits, and sends the first statement; it waits for the last one before it sends
COMMIT. What is to be said in any case is said at once here, by libpq's pipeline mode (PostgreSQL manual,
"Pipeline Mode"), with one Sync at the end and no Flush, so that a pooler sees one exchange:

1. BEGIN goes with the first statement of a transaction.
2. COMMIT goes with a statement whose cursor says `is_last`. The server runs it only if the statement did
   well; of a connection lost meanwhile nobody knows whether it did, as with a COMMIT by itself.
3. A statement that is both needs neither: by itself it is a transaction.
4. What the connection was told to say `ahead` goes just before the next statement: a lock, or a check that
   refuses. Each is a statement of its own, which sees what was committed when it began; when it is refused,
   the server leaves out all that follows it.

Statements without parameters go the driver's own way: they may be several in one text. Parts of the driver
without a public name are used (psycopg 3.3): how it converts, prepares, checks and keeps.
"""

import functools
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final, Self

import psycopg
from django.db.backends.postgresql import base
from psycopg import generators
from psycopg._preparing import Prepare
from psycopg._queries import PostgresQuery, _query2pg_nocache
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

_COMMIT: Final = b"COMMIT"
_REMEMBERED_LENGTH_MAX: Final = 32_768
_SEQUENCES: Final = (list, tuple)
Results = list[Any]
Ahead = list[tuple[str, list[Any]]]  # statements and their parameters, not yet sent


class Statement(PostgresQuery):
    """A statement as the server reads it, remembered: the driver itself reads long texts anew each time."""

    __slots__ = ()

    def convert(self, query: Any, vars: Any) -> None:
        """Take a text and its parameters."""
        if type(query) is str and type(vars) in _SEQUENCES and len(query) <= _REMEMBERED_LENGTH_MAX:
            self.query, self._want_formats, self._order, self._parts = _read(query, self._tx.encoding)
            self.dump(vars)
        else:
            super().convert(query, vars)


@functools.lru_cache(maxsize=512)
def _read(query: str, encoding: str) -> Any:
    return _query2pg_nocache(query.encode(encoding), encoding)


@dataclass(frozen=True, slots=True)
class _Said:
    """A statement as it is sent: whether it is to be prepared first, and by what name the server knows it."""

    statement: Any
    preparing: Prepare
    name: bytes


class Cursor(base.ServerBindingCursor, psycopg.Cursor[Any]):
    """A cursor as above; `is_last` says that the transaction ends with what it executes next."""

    is_last = False
    ahead: Ahead | None = None  # the connection's, shared by its cursors
    _query_cls = Statement

    def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool | None = None
    ) -> Self:
        """Send one statement and wait for its result."""
        is_last, self.is_last = self.is_last, False
        connection = self._conn
        begins = not connection.autocommit and self._pgconn.transaction_status == TransactionStatus.IDLE
        is_plain = params and prepare is None and binary is None and connection._pipeline is None
        if not is_plain:
            self.say_ahead()
            super().execute(query, params, prepare=prepare, binary=binary)
            if is_last:
                connection.commit()
            return self
        if self._closed:
            raise psycopg.InterfaceError("the cursor is closed")
        with connection.lock:
            self._exchange(query, params, begins=begins, ends=is_last)
        return self

    def close(self) -> None:
        """Close the cursor, and hold on to no rows: it may be at rest for long before it is used again."""
        super().close()
        if hasattr(self, "_tx"):
            self._tx.set_pgresult(None)

    def reopened(self) -> Self:
        """Return this cursor, which was closed, as good as new."""
        self._closed = self.is_last = False
        return self

    def say_ahead(self) -> None:
        """Send now what was to go with the next statement."""
        while self.ahead:
            self.execute(*self.ahead.pop(0))

    def _exchange(self, query: Any, params: Any, *, begins: bool, ends: bool) -> None:
        connection = self._conn
        connection._check_connection_ok()
        self._reset()
        if not hasattr(self, "_tx"):  # kept: it has learned how each kind of value is written
            self._tx = Transformer(self)
        self._last_query = None
        said = self._said(query, params)
        before = [self._said(*told) for told in self._taken_ahead()]
        self._query = said.statement
        if begins == ends and not before:
            found = [self._alone(said)]
        else:
            found = self._together([*before, said], begins=begins, ends=ends)
        for one, results in zip([*before, said], found, strict=True):
            key = connection._prepared.maybe_add_to_cache(one.statement, one.preparing, one.name)
            if key is not None:
                connection._prepared.validate(key, one.preparing, one.name, results)
            self._check_results(results)
        self._set_results(found[-1])
        self._last_query = query
        if connection._prepared._to_flush:
            connection.wait(connection._prepared.maintain_gen(connection))

    def _taken_ahead(self) -> Ahead:
        if not self.ahead:
            return []
        taken, self.ahead[:] = list(self.ahead), []
        return taken

    def _said(self, query: Any, params: Any) -> _Said:
        statement = self._convert_query(query, params)
        return _Said(statement, *self._conn._prepared.get(statement))

    def _alone(self, said: _Said) -> Results:
        """Run a statement as a transaction of its own, or as part of one that has begun and goes on."""
        if said.preparing is Prepare.SHOULD:
            self._prepare(said)
            self._check_results(self._conn.wait(generators.execute(self._pgconn)))
        self._send(said)
        found: Results = self._conn.wait(generators.execute(self._pgconn))
        return found

    def _together(self, told: list[_Said], *, begins: bool, ends: bool) -> list[Results]:
        """Send all that is to be said; return the statements' results when what goes with them did well."""
        server = self._pgconn
        own: list[int] = []  # at which place each statement is answered
        place = int(begins)
        server.enter_pipeline_mode()
        try:
            if begins:
                server.send_query_params(self._conn._get_tx_start_command(), None)
            for said in told:
                if said.preparing is Prepare.SHOULD:
                    self._prepare(said)
                    place += 1
                self._send(said)
                own.append(place)
                place += 1
            if ends:
                server.send_query_params(_COMMIT, None)
            server.pipeline_sync()
            answers = self._conn.wait(self._answers(place + ends + 1))
        finally:
            self._leave()
        for results in answers[: own[-1]]:
            self._check_results(results)
        found = [answers[at] if at < len(answers) else [] for at in own]
        if ends and _are_well(found[-1]):
            self._check_results(answers[place])
        return found

    def _prepare(self, said: _Said) -> None:
        self._pgconn.send_prepare(said.name, said.statement.query, param_types=said.statement.types)

    def _send(self, said: _Said) -> None:
        statement = said.statement
        if said.name:
            self._pgconn.send_query_prepared(said.name, statement.params, param_formats=statement.formats)
        else:
            self._pgconn.send_query_params(
                statement.query,
                statement.params,
                param_formats=statement.formats,
                param_types=statement.types,
            )

    def _answers(self, expected: int) -> Generator[Any, Any, list[Results]]:
        """Return the answers to each thing said, the Sync last; fewer when the server said why it left."""
        yield from generators.send(self._pgconn)
        found: list[Results] = []
        try:
            while len(found) < expected:
                found.append((yield from generators.fetch_many(self._pgconn)))
        except psycopg.DatabaseError:
            if all(_are_well(results) for results in found):
                raise
        return found

    def _leave(self) -> None:
        """Leave the pipeline; a connection on which answers are still to come is of no use any more."""
        if self._pgconn.status == ConnStatus.BAD:
            return
        try:
            self._pgconn.exit_pipeline_mode()
        except psycopg.OperationalError:
            self._pgconn.finish()


def _are_well(results: Results) -> bool:
    return all(result.status != ExecStatus.FATAL_ERROR for result in results)
