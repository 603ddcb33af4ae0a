"""Carry marketplace payments through their steps, from the rows; stopped anywhere, the next run goes on.

1. One phase takes the next step: a local one is done in it, a remote one is written as started.
2. A remote step's effect runs with no phase open, by a key of its own.
3. One phase writes what came of it; whoever was faster has written it already, then nothing is written.

A saga that waits (for a provider, the customer, a reviewer) is looked at again and again, for as long as it
takes; one that cannot be undone is blocked and calls a person. No failure is swallowed.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from ledger import audit, crashpoints, jobs, metrics
from ledger.actors import SYSTEM
from ledger.crashpoints import crashpoint
from ledger.locks import before_commit, phased
from ledger.recording import record
from payments import news, saga_locks, states
from payments.models import Saga, SagaStep
from payments.models.sagas import Direction, StepName
from payments.saga_selectors import back_of, forward_of
from payments.services.marketplace import saga_steps
from payments.services.marketplace.marketplace import turn_back
from payments.services.marketplace.saga_steps import Done, Refused, Result, Unplanned, Waits

STEPS_AT_ONCE: Final = 200  # more than a saga has, there and back
UNDO_TRIES: Final = 5  # refused undoings of one step, after which a person is called
LOOK_FIRST_SECONDS: Final = 2
LOOK_MAX_SECONDS: Final = 60
TOO_LATE: Final = "its time was over before the money was captured"
_GIVEN_UP: Final = frozenset({StepName.AUTHORIZE, StepName.HOLD_FEE, StepName.ALLOCATE, StepName.CAPTURE})

crashpoints.register(
    *(f"saga_{name}.{point}" for name in ("authorize", "capture", "give_back")
      for point in ("after_start", "after_effect", "after_commit")),
    *(f"saga_{name}.{point}" for name in
      ("hold_fee", "allocate", "prove", "release_fee", "deallocate", "end")
      for point in ("before_commit", "after_commit")),
)  # fmt: skip


def carry_by_job(reference: str, at: datetime) -> None:
    """Carry a saga as far as it goes now; safe to repeat, and in parallel.

    :raises jobs.Later: it waits for somebody.
    """
    carry(UUID(reference.partition(":")[0]), at)


def carry(saga_id: UUID, at: datetime) -> None:
    """Take one step after the other until the saga is over, is blocked or waits.

    :raises jobs.Later: it waits for somebody.
    """
    for _ in range(STEPS_AT_ONCE):
        done, step = _take(saga_id, at)
        if done:
            crashpoint(f"saga_{done}.after_commit")
        if step is not None:
            _perform(step, at)
        elif not done:
            return
    raise AssertionError("unreachable: a saga has fewer steps")


def _perform(step: SagaStep, at: datetime) -> None:
    name = _name_of(step)
    crashpoint(f"saga_{name}.after_start")
    result = saga_steps.REMOTE[step.name, step.direction](step.saga, step, at)
    crashpoint(f"saga_{name}.after_effect")
    waits = _note(step.saga_id, step.pk, result, at)
    crashpoint(f"saga_{name}.after_commit")
    if waits is not None:
        raise jobs.Later(waits.why, at + _pause(step, at))


def _pause(step: SagaStep, at: datetime) -> timedelta:
    """Look often at first, then ever less: after a quarter of the time that it has waited."""
    waited = (at - step.started_at).total_seconds() if step.started_at else 0.0
    return timedelta(seconds=min(max(LOOK_FIRST_SECONDS, waited / 4), LOOK_MAX_SECONDS))


@phased
def _take(saga_id: UUID, at: datetime) -> tuple[str, SagaStep | None]:
    """Do the next local step, or begin (or find begun) the next remote one.

    Returns what was done, by name, and the remote step to be performed; neither when the saga is not to be
    carried (any further).
    """
    saga = saga_locks.saga(saga_id)
    if not saga.is_open:
        return "", None
    order = forward_of(saga.step_rows) if saga.state == states.RUNNING else back_of(saga.step_rows)
    step = next((row for row in order if row.state in (states.PLANNED, states.STARTED)), None)
    if step is None:
        return _end(saga, at), None
    if _is_too_late(saga, step, at):
        turn_back(saga, None, TOO_LATE, SYSTEM, at)
        return _take_back(saga, at)
    return _do(saga, step, at)


def _take_back(saga: Saga, at: datetime) -> tuple[str, SagaStep | None]:
    step = next(iter(back_of(saga.step_rows)), None)
    return _do(saga, step, at) if step is not None else (_end(saga, at), None)


def _do(saga: Saga, step: SagaStep, at: datetime) -> tuple[str, SagaStep | None]:
    key = (step.name, step.direction)
    if key not in saga_steps.LOCAL:
        if step.state == states.PLANNED:
            with record(step, actor=SYSTEM, at=at) as entry:
                step.start(at)
                entry.announce(news.of_saga_step(step))
        step.saga = saga
        return "", step
    name = _name_of(step)
    before_commit(lambda: crashpoint(f"saga_{name}.before_commit"))
    try:
        refused = saga_steps.LOCAL[key](saga, step, at)
    except Unplanned as problem:
        _block(saga, None, str(problem), at)
        return name, None
    if refused is not None:
        turn_back(saga, step, refused.why, SYSTEM, at)
    return name, None


def _is_too_late(saga: Saga, step: SagaStep, at: datetime) -> bool:
    """Say whether the deadline passed with nothing captured; a capture that is under way is waited for."""
    is_begun_capture = step.name == StepName.CAPTURE and step.state == states.STARTED
    is_before_pivot = step.direction == Direction.FORWARD and step.name in _GIVEN_UP
    return is_before_pivot and not is_begun_capture and saga.deadline_at <= at


def _end(saga: Saga, at: datetime) -> str:
    before_commit(lambda: crashpoint("saga_end.before_commit"))
    with record(saga, actor=SYSTEM, at=at) as entry:
        saga.end(at)
        entry.announce(news.of_saga(saga, reason=saga.reason))
    return "end"


@phased
def _note(saga_id: UUID, step_id: UUID, result: Result, at: datetime) -> Waits | None:
    """Write what came of a remote step; return why it waits, when it does."""
    saga = saga_locks.saga(saga_id)
    step = next(row for row in saga.step_rows if row.pk == step_id)
    if step.state != states.STARTED:
        return None
    match result:
        case Done(note=note):
            with record(saga, step, actor=SYSTEM, at=at) as entry:
                saga.undo_step() if step.direction == Direction.BACK else saga.advance()
                step.finish(note, at)
                entry.announce(news.of_saga_step(step), subject=step)
                entry.announce(news.of_saga(saga))
        case Refused(why=why) if step.direction == Direction.FORWARD:
            turn_back(saga, step, why, SYSTEM, at)
        case Refused(why=why) if step.tries + 1 < UNDO_TRIES:
            _try_again(step, why, at)
            return Waits(why)
        case Refused(why=why):
            _block(saga, step, why, at)
        case Waits():
            return result
    return None


def _try_again(step: SagaStep, why: str, at: datetime) -> None:
    with record(step, actor=SYSTEM, at=at) as entry:
        step.try_again(why)
        entry.announce(news.of_saga_step(step))


def _block(saga: Saga, step: SagaStep | None, why: str, at: datetime) -> None:
    if step is not None:
        _try_again(step, why, at)  # whoever lets it go on lets it try under a new key
    with record(saga, actor=SYSTEM, at=at) as entry:
        saga.block(why)
        entry.announce(news.of_saga(saga, reason=why))
    audit.record(actor=SYSTEM, action="saga.blocked", subject=saga, reason=why, at=at)
    metrics.sagas_blocked.inc()


def _name_of(step: SagaStep) -> str:
    key = (step.name, step.direction)
    return (saga_steps.LOCAL.get(key) or saga_steps.REMOTE[key]).__name__
