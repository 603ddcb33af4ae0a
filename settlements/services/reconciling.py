"""Explain every line of a bank account: by a payout, by a provider's report, or by an operation of its own.

What is left is a break.

Each match is a phase of its own (move, money, news), so a run that is killed is simply run again. Bank money
is posted here and nowhere else, and only for a line that agrees to the minor unit.
"""

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from ledger import crashpoints
from ledger.actors import Actor
from ledger.crashpoints import crashpoint
from ledger.locks import phased
from ledger.recording import record
from settlements import locks, posting_rules, selectors
from settlements.models import Match, Payout, ReconciliationRun, StatementLine
from settlements.models.reconciliation import BreakReason
from settlements.reconciliation import sources
from settlements.reconciliation.matching import Difference, Reason, compare
from settlements.services import confirming_funding, confirming_operations, resolving
from settlements.services.resolving import Finding
from settlements.states import PayoutState

crashpoints.register("reconciliation.before_match", "reconciliation.after_match")

_REASONS = {
    Reason.AMOUNT_DIFFERS: BreakReason.AMOUNT_DIFFERS,
    Reason.CURRENCY_DIFFERS: BreakReason.CURRENCY_DIFFERS,
    Reason.DUPLICATE: BreakReason.LINE_DUPLICATE,
    Reason.ALONE: BreakReason.LINE_UNEXPLAINED,
}


def reconcile(
    *, merchant_id: UUID, account: str, currency: str, actor: Actor, at: datetime
) -> ReconciliationRun:
    """Try to explain every unexplained line of a bank account, and say what is missing on it."""
    run = ReconciliationRun.objects.create(
        merchant_id=merchant_id, account=account, currency=currency, started_at=at
    )
    lines = list(selectors.unmatched_lines(merchant_id, account, currency))
    run.lines = len(lines)
    funding = [line for line in lines if sources.report_name(line)]
    alone = [line for line in lines if sources.operation_id(line)]
    sent = {line.pk: told for line in lines if line.amount_minor > 0 and (told := sources.transfer(line))}
    known = {line.pk for line in (*funding, *alone)} | sent.keys()
    others = [line for line in lines if line.pk not in known]
    findings = _match_payouts(run, others, actor, at)
    for line in funding:
        findings += confirming_funding.explain(run, line, actor, at)
    for line in alone:
        findings += confirming_operations.explain(run, line, actor, at)
    for line in lines:
        if line.pk in sent:
            findings += confirming_operations.receive(run, line, sent[line.pk], actor, at)
    run.matched = Match.objects.filter(run=run).count()
    return _finish(run, findings, at)


def _match_payouts(
    run: ReconciliationRun, lines: list[StatementLine], actor: Actor, at: datetime
) -> list[Finding]:
    by_line = {str(line.pk): line for line in lines}
    named = {payout_id for line in lines if (payout_id := sources.payout_id(line))}
    payouts = selectors.payouts_by_reference(run.merchant_id, named)
    waiting = [payout for payout in payouts.values() if payout.state == PayoutState.PAID]
    result = compare(sources.payout_records(waiting), sources.line_records(lines))
    findings = []
    for pair in result.pairs:
        line = by_line[str(pair.right.row)]
        if _confirm_payout(run, line.pk, UUID(str(pair.left.row)), actor, at):
            crashpoint("reconciliation.after_match")
    for difference in result.differences:
        if difference.right is not None:
            line = by_line[str(difference.right.row)]
            findings.append(_line_finding(difference, line, payouts))
    return findings


@phased
def _confirm_payout(
    run: ReconciliationRun, line_id: int, payout_id: UUID, actor: Actor, at: datetime
) -> bool:
    """Record that a line is a payout; False when another run was there first."""
    locks.hold_bank_account(run.merchant_id, run.account, run.currency)
    payout, batch = locks.payout_with_batch(payout_id)
    line = StatementLine.objects.select_related("statement").get(pk=line_id)
    if payout.state != PayoutState.PAID or Match.objects.filter(line=line).exists():
        return False
    match = Match(
        merchant_id=run.merchant_id,
        run=run,
        line=line,
        kind=Match.Kind.PAYOUT,
        payout=payout,
        amount_minor=line.amount_minor,
        currency=line.currency,
        occurred_at=at,
    )
    with record(payout, batch, match, actor=actor, at=at) as entry:
        payout.reconcile()
        batch.reconcile()
        match.confirm_payout()
        entry.post(posting_rules.payout_reconciled(payout, run.account), step="reconcile", kind="payout")
        entry.announce(payout.as_event())
        entry.announce(batch.as_event(), subject=batch)
        entry.announce(match.as_event(), subject=match)
    crashpoint("reconciliation.before_match")
    return True


def _line_finding(difference: Difference, line: StatementLine, payouts: dict[UUID, Payout]) -> Finding:
    """Say why a line that is not a provider's funding matches no payout."""
    payout = payouts.get(sources.payout_id(line) or UUID(int=0))
    reason = _REASONS[difference.reason]
    detail: dict[str, object] = {"end_to_end_id": line.end_to_end_id, "remittance": line.remittance}
    if payout is not None:
        detail |= {"payout": payout.public_id, "expected": -payout.amount_minor, "payout_state": payout.state}
        if payout.state == PayoutState.RECONCILED:
            reason = BreakReason.LINE_DUPLICATE
        elif payout.state != PayoutState.PAID:
            reason = BreakReason.PAYOUT_NOT_PAID
    return Finding(
        reason,
        f"line|{line.pk}",
        line.amount,
        statement=line.statement,
        line=line,
        payout=payout,
        detail=detail,
    )


def _missing_payouts(run: ReconciliationRun, named: set[UUID]) -> list[Finding]:
    """Payouts that were paid up to the last statement's day and are on no statement.

    :param named: payouts that a line names, but with other figures; their break is open already.
    """
    last = selectors.last_statement(run.merchant_id, run.account, run.currency)
    if last is None or last.closed_on is None:
        return []
    return [
        Finding(
            BreakReason.PAYOUT_NOT_ON_STATEMENT,
            f"payout|{payout.pk}",
            -payout.amount,
            statement=last,
            payout=payout,
            detail={"payout": payout.public_id, "statement": last.reference},
        )
        for payout in selectors.payouts_to_see(run.merchant_id, run.currency, last.closed_on)
        if payout.pk not in named
    ]


@phased
def _finish(run: ReconciliationRun, findings: list[Finding], at: datetime) -> ReconciliationRun:
    locks.hold_bank_account(run.merchant_id, run.account, run.currency)
    named = {finding.payout.pk for finding in findings if finding.payout}
    findings = findings + _missing_payouts(run, named) + confirming_funding.missing(run)
    run.breaks_resolved = resolving.resolve_explained(
        Q(line__statement__account=run.account, line__match__isnull=False, currency=run.currency)
        | Q(payout__state=PayoutState.RECONCILED, reason=BreakReason.PAYOUT_NOT_ON_STATEMENT),
        run.merchant_id,
        "a later statement or answer explains it",
        at,
    )
    run.breaks_resolved += confirming_funding.resolve_funded(run, findings, at)
    run.breaks_opened = resolving.open_breaks(run.merchant_id, findings, run=run, at=at)
    run.finished_at = at
    run.save(update_fields=["lines", "matched", "breaks_opened", "breaks_resolved", "finished_at"])
    return run
