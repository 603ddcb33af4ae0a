"""The timetable: each row names a task that exists, on a queue with a worker, and its runs expire."""

import pytest
from celery import current_app
from django.utils.module_loading import autodiscover_modules

from config import house
from config.celery import QUEUES, TIME_LIMIT_SECONDS, TIMETABLE, VISIBILITY_TIMEOUT_SECONDS, WEBHOOK_IN
from ledger import jobs
from payments.services.webhooks import webhook_intake


@pytest.fixture(scope="module", autouse=True)
def _tasks():
    autodiscover_modules("tasks")


def workers_queues(tmp_path) -> list[set[str]]:
    """Return the queues to which each worker of `make run` listens."""
    environment = house.environment(tmp_path)
    commands = [child.command for child in house.programs(tmp_path, tmp_path, environment)]
    return [set(command[command.index("-Q") + 1].split(",")) for command in commands if "-Q" in command]


def test_every_row_names_a_registered_task():
    assert not [row.task for row in TIMETABLE if row.task not in current_app.tasks]


def test_every_row_is_on_a_known_queue():
    assert not [row.name for row in TIMETABLE if row.queue not in QUEUES]


def test_every_queue_has_a_worker(tmp_path):
    assert set().union(*workers_queues(tmp_path)) == set(QUEUES)


def test_callbacks_wait_behind_nothing_else(tmp_path):
    """A report may take a minute, a call to a provider seconds; a process does one thing at a time."""
    assert [queues for queues in workers_queues(tmp_path) if WEBHOOK_IN in queues] == [{WEBHOOK_IN}]
    assert {row.task for row in TIMETABLE if row.queue == WEBHOOK_IN} == {webhook_intake.APPLY_TASK}
    assert webhook_intake.APPLY_QUEUE == WEBHOOK_IN
    assert not [kind.name for kind in jobs.kinds.values() if kind.queue == WEBHOOK_IN]


def test_every_run_expires_before_a_backlog_can_grow():
    for row in TIMETABLE:
        options = current_app.conf.beat_schedule[row.name]["options"]
        assert options == {"queue": row.queue, "expires": row.expires_seconds}
        assert 0 < row.expires_seconds <= 6 * 3600


def test_names_are_unique():
    assert len({row.name for row in TIMETABLE}) == len(TIMETABLE)


def test_no_task_may_outlast_the_brokers_patience():
    """Else the broker hands the message to a second worker while the first still runs (measured)."""
    assert TIME_LIMIT_SECONDS < VISIBILITY_TIMEOUT_SECONDS
    for name, task in current_app.tasks.items():
        assert (task.time_limit or TIME_LIMIT_SECONDS) < VISIBILITY_TIMEOUT_SECONDS, name


def test_every_recurring_task_without_arguments_is_in_the_timetable_or_named_here():
    """A sweep that nobody calls is a promise that nobody keeps."""
    ours = {
        name
        for name in current_app.tasks
        if name.split(".")[0] in ("ledger", "vendors", "fraud", "payments", "subscriptions", "settlements")
    }
    by_message = {"ledger.tasks.run_job"}
    forgotten = ours - {row.task for row in TIMETABLE} - by_message
    assert not forgotten, "give each a row in TIMETABLE, config/celery.py"
