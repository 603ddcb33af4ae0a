"""Celery's entry points of money out: the sweeps of the night, and the jobs they hand out.

A sweep asks what is due and schedules one job each; a job is safe to run twice and late.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from celery import shared_task

from ledger import clock, jobs
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from ledger.states import StateConflict
from settlements.services import batching, importing, nightly, paying_out
from settlements.services.batching import NothingToSettle
from settlements.services.paying_out import VendorNotPayable


@jobs.runs("settlements.settle", queue="money")
def settle(reference: str, at: datetime) -> None:
    """Close one vendor's batch: `merchant:vendor:currency:business date`."""
    merchant, vendor, currency, day = reference.split(":")
    try:
        batching.settle(
            merchant_id=UUID(merchant),
            vendor_id=UUID(vendor),
            currency=currency,
            business_date=date.fromisoformat(day),
            batch_id=uuid7(),
            actor=SYSTEM,
            at=at,
        )
    except NothingToSettle:
        return


@jobs.runs("settlements.pay", queue="money")
def pay(reference: str, at: datetime) -> None:
    """Pay one batch: `merchant:batch:attempt`."""
    merchant, batch, _attempt = reference.split(":")
    try:
        paying_out.process(
            merchant_id=UUID(merchant), batch_id=UUID(batch), operation_id=uuid7(), actor=SYSTEM, at=at
        )
    except (StateConflict, VendorNotPayable):  # somebody else pays it, or the vendor was stopped meanwhile
        return


@jobs.runs("settlements.fetch_statements", queue="reports")
def fetch_statements(reference: str, at: datetime) -> None:
    """Fetch one merchant's bank statements of a day: `merchant:day`."""
    merchant, day = reference.split(":")
    importing.fetch_day(merchant_id=UUID(merchant), day=date.fromisoformat(day), actor=SYSTEM, at=at)


@shared_task
def settle_due(**_: Any) -> None:
    """Close the batch of every vendor with something pending, for the day that has ended."""
    nightly.schedule_settlements(clock.now())


@shared_task
def pay_due(**_: Any) -> None:
    """Pay every batch that waits for it."""
    nightly.schedule_payouts(clock.now())


@shared_task
def fetch_statements_due(**_: Any) -> None:
    """Fetch the statements of the day that has ended, for every merchant that has payouts under way."""
    nightly.schedule_statements(clock.now())
