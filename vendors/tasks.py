"""Celery's entry points of this floor: five lines each, safe to run twice and late."""

from typing import Any

from celery import shared_task

from ledger import clock
from vendors.services import completing, idempotency


@shared_task
def complete_requests(**_: Any) -> None:
    """Drive on the requests that nobody finished."""
    completing.complete_unfinished(clock.now())


@shared_task
def reap_idempotency_keys(**_: Any) -> None:
    """Delete answers older than 30 days."""
    idempotency.reap(clock.now())
