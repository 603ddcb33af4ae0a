"""What a provider's report tells that nobody here has heard: refunds made there, come back, done after all.

A message about the same may have been lost, or come later; whichever comes first is believed, once. What
cannot be believed stays unknown, so the report's line is a break for a person.
"""

import logging
from dataclasses import replace
from datetime import datetime

from ledger.actors import Actor
from ledger.events import Cause
from payments import bank_selectors, selectors
from payments.models.operations import Kind
from payments.providers.requests import again_key, refund_key, returned_key
from payments.rules.refund_division import RefundTooLarge
from payments.services.refunds import adopting_refunds, returned_refunds
from settlements.models import FundedOperation
from settlements.reconciliation.reports import Report, ReportItem

REFUNDS = (Kind.REFUND, Kind.REFUND_RETURNED)
log = logging.getLogger(__name__)


def hear(report: Report, actor: Actor, at: datetime) -> Report:
    """Let the house follow a report's refunds, and return it under our keys; heard again it finds them
    followed. No transaction is open.
    """
    further = _further(report)
    items = tuple(
        _in_our_keys(report.provider, item) if number in further else item
        for number, item in enumerate(report.items)
    )
    back = [item for item in items if item.kind == Kind.REFUND_RETURNED]
    came_back = {item.key for item in back}
    for item in items:
        if item.kind == Kind.REFUND and returned_key(item.key) not in came_back:
            _adopt(report, item, actor, at)
    for item in back:  # in whatever order the lines are: what is said to be done again came back before
        returned_refunds.hear(
            provider=report.provider, returned=item.key, amount=item.amount, actor=actor, at=at
        )
    for told in (report.items[number] for number in sorted(further)):
        if told.kind == Kind.REFUND:
            returned_refunds.hear_again(
                provider=report.provider, key=told.key, reference=told.reference, amount=told.amount,
                actor=actor, at=at,
            )  # fmt: skip
    charged = bank_selectors.fees_of_returns(report.provider, [item.reference for item in back])
    return replace(report, items=items).with_what_was_kept(charged)


def _further(report: Report) -> set[int]:
    """The places of the lines about refunds of which another line tells the same: here, or in a report that
    was booked before.
    """
    keys = [item.key for item in report.items if item.kind in REFUNDS]
    booked = FundedOperation.objects.filter(
        operation__provider=report.provider, operation__idempotency_key__in=keys
    ).exclude(match__report=report.id)
    seen = set(booked.values_list("operation__idempotency_key", flat=True))
    found = set()
    for number, item in enumerate(report.items):
        if item.kind in REFUNDS:
            if item.key in seen:
                found.add(number)
            seen.add(item.key)
    return found


def _in_our_keys(provider: str, item: ReportItem) -> ReportItem:
    """A further line about a refund, under the key of the try that was believed after all; as it is when
    none was.
    """
    again = again_key(refund_key(item.key))
    if not selectors.has_operation(provider, again):
        return item
    return replace(item, key=again if item.kind == Kind.REFUND else returned_key(again))


def _adopt(report: Report, item: ReportItem, actor: Actor, at: datetime) -> None:
    """Make a refund ours that nobody here asked for, when it is one."""
    if not adopting_refunds.is_foreign(item.key):
        return
    try:
        adopting_refunds.adopt(
            provider=report.provider, authorization=item.authorization, key=item.key,
            reference=item.reference, amount=item.amount, actor=actor,
            cause=Cause("provider_report", f"{report.provider} {report.id}"), at=at,
        )  # fmt: skip
    except RefundTooLarge as error:
        log.warning("a reported refund cannot be ours", extra={"key": item.key, "error": error.message})
