"""Transactions open and close on the way of their first and last statements, and are what they were."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest
from django.db import DataError, IntegrityError, OperationalError, connections, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from psycopg.pq import TransactionStatus

from config.postgres import cursor
from ledger import clock
from ledger.ids import uuid7
from ledger.locks import sqlstate
from ledger.models import OutboxMessage
from tests.kit.faultproxy import FaultProxy
from tests.kit.owner import OWNERS
from tests.kit.polling import eventually

pytestmark = pytest.mark.django_db(transaction=True)

# Sent already: what is committed here, no relay of another test shall find to send.
ADD = """INSERT INTO ledger_outbox
             (event_id, handler, subject_id, sequence, due_at, sent_at, tries, last_error)
         VALUES (%s, %s, %s, 1, now(), now(), 0, '') RETURNING id"""
# Of nobody in no group: foreign keys that are looked at when the transaction ends.
ORPHAN = "INSERT INTO auth_user_groups (user_id, group_id) VALUES (%s, %s)"
SYNC = b"S\x00\x00\x00\x04"  # the last bytes of an exchange
WAITS = "SELECT count(*)::int FROM pg_locks WHERE pid = %s AND NOT granted"
BOTH = pytest.mark.parametrize("is_first", [True, False])


@pytest.fixture
def connection():
    """A connection of its own."""
    made = connections.create_connection("default")
    made.ensure_connection()
    yield made
    made.close()


@pytest.fixture
def atomic(connection, monkeypatch):
    """`transaction.atomic` on that connection."""
    monkeypatch.setattr(transaction, "get_connection", lambda using=None: connection)
    return transaction.atomic


def run(connection, sql, parameters, *, is_last=False):
    with connection.cursor() as made:
        made.cursor.is_last = is_last
        made.execute(sql, parameters)
        return made.fetchall() if made.description else []


def status(connection):
    return connection.connection.info.transaction_status


def is_seen(connection, told):
    return bool(run(connection, "SELECT 1 FROM ledger_outbox WHERE event_id = %s", [told[0]]))


def message():
    return [uuid7(), "cursor", uuid7()]


def is_kept(told):
    return OutboxMessage.objects.filter(event_id=told[0]).exists()


def test_a_transaction_begins_with_its_first_statement_and_ends_as_it_is_told(connection, atomic):
    kept, undone = message(), message()
    with atomic():
        assert status(connection) == TransactionStatus.IDLE
        run(connection, ADD, kept)
        assert status(connection) == TransactionStatus.INTRANS
        assert not is_kept(kept)
    assert is_kept(kept)
    with pytest.raises(LookupError), atomic():
        run(connection, ADD, undone)
        raise LookupError
    assert (status(connection), is_kept(undone)) == (TransactionStatus.IDLE, False)


def test_savepoints_and_statements_without_parameters_are_as_before(connection, atomic):
    kept, undone = message(), message()
    with atomic():
        with pytest.raises(IntegrityError), atomic():
            run(connection, ADD, undone)
            run(connection, ADD, undone)
        run(connection, "SELECT 1; SELECT 2", None)
        run(connection, ADD, kept)
    assert (is_kept(kept), is_kept(undone)) == (True, False)


@BOTH
def test_the_last_statement_commits(connection, atomic, is_first):
    told = message()
    with atomic():
        if not is_first:
            run(connection, "SELECT %s", ["x"])
        assert len(run(connection, ADD, told, is_last=True)) == 1
        assert (status(connection), is_kept(told)) == (TransactionStatus.IDLE, True)


@BOTH
def test_what_the_last_statement_is_refused_for_undoes_all(connection, atomic, is_first):
    before, told = message(), message()
    with pytest.raises(IntegrityError) as refused, atomic():
        if not is_first:
            run(connection, ADD, before)
        run(connection, f"WITH w AS ({ADD}) {ADD}", [*told, *told], is_last=True)
    assert refused.value.__cause__.diag.constraint_name == "ledger_outbox_once_per_handler"
    assert not is_kept(before)
    assert not is_kept(told)
    assert run(connection, "SELECT %s", ["goes on"]) == [("goes on",)]


@BOTH
def test_what_is_refused_at_the_end_of_the_transaction_undoes_all(connection, atomic, is_first):
    told = message()
    with pytest.raises(IntegrityError) as refused, atomic():
        if not is_first:
            run(connection, ADD, told)
        run(connection, ORPHAN, [2**31 - 1, 2**31 - 1], is_last=True)
    assert refused.value.__cause__.sqlstate == "23503"
    assert status(connection) == TransactionStatus.IDLE
    assert not is_kept(told)


@pytest.mark.parametrize("is_last", [True, False])
@BOTH
def test_a_server_that_goes_away_is_an_operational_error(connection, atomic, is_first, is_last):
    with pytest.raises(OperationalError) as lost, atomic():
        if not is_first:
            run(connection, "SELECT %s", ["x"])
        run(connection, "SELECT pg_terminate_backend(pg_backend_pid()), %s", ["x"], is_last=is_last)
    assert isinstance(lost.value.__cause__, psycopg.errors.AdminShutdown)
    assert run(connection, "SELECT %s", ["made anew"]) == [("made anew",)]


@BOTH
def test_of_an_answer_that_was_lost_nobody_knows(connection, atomic, is_first):
    """The commit may have happened: the caller is told that the connection was lost, nothing else."""
    told, settings = message(), connection.settings_dict
    with FaultProxy(settings["HOST"], int(settings["PORT"])) as proxy:
        connection.close()
        connection.settings_dict = {**settings, "HOST": "127.0.0.1", "PORT": str(proxy.port)}
        connection.ensure_connection()
        with pytest.raises(OperationalError) as lost, atomic():
            if not is_first:
                run(connection, "SELECT %s", ["x"])
            proxy.cut_after(SYNC)
            run(connection, ADD, told, is_last=True)
        assert sum(proxy.hits.values()) == 1
    assert sqlstate(lost.value) == ""
    assert is_kept(told)


def test_a_lock_that_is_not_got_has_its_own_state(connection):
    row = OutboxMessage.objects.create(
        event_id=uuid7(), handler="h", subject_id=uuid7(), sequence=1, due_at=clock.now(), sent_at=clock.now()
    )
    nowait = "SELECT id FROM ledger_outbox WHERE id = %s FOR UPDATE NOWAIT"
    connection.set_autocommit(False)
    run(connection, nowait, [row.pk])
    with pytest.raises(OperationalError) as refused, transaction.atomic():
        run(connections["default"], nowait, [row.pk])
    connection.rollback()
    assert sqlstate(refused.value) == "55P03"


@pytest.mark.parametrize("is_last", [True, False])
@BOTH
def test_a_statement_is_prepared_when_it_comes_round(connection, atomic, is_first, is_last):
    for _ in range(5):
        with atomic():
            if not is_first:
                run(connection, "SELECT 1", None)
            run(connection, ADD, message(), is_last=is_last)
    text = ADD.replace("%s, %s, %s", "$1, $2, $3")
    prepared = "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement = %s"
    assert run(connection, prepared, [text]) == [(2,)]


def test_what_is_said_ahead_goes_with_the_next_statement(connection, atomic):
    with atomic():
        connection.say_ahead("SELECT pg_advisory_xact_lock(%s)", [7])
        assert status(connection) == TransactionStatus.IDLE
        assert run(
            connection, "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND objid = %s", [7]
        ) == [(1,)]
        connection.say_ahead("SELECT set_config('bench.a', %s, true)", ["one"])
        connection.say_ahead("SELECT set_config('bench.b', current_setting('bench.a') || %s, true)", ["two"])
        assert run(connection, "SELECT current_setting(%s)", ["bench.b"], is_last=True) == [("onetwo",)]
        assert status(connection) == TransactionStatus.IDLE


@pytest.mark.django_db(transaction=True, databases=OWNERS)
def test_a_connection_whose_cursors_speak_otherwise_says_it_at_once(monkeypatch):
    """The owner's: its values are put into the text, and its cursors are Django's."""
    connection = connections.create_connection("owner")
    monkeypatch.setattr(transaction, "get_connection", lambda using=None: connection)
    try:
        with transaction.atomic():
            connection.say_ahead("SELECT set_config('bench.c', %s, true)", ["one"])
            assert run(connection, "SELECT current_setting('bench.c') || %s", [" two"]) == [("one two",)]
    finally:
        connection.close()


@pytest.mark.parametrize("is_last", [True, False])
@BOTH
def test_what_is_refused_ahead_refuses_what_follows(connection, atomic, is_first, is_last):
    before, told = message(), message()
    for _ in range(7):  # also when both are prepared
        with pytest.raises(DataError) as refused, atomic():
            if not is_first:
                run(connection, ADD, before)
            connection.say_ahead("SELECT 1 / %s::int", [0])
            run(connection, ADD, told, is_last=is_last)
        assert refused.value.__cause__.sqlstate == "22012"
        assert status(connection) == TransactionStatus.IDLE
        assert (is_kept(before), is_kept(told)) == (False, False)
    assert run(connection, "SELECT %s", ["goes on"]) == [("goes on",)]


def test_what_nothing_follows_is_said_before_the_commit(connection, atomic):
    told = message()
    with atomic():
        connection.say_ahead(ADD, told)
    assert is_kept(told)
    with pytest.raises(DataError), atomic():
        connection.say_ahead("SELECT 1 / %s::int", [0])
    assert status(connection) == TransactionStatus.IDLE


def test_what_was_said_ahead_is_undone_with_the_rest(connection, atomic):
    told = message()
    with pytest.raises(LookupError), atomic():
        connection.say_ahead(ADD, told)
        raise LookupError
    with atomic():
        with pytest.raises(LookupError), atomic():
            connection.say_ahead(ADD, told)
            raise LookupError
        run(connection, "SELECT %s", ["x"])
    assert not is_kept(told)


def test_what_was_said_ahead_stays_ahead_of_any_other_way_to_speak(connection, atomic):
    told = [message() for _ in range(3)]
    with atomic():
        connection.say_ahead(ADD, told[0])
        with atomic():  # a savepoint
            assert is_seen(connection, told[0])
        connection.say_ahead(ADD, told[1])
        run(connection, "SELECT 1; SELECT 2", None)
        assert is_seen(connection, told[1])
        connection.say_ahead(ADD, told[2])
        with connection.chunked_cursor() as named:
            named.execute("SELECT event_id FROM ledger_outbox WHERE event_id = %s", [told[2][0]])
            assert named.fetchall() == [(told[2][0],)]


def test_what_is_said_ahead_is_counted_where_somebody_counts(connection, atomic):
    with CaptureQueriesContext(connection) as captured, atomic():
        connection.say_ahead("SELECT %s", ["x"])
        run(connection, "SELECT %s", ["y"])
    assert [query["sql"] for query in captured if query["sql"].startswith("SELECT")] == [
        "SELECT 'x'",
        "SELECT 'y'",
    ]


def test_nothing_is_said_ahead_outside_a_transaction(connection):
    with pytest.raises(TransactionManagementError):
        connection.say_ahead("SELECT %s", ["x"])


def test_a_lock_said_ahead_is_held_before_the_next_statement_looks(connection, atomic):
    """What follows sees what was committed when it began: all that the lock waited for."""
    row, other = message(), connections.create_connection("default")
    other.set_autocommit(False)
    run(other, "SELECT pg_advisory_xact_lock(%s)", [11])
    run(other, ADD, row)
    with ThreadPoolExecutor(1) as pool:
        process = run(connection, "SELECT pg_backend_pid(), %s", ["x"])[0][0]

        def look():
            with atomic():
                connection.say_ahead("SELECT pg_advisory_xact_lock(%s)", [11])
                return is_seen(connection, row)

        connection.inc_thread_sharing()
        found = pool.submit(look)
        waits = partial(run, connections["default"], WAITS, [process])
        eventually(lambda: waits() == [(1,)], seconds=10, what="the lock")
        other.commit()
        assert found.result(10)
    other.close()


def test_a_long_text_is_read_once(connection):
    text = f"SELECT %s, '{uuid7()}' /* {'x' * 5_000} */"
    before = cursor._read.cache_info().misses
    assert [run(connection, text, [word])[0][0] for word in ("one", "two", "three")] == [
        "one",
        "two",
        "three",
    ]
    assert cursor._read.cache_info().misses == before + 1
