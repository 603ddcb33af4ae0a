"""Open and resolve breaks. A break moves no money; it is opened once and stays until it is explained.

The system resolves a break when the missing fact has come (a later statement shows the payout). What a
person has resolved with a reason is not opened again.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from ledger import audit
from ledger.actors import SYSTEM, Actor
from ledger.errors import Invalid
from ledger.locks import lock, phased, require_phase
from ledger.money import Money
from ledger.recording import no_answer, record
from settlements import locks
from settlements.models import BankStatement, Break, Payout, ReconciliationRun, StatementLine
from settlements.models.reconciliation import BreakReason
from settlements.services import Answer
from settlements.states import BreakState


class ReasonMissing(Invalid):
    """A break is resolved with a reason."""

    code = "reason_missing"
    advice = "Say what explains the difference."


@dataclass(frozen=True, slots=True)
class Finding:
    """A break to be opened. `key` names what it is about, so that the same finding is opened once."""

    reason: BreakReason
    key: str
    amount: Money
    statement: BankStatement | None = None
    line: StatementLine | None = None
    payout: Payout | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def open_breaks(
    merchant_id: UUID, findings: list[Finding], *, run: ReconciliationRun | None, at: datetime
) -> int:
    """Open those findings that are neither open nor resolved by a person; return how many.

    Runs in the caller's phase, which holds the bank account.
    """
    require_phase()
    keys = [finding.key for finding in findings]
    known = set(
        Break.objects.filter(
            ~Q(state=BreakState.RESOLVED, resolved_by=SYSTEM.kind), merchant_id=merchant_id, key__in=keys
        ).values_list("reason", "key")
    )
    opened = 0
    for finding in findings:
        if (finding.reason.value, finding.key) in known:
            continue
        known.add((finding.reason.value, finding.key))
        row = Break(
            merchant_id=merchant_id,
            run=run,
            reason=finding.reason,
            key=finding.key,
            statement=finding.statement,
            line=finding.line,
            payout=finding.payout,
            amount_minor=finding.amount.minor,
            currency=finding.amount.currency,
            detail=finding.detail,
            occurred_at=at,
        )
        with record(row, actor=SYSTEM, at=at) as entry:
            row.open()
            entry.announce(row.as_event())
        opened += 1
    return opened


def resolve_explained(explained: "Q", merchant_id: UUID, resolution: str, at: datetime) -> int:
    """Resolve the open breaks of a merchant that a condition finds; return how many.

    Runs in the caller's phase.
    """
    rows = lock(Break.objects.filter(explained, merchant_id=merchant_id, state=BreakState.OPEN))
    for row in rows:
        with record(row, actor=SYSTEM, at=at) as entry:
            row.resolve(resolution, SYSTEM.kind, at)
            entry.announce(row.as_event())
    return len(rows)


@phased
def resolve(
    *,
    merchant_id: UUID,
    break_id: UUID,
    reason: str,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> Break:
    """Resolve a break by a person's word; nothing is booked by it.

    :raises BreakNotFound: there is none. :raises StateConflict: it is resolved already.
    :raises ReasonMissing: no reason is given.
    """
    if not reason.strip():
        raise ReasonMissing("a break is resolved with a reason", param="reason")
    row = locks.open_break(merchant_id, break_id)
    with record(row, actor=actor, at=at) as entry:
        row.resolve(reason.strip(), actor.kind, at)
        entry.announce(row.as_event())
    audit.record(actor=actor, action="break.resolved", subject=row, reason=reason.strip(), at=at)
    answer(row)
    return row
