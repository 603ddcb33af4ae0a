"""Explain a line that is one operation of ours by itself: a small deposit that we sent, or what a payer sent.

The bank repeats a deposit's public id as the line's end-to-end id; a payer quotes the reference that he was
told, and its arrival here is what concludes his payment. A line is booked only when the operation succeeded,
with the same amount, and is on no other line.
"""

from datetime import datetime

from ledger.actors import Actor
from ledger.crashpoints import crashpoint
from ledger.locks import phased
from ledger.recording import record
from payments.models import ProviderOperation
from payments.models.operations import Kind
from payments.services.transfers import receiving_transfers
from settlements import locks, posting_rules
from settlements.models import FundedOperation, Match, ReconciliationRun, StatementLine
from settlements.models.reconciliation import BreakReason
from settlements.reconciliation import sources
from settlements.services.resolving import Finding


def explain(run: ReconciliationRun, line: StatementLine, actor: Actor, at: datetime) -> list[Finding]:
    """Book a line that is an operation, or say why it does not agree with it."""
    named = sources.operation_id(line)
    if named is None:
        raise ValueError("the line names no operation")
    found = ProviderOperation.objects.filter(merchant_id=run.merchant_id, pk=named, kind=Kind.DEPOSIT)
    return _finding(line, _confirm(run, line.pk, found.first(), actor, at))


def receive(
    run: ReconciliationRun, line: StatementLine, waiting: ProviderOperation, actor: Actor, at: datetime
) -> list[Finding]:
    """Tell a payment that its payer's money has come, and book the line; or say why they do not agree.

    Another amount than was asked for holds the payment for a person, and the line is a break.
    """
    if not waiting.has_succeeded:
        receiving_transfers.arrive(waiting, line.amount, actor=actor, at=at)
    reason = _confirm(run, line.pk, receiving_transfers.taken_of(waiting), actor, at)
    if reason is BreakReason.LINE_UNEXPLAINED and line.amount != waiting.amount:
        reason = BreakReason.AMOUNT_DIFFERS
    return _finding(line, reason)


def _finding(line: StatementLine, reason: BreakReason | None) -> list[Finding]:
    if reason is None:
        return []
    detail = {"end_to_end_id": line.end_to_end_id, "remittance": line.remittance}
    key = f"line|{line.pk}"
    return [Finding(reason, key, line.amount, statement=line.statement, line=line, detail=detail)]


@phased
def _confirm(
    run: ReconciliationRun, line_id: int, operation: ProviderOperation | None, actor: Actor, at: datetime
) -> BreakReason | None:
    """Record that a line is an operation; or return why it is not (None when another run was there first)."""
    locks.hold_bank_account(run.merchant_id, run.account, run.currency)
    line = StatementLine.objects.select_related("statement").get(pk=line_id)
    if Match.objects.filter(line=line).exists():
        return None
    if operation is None or not operation.has_succeeded:
        return BreakReason.LINE_UNEXPLAINED
    if FundedOperation.objects.filter(operation=operation).exists():
        return BreakReason.LINE_DUPLICATE
    if operation.currency != line.currency:
        return BreakReason.CURRENCY_DIFFERS
    is_sent_by_us = operation.kind == Kind.DEPOSIT
    if (-operation.amount if is_sent_by_us else operation.amount) != line.amount:
        return BreakReason.AMOUNT_DIFFERS
    match = Match(
        merchant_id=run.merchant_id,
        run=run,
        line=line,
        kind=Match.Kind.OPERATION,
        provider=operation.provider,
        amount_minor=line.amount_minor,
        currency=line.currency,
        occurred_at=at,
    )
    with record(match, actor=actor, at=at) as entry:
        match.confirm_operation()
        book = posting_rules.deposit_reconciled if is_sent_by_us else posting_rules.funding_confirmed
        entry.post(book(match, run.account), step="confirm", kind=str(operation.kind))
        entry.announce({**match.as_event(), "operations": 1})
    FundedOperation.objects.create(
        match=match, operation=operation, amount_minor=line.amount_minor, fee_minor=0
    )
    crashpoint("reconciliation.before_match")
    return None
