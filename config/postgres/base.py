"""Django's PostgreSQL engine; its connections are looked at without a round trip before they are used again.

1. Django asks the server (`SELECT 1`) at the first statement of each request. A server that has closed a
   connection has said so: its end of the socket can be read. So a connection that was used a moment ago, and
   on which nothing has arrived since, is taken as it is; any other is asked as Django does it.
2. Instants are read by the interpreter's own parser; the driver's, once Django derives from it, is Python.
3. Transactions are opened and closed on the way of their first and last statements (`cursor`).
4. A cursor that its user has closed is given to the next: to make one takes as long as to send a statement.
5. A statement of which no row is read, a lock or a check that refuses, may go with the next one
   (`say_ahead`): one wait for the server less.
"""

import select
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from django.db.backends import utils
from django.db.backends.postgresql import base
from django.db.transaction import TransactionManagementError
from psycopg import InterfaceError
from psycopg.pq import TransactionStatus
from psycopg.types.datetime import TimestamptzLoader

from config.postgres.cursor import Ahead, Cursor
from ledger import clock

QUIET_SECONDS: Final = 30.0  # after a longer rest a firewall may have forgotten it, and neither side was told


class UtcLoader(TimestamptzLoader):
    """Reads instants of a session in UTC; what the interpreter cannot read (infinity), the driver does."""

    timezone = UTC  # Django asks for it

    def load(self, data: Any) -> datetime:
        """Return the instant of a text such as `2026-11-21 21:38:01.5+00`."""
        try:
            return datetime.fromisoformat(str(data, "ascii"))
        except ValueError:
            return super().load(data)


class _Closed:
    """What a caller holds of a cursor that he closed: the cursor may be another's by then."""

    closed = True

    def close(self) -> None:
        """Close it once more."""

    def __getattr__(self, name: str) -> Any:
        raise InterfaceError("the cursor is closed")


class Handle(utils.CursorWrapper):
    """A caller's hold on a cursor; it ends when he closes it, and the cursor is free for the next."""

    def close(self) -> None:
        """Let go of the cursor, once."""
        cursor, self.cursor = self.cursor, _CLOSED
        cursor.close()
        self.db.take_back(cursor)

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        with self.db.wrap_database_errors:
            return self.cursor.fetchone()

    def fetchall(self) -> Any:
        """Return all rows that are left."""
        with self.db.wrap_database_errors:
            return self.cursor.fetchall()


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to PostgreSQL."""

    health_check_enabled: bool
    health_check_done: bool
    run_commit_hooks_on_set_autocommit_on: bool
    errors_occurred: bool
    _prepare_cursor: Callable[[Any], Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seen_at = float("-inf")
        self._kept: Any = None
        self._free: list[Cursor] = []
        self._ahead: Ahead = []
        self._has_our_cursors = False

    def create_cursor(self, name: str | None = None) -> Any:
        """Return a cursor that nobody else has."""
        if name:
            self._say()
        if name or not self._free:
            cursor = super().create_cursor(name)
            if isinstance(cursor, Cursor):
                cursor.ahead = self._ahead
            return cursor
        return self._free.pop().reopened()

    def say_ahead(self, sql: str, values: list[Any]) -> None:
        """Have a statement of the open transaction sent just before the next one, at the latest with the
        COMMIT; what refuses it refuses that. Where somebody reads along what is executed, and on a connection
        whose cursors are not ours (values put into the text, as the owner's), it goes by itself, now.

        :raises TransactionManagementError: no transaction is open.
        """
        if not self.in_atomic_block:
            raise TransactionManagementError("what is said ahead belongs to a transaction")
        self._ahead.append((sql, values))
        if self.queries_logged or self.execute_wrappers or not self._has_our_cursors:
            self._say()

    def _say(self) -> None:
        """Send what was to go with the next statement by itself."""
        while self._ahead:
            told = self._ahead.pop(0)
            with self.cursor() as cursor:
                cursor.execute(*told)

    def make_cursor(self, cursor: Any) -> Handle:
        """Return a new caller's hold on a cursor."""
        return Handle(cursor, self)

    def take_back(self, cursor: Any) -> None:
        """Keep a closed cursor for the next who needs one, when it is as a new one of this connection is."""
        if type(cursor) is Cursor and cursor.connection is self.connection and self.timezone is UTC:
            self._free.append(cursor)

    def kept_cursor(self) -> Any:
        """Return the cursor of this connection that is never closed: for statements of which no row is read.

        What it learned of a statement's parameters it need not learn again when the same text comes next.
        """
        self.close_if_health_check_failed()
        self.ensure_connection()
        if self._kept is None or self._kept.connection is not self.connection:
            with self.wrap_database_errors:
                self._kept = self.create_cursor()
        return self._prepare_cursor(self._kept)

    def get_autocommit(self) -> bool:
        """Say whether each statement is a transaction of its own."""
        if self.connection is None:
            self.ensure_connection()
        return self.autocommit

    def set_autocommit(
        self, autocommit: bool, force_begin_transaction_with_broken_autocommit: bool = False
    ) -> None:
        """Begin or end a transaction; where nothing is to be sent, logged or refused, it is only noted."""
        if not self.in_atomic_block:
            self.close_if_health_check_failed()
        if self.in_atomic_block or not self._is_between():
            super().set_autocommit(autocommit, force_begin_transaction_with_broken_autocommit)
            return
        self.connection._autocommit = self.autocommit = autocommit  # as the driver's own setter does
        if autocommit and self.run_commit_hooks_on_set_autocommit_on:
            self.run_and_clear_commit_hooks()
            self.run_commit_hooks_on_set_autocommit_on = False

    def commit(self) -> None:
        """Commit, when the server has not done so already and was told to begin."""
        self._say()
        if self.in_atomic_block or not self._is_between():
            super().commit()
            return
        self.validate_thread_sharing()
        self.errors_occurred = False
        self.run_commit_hooks_on_set_autocommit_on = True

    def rollback(self) -> None:
        """Undo the transaction; what was to be said in it is not."""
        self._ahead.clear()
        super().rollback()

    def savepoint_rollback(self, sid: str) -> None:
        """Undo what was done since a savepoint; what was to be said in it is not."""
        self._ahead.clear()
        super().savepoint_rollback(sid)

    def _is_between(self) -> bool:
        """Say whether the server has no transaction of this connection open (and nobody reads the log)."""
        return (
            self.connection is not None
            and self.connection.pgconn.transaction_status == TransactionStatus.IDLE
            and not self.queries_logged
        )

    def get_connection_params(self) -> dict[str, Any]:
        """Return what the driver is to connect with."""
        found: dict[str, Any] = super().get_connection_params()
        self._has_our_cursors = found["cursor_factory"] is base.ServerBindingCursor
        if self._has_our_cursors:
            found["cursor_factory"] = Cursor
        return found

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a new connection of the driver."""
        connection = super().get_new_connection(conn_params)
        self._free = []
        self._ahead.clear()
        if self.timezone is UTC:
            connection.adapters.register_loader("timestamptz", UtcLoader)
        return connection

    def close_if_health_check_failed(self) -> None:
        """Close the connection when it is of no use any more; once a request."""
        if self.connection is None or not self.health_check_enabled or self.health_check_done:
            return
        now = clock.monotonic()
        if now - self._seen_at < QUIET_SECONDS and self._is_silent():
            self.health_check_done = True
        else:
            super().close_if_health_check_failed()
        self._seen_at = now

    def _is_silent(self) -> bool:
        """Say whether nothing has arrived that nobody asked for: the end of the connection, or of the
        server."""
        if self.connection.closed:
            return False
        looker = select.poll()
        looker.register(self.connection.fileno(), select.POLLIN)
        return not looker.poll(0)


_CLOSED: Final = _Closed()
