"""Jobs: work that must be done, as rows with a time and a lease. The broker only hurries them.

`schedule` writes the row in the caller's phase and, after commit, sends its id to the broker; a sweep
publishes again whatever is due, so a lost or wiped broker costs seconds. A run claims the row by lease, so
a repeated message is dropped. The function of a kind must be safe to run twice and late.
"""

import functools
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.db.models import F, Q
from kombu.exceptions import OperationalError

from ledger import clock, ids, metrics
from ledger.errors import DomainError
from ledger.locks import require_phase
from ledger.models import Job

log = logging.getLogger(__name__)

Work = Callable[[str, datetime], None]

LEASE: Final = timedelta(seconds=90)
TRIES_MAX: Final = 50
PAUSE_FIRST_SECONDS: Final = 1
PAUSE_MAX_SECONDS: Final = 300
SWEEP_AT_ONCE: Final = 500
HURRY_EVERY_SECONDS: Final = 0.5  # of each process; a sweep of many rows costs little more than one of a few
HURRY_EXPIRES_SECONDS: Final = 5
RUN_TASK: Final = "ledger.tasks.run_job"


class Later(Exception):
    """Raised by a job's work: not done yet, and nothing went wrong. It runs again at `at`, however often."""

    def __init__(self, why: str, at: datetime) -> None:
        super().__init__(why)
        self.at = at


class Hopeless(Exception):
    """Raised by a job's work: trying again would come to the same. It is dead at once and waits for staff."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is done for a kind of job, and on which queue."""

    name: str
    queue: str
    work: Work


kinds: Final[dict[str, Kind]] = {}
_hurried: Final[dict[str, float]] = {}


def runs(name: str, *, queue: str) -> Callable[[Work], Work]:
    """Register a function as the work of a kind: `work(reference, at)`."""

    def register(function: Work) -> Work:
        kinds[name] = Kind(name, queue, function)
        return function

    return register


def schedule(kind: str, reference: str, run_at: datetime) -> UUID:
    """Write a job in the caller's phase, once per kind and reference; return its id."""
    require_phase()
    queue = kinds[kind].queue
    job = Job(id=ids.uuid7(), kind=kind, reference=reference, queue=queue, run_at=run_at)
    made = Job.objects.bulk_create([job], ignore_conflicts=True)[0]
    transaction.on_commit(lambda: publish(made.pk, queue), robust=True)
    return made.pk


def bring_forward(kind: str, reference: str, at: datetime) -> None:
    """Let a job that waits for its time run at `at`, in the caller's phase; a running one looks by itself."""
    require_phase()
    waiting = Job.objects.filter(
        kind=kind, reference=reference, finished_at=None, dead_at=None, lease_until=None, run_at__gt=at
    )
    job_ids = list(waiting.values_list("pk", flat=True))
    Job.objects.filter(pk__in=job_ids, lease_until=None).update(run_at=at)
    for job_id in job_ids:
        transaction.on_commit(functools.partial(publish, job_id, kinds[kind].queue), robust=True)


def publish(job_id: UUID, queue: str) -> None:
    """Send a job's id to the broker; when that fails, the sweep will."""
    try:
        current_app.send_task(RUN_TASK, args=[str(job_id)], queue=queue, retry=False, ignore_result=True)
    except (OperationalError, OSError) as error:
        metrics.publish_failures.inc()
        log.warning("the broker did not take a hint; the sweep will", extra={"error": str(error)})


def hurry(task: str, queue: str) -> None:
    """Start a sweep now rather than at its next turn; asked for too often, it is left to that turn.

    For sweeps whose rows are their own jobs: a burst of rows costs the broker a few messages.
    """
    now = clock.monotonic()
    if now - _hurried.get(task, -HURRY_EVERY_SECONDS) < HURRY_EVERY_SECONDS:
        return
    _hurried[task] = now
    try:
        current_app.send_task(
            task, queue=queue, retry=False, ignore_result=True, expires=HURRY_EXPIRES_SECONDS
        )
    except (OperationalError, OSError) as error:
        metrics.publish_failures.inc()
        log.warning("the broker did not take a hint; the sweep will", extra={"error": str(error)})


def run(job_id: UUID, at: datetime) -> bool:
    """Claim and run one job; False when it is not there to be run (done, leased, or not due)."""
    free = Q(lease_until=None) | Q(lease_until__lt=at)
    claimed = Job.objects.filter(free, pk=job_id, finished_at=None, dead_at=None, run_at__lte=at)
    if not claimed.update(lease_until=at + LEASE, tries=F("tries") + 1):
        return False
    job = Job.objects.get(pk=job_id)
    started = clock.monotonic()
    try:
        kinds[job.kind].work(job.reference, at)
    except Later as later:
        Job.objects.filter(pk=job.pk).update(
            run_at=later.at, lease_until=None, tries=F("tries") - 1, last_error=str(later)[:2000]
        )
        metrics.jobs_run.labels(job.kind, "waits").inc()
        return True
    except Exception as error:
        # The border of jobs: whatever went wrong is kept on the row, and the work is tried again later.
        _failed(job, error, at)
        return True
    finally:
        metrics.job_seconds.labels(job.kind).observe(clock.monotonic() - started)
    Job.objects.filter(pk=job.pk).update(finished_at=clock.now(), lease_until=None, last_error="")
    metrics.jobs_run.labels(job.kind, "done").inc()
    return True


def due(at: datetime, limit: int = SWEEP_AT_ONCE) -> list[tuple[UUID, str]]:
    """Return id and queue of the jobs that are due and not leased, the oldest first."""
    free = Q(lease_until=None) | Q(lease_until__lt=at)
    rows = Job.objects.filter(free, finished_at=None, dead_at=None, run_at__lte=at).order_by("run_at")
    found = list(rows.values_list("pk", "queue", "run_at")[:limit])
    lateness = (at - found[0][2]).total_seconds() if found else 0.0
    metrics.sweep_lateness_seconds.labels("jobs").set(lateness)
    return [(pk, queue) for pk, queue, _ in found]


def sweep(at: datetime, grace: timedelta = timedelta(seconds=3)) -> int:
    """Publish again what has been due for longer than `grace`; return how many.

    A queue in which as many messages wait as jobs are due has lost none: publishing again would only make
    a busy worker busier.
    """
    found = due(at - grace)
    jobs_of = Counter(queue for _, queue in found)
    lost = {queue for queue, count in jobs_of.items() if _waiting(queue) < count}
    for job_id, queue in found:
        if queue in lost:
            publish(job_id, queue)
    return sum(jobs_of[queue] for queue in lost)


def _waiting(queue: str) -> int:
    """Return how many messages wait in a queue; 0 when the broker does not know it or does not answer."""
    try:
        with current_app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            try:
                return int(connection.default_channel.queue_declare(queue, passive=True).message_count)
            except connection.channel_errors:
                return 0
    except (OperationalError, OSError):
        return 0


def run_due(at: datetime, rounds_max: int = 100) -> int:
    """Run everything that is due, here and now, until nothing is; for tests and small installations."""
    total = 0
    for _ in range(rounds_max):
        found = due(at)
        total += sum(run(job_id, at) for job_id, _ in found)
        if not found:
            break
    return total


def _failed(job: Job, error: Exception, at: datetime) -> None:
    metrics.jobs_run.labels(job.kind, "failed").inc()
    if not isinstance(error, DomainError | Hopeless):
        log.exception("job failed", extra={"kind": job.kind, "job_id": str(job.pk)})
    is_dead = isinstance(error, Hopeless) or job.tries >= TRIES_MAX
    pause = min(PAUSE_FIRST_SECONDS * 2 ** min(job.tries - 1, 20), PAUSE_MAX_SECONDS)
    Job.objects.filter(pk=job.pk).update(
        run_at=at + timedelta(seconds=pause),
        lease_until=None,
        last_error=f"{type(error).__name__}: {error}"[:2000],
        dead_at=at if is_dead else None,
    )
