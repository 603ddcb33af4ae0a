"""A kept connection is looked at before it is used again, without asking the server each time."""

from datetime import UTC, datetime

import pytest
from django.db import DataError, InterfaceError, connections
from django.test.utils import CaptureQueriesContext

from config.postgres import base

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def kept():
    """A connection of its own, as a request has left it."""
    connection = connections.create_connection("default")
    connection.ensure_connection()
    yield connection
    connection.close()


def begin_request(connection):
    connection.health_check_enabled, connection.health_check_done = True, False


def asked(connection):
    """Begin a request, use the connection, and return the health checks that the server saw."""
    begin_request(connection)
    checks = []
    connection.is_usable = lambda: checks.append(1) or base.DatabaseWrapper.is_usable(connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return len(checks), cursor.fetchone()[0]


def test_the_server_is_asked_once_and_then_only_after_a_rest(kept, monkeypatch):
    assert asked(kept)[0] == 1
    assert asked(kept)[0] == 0
    monkeypatch.setattr(base, "QUIET_SECONDS", 0.0)
    assert asked(kept)[0] == 1


def test_a_connection_that_was_ended_meanwhile_is_made_anew(kept):
    asked(kept)
    _, process = asked(kept)
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [process])
        assert cursor.fetchone() == (True,)
    checks, another = asked(kept)
    assert checks == 1
    assert another != process


def test_the_settings_name_the_engine():
    assert isinstance(connections["default"], base.DatabaseWrapper)
    with CaptureQueriesContext(connections["default"]) as captured, connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1")
    assert len(captured) == 1


@pytest.mark.parametrize("fraction", ["", ".5", ".123456", ".10"])
def test_an_instant_is_read_as_it_was_written(fraction):
    text = f"2026-11-21 21:38:01{fraction}"
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz, NULL::timestamptz", [f"{text}+00"])
        (found, nothing) = cursor.fetchone()
    assert found == datetime.fromisoformat(f"{text}+00:00")
    assert (found.tzinfo, nothing) == (UTC, None)


def test_a_closed_cursor_is_the_next_ones_and_nobody_elses(kept):
    with kept.cursor() as first:
        first.execute("SELECT %s::int", [1])
        inner = first.cursor
    first.close()
    with kept.cursor() as second, kept.cursor() as third:
        assert second.cursor is inner
        assert third.cursor is not inner
        second.execute("SELECT %s::int", [2])
        with pytest.raises(InterfaceError, match="closed"):
            first.fetchone()
        with pytest.raises(InterfaceError, match="closed"):
            first.execute("SELECT 3")
        assert second.fetchone() == (2,)
    assert first.cursor.closed


def test_a_cursor_is_as_good_as_new_after_a_refusal_and_what_was_left_undone(kept):
    with pytest.raises(DataError), kept.cursor() as first:
        inner = first.cursor
        first.execute("SELECT 1 / %s::int", [0])
    with kept.cursor() as second:
        assert second.cursor is inner
        assert second.description is None
        inner.is_last = True  # said, and then nothing was executed
    with kept.cursor() as third:
        assert third.cursor is inner
        assert inner.is_last is False


def test_a_cursor_of_a_lost_connection_is_nobodys(kept):
    with kept.cursor() as first:
        inner = first.cursor
        kept.close()
        kept.ensure_connection()
    with kept.cursor() as second:
        assert second.cursor is not inner
        second.execute("SELECT %s::int", [1])
        assert second.fetchall() == [(1,)]
    kept.close()
    with kept.cursor() as third:
        assert third.cursor.connection is kept.connection


def test_a_named_cursor_is_not_kept(kept):
    kept.set_autocommit(False)
    with kept.chunked_cursor() as named:
        named.execute("SELECT generate_series(1, %s::int)", [3])
        assert named.fetchmany(2) == [(1,), (2,)]
        inner = named.cursor
    with kept.cursor() as plain:
        assert plain.cursor is not inner


def test_a_cursor_at_rest_holds_on_to_no_rows_and_writes_every_kind_of_value(kept):
    found = []
    for value in (1, "one", None, 2**40, [1, 2], ["a"], b"\x00", NOON, NOON.date(), True):
        with kept.cursor() as cursor:
            inner = cursor.cursor
            cursor.execute("SELECT (%s)::text", [value])
            found.append(cursor.fetchone()[0])
        assert (inner.pgresult, inner._tx.pgresult) == (None, None)
    assert found == [
        "1", "one", None, "1099511627776", "{1,2}", "{a}", "\\x00", "2026-11-22 12:00:00+00", "2026-11-22",
        "true",
    ]  # fmt: skip
