"""The sweep repeats hints that were lost, not hints that wait: a backlog must not feed on itself."""

from datetime import timedelta

import pytest
from celery import current_app
from kombu import Queue

from ledger import clock, ids, jobs
from ledger.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def queue():
    """Return the name of a queue of this test's own, which is gone afterwards."""
    name = f"test-{ids.uuid7().hex[-12:]}"
    current_app.amqp.queues.add(Queue(name))
    yield name
    del current_app.amqp.queues[name]
    with current_app.connection_for_write() as connection:
        connection.default_channel.queue_delete(name)


def test_a_lost_hint_is_repeated_and_a_waiting_one_is_not(queue):
    at = clock.now()
    for number in range(3):
        Job.objects.create(
            id=ids.uuid7(), kind=f"test.{queue[-8:]}", reference=str(number), queue=queue, run_at=at
        )
    later = at + timedelta(seconds=10)
    assert jobs.sweep(later) >= 3
    assert jobs._waiting(queue) == 3
    jobs.sweep(later)
    assert jobs._waiting(queue) == 3  # they wait: nothing is lost
