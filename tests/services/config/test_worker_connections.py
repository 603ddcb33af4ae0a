"""A worker's tasks share one connection to the database, and get another when that one is gone."""

from types import SimpleNamespace

import pytest
from celery.fixups.django import DjangoWorkerFixup
from celery.signals import task_postrun, task_prerun
from django.db import connection

from config.celery import app

pytestmark = pytest.mark.django_db(transaction=True)


class Task:
    """A task as the signals see it: one that a worker runs."""

    request = SimpleNamespace(is_eager=False)


@pytest.fixture
def task():
    """What Celery does before and after a task, on this process's connection."""
    fixup = DjangoWorkerFixup(app)

    def run():
        fixup.on_task_prerun(Task)
        task_prerun.send(Task)
        found = _backend()
        fixup.on_task_postrun(Task)
        task_postrun.send(Task)
        return found

    return run


def _backend():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def test_the_next_task_finds_the_connection_of_the_one_before(task):
    assert task() == task() == task()


def test_a_connection_that_broke_is_replaced_before_the_next_task(task):
    before = task()
    connection.connection.close()
    connection.errors_occurred = True
    after = task()
    assert after != before
    assert task() == after


def test_a_connection_that_the_server_ended_is_replaced_before_the_next_task(task):
    before = task()
    _end(before)
    after = task()
    assert after != before


def _end(backend):
    """End a server process as the role that it belongs to, from a connection beside ours."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
    finally:
        other.close()
