"""Celery's entry points of the ground floor: five lines each, safe to run twice and late."""

import logging
from typing import Any
from uuid import UUID

from celery import shared_task

from ledger import (
    balances,
    clock,
    jobs,
    outbox,
    partitions,
    past_balances,
    retention,
)
from ledger.fx import ecb, quoting
from ledger.history import watching
from ledger.proof import checks, sealing
from ledger.transfers import holding

log = logging.getLogger(__name__)

SEALING_SECONDS = 30.0  # the rest waits for the next run


@shared_task(name=jobs.RUN_TASK)
def run_job(job_id: str, **_: Any) -> None:
    """Run one job, when it is still there to be run."""
    jobs.run(UUID(job_id), clock.now())


@shared_task
def sweep_jobs(**_: Any) -> None:
    """Publish again the jobs that are due and that nobody has taken."""
    jobs.sweep(clock.now())


@shared_task
def relay_outbox(**_: Any) -> None:
    """Deliver news to the handlers."""
    outbox.relay_all(clock.now())


@shared_task
def roll_balances(**_: Any) -> None:
    """Fold the tails of deferred accounts."""
    balances.roll()


@shared_task
def settle_balances(**_: Any) -> None:
    """Bring what balances of the past are read from up to date."""
    past_balances.settle()


@shared_task
def expire_holds(**_: Any) -> None:
    """Let go of what is held beyond its time."""
    holding.expire_due(clock.now())


@shared_task
def seal_books(**_: Any) -> None:
    """Seal what has been written."""
    sealing.seal_all(clock.monotonic() + SEALING_SECONDS)


@shared_task
def verify_seals(**_: Any) -> None:
    """Go on verifying the seals; a row that is not as it was sealed is an incident."""
    found = checks.check_slice(clock.now())
    if found is not None and not found.holds:
        log.error("seal broken", extra={"fault": found.fault})


@shared_task
def check_invariants(**_: Any) -> None:
    """Check every invariant on everything; a broken one is a row, and an incident with its number.

    When the house has outgrown a task's time limit, `manage.py check_books --keep` does the same without one.
    """
    watching.watch_all(clock.now())


@shared_task
def check_changes(**_: Any) -> None:
    """Check the invariants on what changed since the last time."""
    watching.watch_changed(clock.now())


@shared_task
def make_partitions(**_: Any) -> None:
    """Make the months ahead, and take in what came for a month that was not there."""
    partitions.make_ahead()


@shared_task
def erase_expired(**_: Any) -> None:
    """Erase what is past its time and not held."""
    retention.erase_due(clock.now())


@shared_task
def import_ecb_rates(**_: Any) -> None:
    """Take in the days that the central bank's file has and we do not."""
    ecb.import_new(clock.now())


@shared_task
def expire_fx_quotes(**_: Any) -> None:
    """Let quotes lapse whose time is over."""
    quoting.expire_due(clock.now())
