"""Writes: many in one statement, each counted, each refusal by its name; a gathered phase sends them last."""

from datetime import timedelta

import pytest
from django.db import DataError, IntegrityError, connection

from ledger import clock, writing
from ledger.ids import uuid7
from ledger.locks import phase, phased
from ledger.models import OutboxMessage
from ledger.writing import RowsMissing, Write, gathered
from tests.kit.queries import statement_budget

pytestmark = pytest.mark.django_db(transaction=True)


class Taken(RuntimeError):
    """A refusal of the database with a name of ours."""


def message(**values):
    """A message that is sent already: what is committed here, no relay of another test shall find to send."""
    told = {"event_id": uuid7(), "handler": "h", "subject_id": uuid7(), "sequence": 1}
    return OutboxMessage(**(told | {"due_at": clock.now(), "sent_at": clock.now()} | values))


def kept(row):
    return OutboxMessage.objects.get(event_id=row.event_id)


def adding(*rows):
    return writing.inserting(OutboxMessage, rows)


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "with another"])
def test_sends_rows_of_any_kind_of_column_as_they_are(others):
    row = message(handler='quote " \\ back, ünïcode 🎉', last_error="line\nbreak", tries=2**31 - 1)
    with phase(), statement_budget(exactly=1):
        writing.write(adding(row, *(message() for _ in range(others))))
    found = kept(row)
    told = ("handler", "subject_id", "sequence", "due_at", "lease_until", "tries", "last_error")
    assert [getattr(found, name) for name in told] == [getattr(row, name) for name in told]


def test_a_gathered_phase_sends_all_of_it_in_one_statement():
    rows = [message() for _ in range(3)]

    @gathered
    def step():
        for row in rows:
            writing.write(adding(row))
        assert not OutboxMessage.objects.filter(event_id__in=[row.event_id for row in rows]).exists()

    with statement_budget(exactly=2):  # the question above, and all the rows
        step()
    assert all(kept(row).pk for row in rows)


def test_a_row_written_twice_is_written_in_turn():
    row = message()
    with phase():
        writing.write(adding(row))
    row = kept(row)

    @gathered
    def step():
        row.tries = 1
        writing.write(writing.moving(OutboxMessage, [row], frozenset({"tries"})))
        row.tries, row.last_error = 2, "late"
        writing.write(writing.moving(OutboxMessage, [row], frozenset({"tries", "last_error"})))

    step()
    assert (kept(row).tries, kept(row).last_error) == (2, "late")


@pytest.mark.parametrize("kind", [phased, gathered])
def test_a_row_that_is_not_there_undoes_the_phase(kind):
    row, gone = message(), message(id=-1)

    @kind
    def step():
        writing.write(adding(row), writing.moving(OutboxMessage, [gone], frozenset({"tries"})))

    with pytest.raises(RowsMissing):
        step()
    assert not OutboxMessage.objects.filter(event_id=row.event_id).exists()


@pytest.mark.parametrize("kind", [phased, gathered])
def test_a_refusal_has_the_name_that_its_write_gives_it(kind):
    row = message()

    def named(error):
        return Taken() if "once_per_handler" in str(error) else error

    @kind
    def step():
        writing.write(adding(message()), writing.inserting(OutboxMessage, [row, row], named))

    with pytest.raises(Taken) as refused:
        step()
    assert isinstance(refused.value.__cause__, IntegrityError)


def test_a_refusal_without_a_name_is_the_databases_own():
    row = message()
    with pytest.raises(IntegrityError) as refused, phase():
        writing.write(adding(row, row))
    assert refused.value.__cause__.diag.constraint_name == "ledger_outbox_once_per_handler"


def test_calls_come_after_all_rows():
    row = message()
    count = Write(
        "(SELECT count(*) / (SELECT count(*) FROM w0) FROM ledger_outbox WHERE false)", (), is_call=True
    )
    with phase():
        writing.write(count, adding(row))
    assert kept(row).pk


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "with another"])
@pytest.mark.parametrize("text", ["half \ud83d", "none\0"], ids=["half a character", "no character"])
def test_what_is_no_text_is_refused_by_name(text, others):
    with pytest.raises(DataError), phase():
        writing.write(adding(message(last_error=text), *(message() for _ in range(others))))


def test_one_row_that_is_not_there_is_missing_and_one_that_is_there_is_added_once():
    row = message()
    with phase():
        writing.write(writing.adding(OutboxMessage, [row]), writing.adding(OutboxMessage, [row]))
    assert OutboxMessage.objects.filter(event_id=row.event_id).count() == 1


def test_an_instant_needs_a_time_zone():
    naive = (clock.now() + timedelta(seconds=1)).replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"), phase():
        writing.write(adding(message(due_at=naive)))
    assert not connection.in_atomic_block
