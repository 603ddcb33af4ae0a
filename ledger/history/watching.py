"""The watch over the invariants: every minute on what changed, nightly on everything, and kept as rows.

A window of transactions ends at the oldest one still running and begins where the last one ended, so nothing
is left out however late it commits. A violation has one row from when it is first seen until a check that
would have seen it does not.
"""

import hashlib
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import Max

from ledger import clock, invariants, metrics
from ledger.invariants import SHOWN_MAX, Result, Violation, Window
from ledger.models import InvariantRun, InvariantViolation

log = logging.getLogger(__name__)

FULL: Final = InvariantRun.Kind.FULL.value
CHANGED: Final = InvariantRun.Kind.CHANGED.value
# A run that has not ended by then has died; until then a second one would only double the work.
RUN_MAX: Final = {FULL: timedelta(hours=3), CHANGED: timedelta(minutes=5)}


def watch_all(at: datetime) -> InvariantRun | None:
    """Check every invariant on everything; None when such a run is at work."""
    return _watch(FULL, at)


def watch_changed(at: datetime) -> InvariantRun | None:
    """Check what was written since the last check; None when such a run is at work."""
    return _watch(CHANGED, at)


def _watch(kind: str, at: datetime) -> InvariantRun | None:
    at_work = InvariantRun.objects.filter(kind=kind, finished_at=None, started_at__gt=at - RUN_MAX[kind])
    if at_work.exists():
        return None
    window = Window(_looked_up_to(), _horizon())
    started = clock.monotonic()
    run = InvariantRun.objects.create(
        kind=kind, started_at=at, transaction_from=window.since, transaction_to=window.until
    )
    results = invariants.check_all() if kind == FULL else invariants.check_changed(window)
    _keep(results, at)
    _clear(results, kind, window, at)
    broken = [result for result in results if not result.holds]
    for result in results:
        metrics.invariant_violations.labels(result.invariant.number).set(len(result.violations))
    for result in broken:
        log.error(
            "invariant broken",
            extra={"number": result.invariant.number, "violations": list(result.violations)},
        )
    run.checked, run.broken = len(results), len(broken)
    run.duration_ms = int(1_000 * (clock.monotonic() - started))
    run.finished_at = clock.now()
    run.save(update_fields=["checked", "broken", "duration_ms", "finished_at"])
    return run


def _looked_up_to() -> int:
    """Return up to which transaction everything was checked by a run that came to its end."""
    found = InvariantRun.objects.exclude(finished_at=None).aggregate(upto=Max("transaction_to"))
    return int(found["upto"] or 0)


def _horizon() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return int(cursor.fetchone()[0])


def _keep(results: Sequence[Result], at: datetime) -> None:
    for result in results:
        for violation in result.violations:
            key = _fingerprint(result.invariant.number, violation)
            seen = InvariantViolation.objects.filter(fingerprint=key, gone_at=None).update(last_seen_at=at)
            if not seen:
                told = violation if isinstance(violation, Violation) else Violation(violation)
                InvariantViolation.objects.bulk_create(
                    [
                        InvariantViolation(
                            number=result.invariant.number, sentence=result.invariant.sentence,
                            detail=str(violation), fingerprint=key, subject_type=told.subject_type,
                            subject_key=told.subject_key, first_seen_at=at, last_seen_at=at,
                        )
                    ],
                    ignore_conflicts=True,
                )  # fmt: skip


def _clear(results: Sequence[Result], kind: str, window: Window, at: datetime) -> None:
    """Note as gone what this run looked at and did not find: all of a full check, else changed subjects."""
    # A list that was cut off says nothing of what is not on it.
    whole = [result.invariant.number for result in results if len(result.violations) < SHOWN_MAX]
    unseen = InvariantViolation.objects.filter(gone_at=None, last_seen_at__lt=at, number__in=whole)
    if kind == FULL:
        unseen.update(gone_at=at)
        return
    keys = set(unseen.exclude(subject_key="").values_list("subject_key", flat=True))
    if keys:
        unseen.filter(subject_key__in=_changed(keys, window)).update(gone_at=at)


def _changed(keys: set[str], window: Window) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT subject_id::text FROM ledger_event
               WHERE subject_id::text = ANY (%s) AND xid >= %s::text::xid8 AND xid < %s::text::xid8""",
            [list(keys), str(window.since), str(window.until)],
        )
        return [key for (key,) in cursor.fetchall()]


def _fingerprint(number: str, violation: str) -> str:
    return hashlib.sha256(f"{number}|{violation}".encode()).hexdigest()
