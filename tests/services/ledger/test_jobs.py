"""A job runs once, whoever is told of it how often; a failure is kept and tried again."""

import uuid
from datetime import timedelta

import pytest
from django.db import transaction

from ledger import clock, jobs, locks
from ledger.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def work(monkeypatch):
    done: list[str] = []
    kinds = dict(jobs.kinds)
    kinds["test.work"] = jobs.Kind("test.work", "money", lambda reference, at: done.append(reference))
    monkeypatch.setattr(jobs, "kinds", kinds)
    return done


def scheduled(reference: str) -> uuid.UUID:
    with locks.phase():
        jobs.schedule("test.work", reference, clock.now())
    return Job.objects.get(kind="test.work", reference=reference).pk


class TestSchedule:
    def test_writes_one_job_per_kind_and_reference(self, work):
        assert scheduled("pay_1") == scheduled("pay_1")

    def test_needs_a_phase(self, work):
        with pytest.raises(locks.NoPhase), transaction.atomic():
            jobs.schedule("test.work", "x", clock.now())


class TestRun:
    def test_does_the_work_once_however_often_it_is_told(self, work):
        job_id = scheduled("pay_1")
        assert [jobs.run(job_id, clock.now()) for _ in range(3)] == [True, False, False]
        assert work == ["pay_1"]

    def test_leaves_a_leased_job_alone_until_its_lease_is_over(self, work):
        job_id, at = scheduled("pay_1"), clock.now()
        Job.objects.filter(pk=job_id).update(lease_until=at + jobs.LEASE)
        assert not jobs.run(job_id, at)
        assert jobs.run(job_id, at + jobs.LEASE + timedelta(seconds=1))
        assert work == ["pay_1"]

    def test_keeps_a_failure_and_tries_again_later(self, work, monkeypatch):
        def fail(reference, at):
            raise ValueError("the network is down")

        monkeypatch.setitem(jobs.kinds, "test.work", jobs.Kind("test.work", "money", fail))
        job_id, at = scheduled("pay_1"), clock.now()
        jobs.run(job_id, at)
        job = Job.objects.get(pk=job_id)
        assert (job.tries, job.finished_at, job.lease_until) == (1, None, None)
        assert "the network is down" in job.last_error
        assert job.run_at > at
        assert not jobs.run(job_id, at)

    def test_is_dead_when_it_keeps_failing(self, work, monkeypatch):
        def fail(reference, at):
            raise ValueError("never")

        monkeypatch.setitem(jobs.kinds, "test.work", jobs.Kind("test.work", "money", fail))
        job_id, at = scheduled("pay_1"), clock.now()
        Job.objects.filter(pk=job_id).update(tries=jobs.TRIES_MAX - 1)
        jobs.run(job_id, at)
        assert Job.objects.get(pk=job_id).dead_at == at


class TestSweep:
    def test_publishes_again_what_nobody_took(self, work, monkeypatch):
        told: list[uuid.UUID] = []
        monkeypatch.setattr(jobs, "publish", lambda job_id, queue: told.append(job_id))
        job_id = scheduled("pay_1")
        jobs.sweep(clock.now())
        assert job_id not in told
        jobs.sweep(clock.now() + timedelta(seconds=10))
        assert job_id in told
