"""Verifications as rows: each says what it looked at, how long it took and what was wrong.

A round goes over all blocks in slices of some seconds, so that it fits into a task however many there are; a
slice begins where the last one ended. When a round is over, the next begins a day after that one began.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from ledger import clock
from ledger.invariants import invariant
from ledger.models import SealCheck
from ledger.proof.verifying import Verdict, verify

SLICE_SECONDS: Final = 25.0
ROUND_EVERY: Final = timedelta(days=1)


def check(after: int = 0, until: float | None = None) -> Verdict:
    """Verify the blocks after `after` until `clock.monotonic()` passes `until`; keep what was found."""
    started_at = clock.now()
    found = verify(after, until)
    SealCheck.objects.create(
        started_at=started_at, finished_at=clock.now(), first_block=found.first, last_block=found.last,
        is_last=found.is_last, entries=found.entries, postings=found.postings, events=found.events,
        audits=found.audits, fault=found.fault,
    )  # fmt: skip
    return found


def check_slice(at: datetime) -> Verdict | None:
    """Go on with the round, or begin one when it is time; None when nothing is to be done.

    A round that found a fault begins anew: what is wrong stays named until it is right.
    """
    last = SealCheck.objects.order_by("-id").first()
    after = 0
    if last is not None and not last.fault:
        if last.is_last and at < _began(last) + ROUND_EVERY:
            return None
        after = 0 if last.is_last else last.last_block
    return check(after, clock.monotonic() + SLICE_SECONDS)


@invariant("I-75", "Every sealed row is as it was sealed, as the last verification found.")
def nothing_was_changed() -> Iterable[str]:
    """Tell what the last verification found; `manage.py verify_books` is one."""
    last = SealCheck.objects.order_by("-id").first()
    return [last.fault] if last is not None and last.fault else []


def _began(last: SealCheck) -> datetime:
    first = SealCheck.objects.filter(id__lte=last.pk, first_block=1).order_by("-id").first()
    return first.started_at if first else last.started_at
