"""What this floor explains of marketplace payments: the amount by the sellers' shares and the fee, each step
by what it did; and, for shares, which marketplace payment made them."""

from collections.abc import Sequence
from uuid import UUID

from ledger.explain.registry import Scope, explains, first_events, keys_of, links_cause
from ledger.explain.types import Explanation, Link, Part, one
from ledger.ids import show
from payments import states
from payments.models import Saga, SagaStep
from payments.models.sagas import Direction, StepName
from payments.saga_selectors import in_order


@links_cause("saga")
def _saga(public_id: str) -> Link:
    return Link("for the marketplace payment", "", public_id)


@explains(Saga.PREFIX)
def sagas(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain marketplace payments: what each seller was allocated, and the marketplace's own part."""
    keys = keys_of(Saga.PREFIX, tails)
    rows = list(scope.of(Saga.objects.filter(pk__in=list(keys)).select_related("payment")))
    steps: dict[UUID, list[SagaStep]] = {row.pk: [] for row in rows}
    for step in SagaStep.objects.filter(saga__in=list(steps)).select_related("vendor"):
        steps[step.saga_id].append(step)
    made = first_events(steps, scope)
    return {keys[row.pk]: _explained(row, in_order(steps[row.pk]), made.get(row.pk)) for row in rows}


def _explained(row: Saga, steps: list[SagaStep], made: str | None) -> Explanation:
    parts = _parts(row, steps)
    problems: tuple[str, ...] = ()
    if row.state == states.BLOCKED:
        problems = (f"it waits for a person: {row.reason}",)
    return Explanation(
        ref=row.public_id,
        kind="marketplace payment",
        title=f"{row.payment.number} for {_sellers(steps)}: {row.state}",
        amounts=one(row.money(row.allocated_minor + row.fee_held_minor)),
        parts=tuple(parts) or (Part("nothing is allocated", row.money(0), "", False),),
        causes=(
            Link("created", "" if made else "no event tells how it came to be", made or ""),
            Link("paid by", "", show("pay", row.payment_id)),
        ),
        evidence=tuple((f"{step.position} {step.name} {step.direction}", _told(step)) for step in steps),
        problems=problems,
        at=row.created_at,
        page=("payments_saga", str(row.pk)),
    )


def _parts(row: Saga, steps: list[SagaStep]) -> list[Part]:
    undone = {step.position for step in steps if step.direction == Direction.BACK and step.is_done}
    standing = [
        step
        for step in steps
        if step.direction == Direction.FORWARD and step.is_done and step.position not in undone
    ]
    parts = [
        Part(f"{step.vendor.name}'s part", row.money(step.amount_minor), show("ptx", step.effect_id), False)
        for step in standing
        if step.name == StepName.ALLOCATE and step.vendor is not None
    ]
    if row.fee_held_minor:
        parts.append(Part("the marketplace's fee", row.money(row.fee_held_minor), "", False))
    return parts


def _told(step: SagaStep) -> str:
    tries = f", refused {step.tries} times" if step.tries else ""
    return f"{step.state}{tries}{': ' + step.note if step.note else ''}"


def _sellers(steps: list[SagaStep]) -> str:
    count = sum(step.name == StepName.ALLOCATE and step.direction == Direction.FORWARD for step in steps)
    return "one seller" if count == 1 else f"{count} sellers"
