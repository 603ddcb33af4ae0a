"""Explain a line with which a provider pays us: its report, compared item by item and both ways with our
operations.

The line is booked only when every item is an operation of ours that succeeded, with the same amount and fee,
funded for the first time, and when the items come to the line. Operations that should have been in a report
of their day and are in none are one break an account.
"""

from collections.abc import Mapping, Set
from datetime import datetime

from django.db.models import Q, Sum
from django.db.models.functions import Coalesce

from ledger.actors import Actor
from ledger.events import Cause
from ledger.locks import phased
from ledger.money import Money
from ledger.recording import record
from payments.models import ProviderOperation
from payments.models.operations import Kind
from payments.providers import registry
from payments.providers.requests import returned_key
from payments.services.calls import learning_fees
from settlements import locks, posting_rules, selectors
from settlements.models import FundedOperation, Match, ReconciliationRun, StatementLine
from settlements.models.reconciliation import BreakReason
from settlements.reconciliation import reports, sources
from settlements.reconciliation.matching import Difference, Reason, compare
from settlements.reconciliation.reports import Report
from settlements.services import hearing_reports, resolving
from settlements.services.resolving import Finding

SHOWN_MAX = 20


def explain(run: ReconciliationRun, line: StatementLine, actor: Actor, at: datetime) -> list[Finding]:
    """Book a funding line that its report explains, or say why it does not. No transaction is open."""
    name = sources.report_name(line)
    if name is None:
        raise ValueError("the line names no report")
    report = reports.fetch(name.provider, name.report)
    if report is None:
        detail = {"provider": name.provider, "report": name.report}
        return [_finding(BreakReason.REPORT_NOT_FOUND, line, "", line.amount, detail)]
    return _confirm(run, line.pk, hearing_reports.hear(report, actor, at), actor, at)


@phased
def _confirm(
    run: ReconciliationRun, line_id: int, report: Report, actor: Actor, at: datetime
) -> list[Finding]:
    locks.hold_bank_account(run.merchant_id, run.account, run.currency)
    line = StatementLine.objects.select_related("statement").get(pk=line_id)
    if Match.objects.filter(line=line).exists():
        return []
    ours = selectors.operations_by_key(run.merchant_id, [item.key for item in report.items])
    late = _late_fees(report, ours)
    findings = _compare(line, report, ours, late)
    if findings:
        return findings
    funded = [one for one in ours.values() if one.has_succeeded]  # others: refunds that came to nothing
    match = Match(
        merchant_id=run.merchant_id,
        run=run,
        line=line,
        kind=Match.Kind.FUNDING,
        provider=report.provider,
        report=report.id,
        amount_minor=line.amount_minor,
        currency=line.currency,
        occurred_at=at,
    )
    cause = Cause("provider_report", f"{report.provider} {report.id}")
    learning_fees.learn({ours[key]: fee for key, fee in late.items()}, actor=actor, at=at, cause=cause)
    with record(match, actor=actor, at=at) as entry:
        match.confirm_funding()
        charged = posting_rules.fees_told(match, Money(sum(late.values()), line.currency))
        legs = [*posting_rules.funding_confirmed(match, run.account), *charged]
        entry.post(legs, step="confirm", kind="funding")
        entry.announce({**match.as_event(), "operations": len(funded)})
    FundedOperation.objects.bulk_create(
        [
            FundedOperation(
                match=match,
                operation=operation,
                amount_minor=sources.operation_record(operation).amount.minor,
                fee_minor=operation.fee_minor,
            )
            for operation in funded
        ],
        batch_size=1000,
    )
    return []


def _late_fees(report: Report, ours: dict[str, ProviderOperation]) -> dict[str, int]:
    """What operations cost, in minor units by their key, where a provider tells it by its report alone."""
    if not registry.fees_come_by_report(report.provider):
        return {}
    told = {item.key: item.fee.minor for item in report.items if item.fee.minor}
    return {key: fee for key, fee in told.items() if key in ours and ours[key].fee_minor == 0}


def _compare(
    line: StatementLine, report: Report, ours: dict[str, ProviderOperation], late: Mapping[str, int]
) -> list[Finding]:
    concluded = [operation for operation in ours.values() if operation.has_succeeded]
    records = [sources.operation_record(one, late.get(one.idempotency_key)) for one in concluded]
    undone = _undone(report, {operation.idempotency_key for operation in concluded})
    told = [record for record in report.records() if record.key not in undone]
    result = compare(records, told)
    findings = [_item_finding(line, difference, ours) for difference in result.differences]
    funded = FundedOperation.objects.filter(operation__in=concluded).select_related("operation", "match")
    findings += [
        _finding(
            BreakReason.OPERATION_FUNDED_TWICE,
            line,
            again.operation.idempotency_key,
            Money(again.amount_minor, line.currency),
            {"operation": again.operation.public_id, "earlier_report": again.match.report},
        )
        for again in funded
    ]
    if report.total != line.amount:
        detail = {"report": report.id, "items": len(report.items), "items_net": report.total.as_json()}
        findings.append(_finding(BreakReason.REPORT_TOTAL_DIFFERS, line, "", line.amount, detail))
    return findings


def _undone(report: Report, done: Set[str]) -> set[str]:
    """The keys of refunds that a report takes and gives back, and that never were done here: nothing.

    A provider takes the money of a refund that is still pending, and gives it back when that fails.
    """
    back = {item.key for item in report.items if item.kind == Kind.REFUND_RETURNED}
    taken = {item.key for item in report.items if item.kind == Kind.REFUND} - done
    both = {key for key in taken if returned_key(key) in back}
    return both | {returned_key(key) for key in both}


def _item_finding(line: StatementLine, difference: Difference, ours: dict[str, ProviderOperation]) -> Finding:
    theirs, known = difference.right, ours.get(difference.key)
    reason = BreakReason.OPERATION_DIFFERS
    if difference.reason is Reason.DUPLICATE:
        reason = BreakReason.OPERATION_FUNDED_TWICE
    elif difference.reason is Reason.ALONE:
        reason = BreakReason.OPERATION_UNKNOWN
    detail = {
        "key": difference.key,
        "ours": _figures(difference.left.amount, difference.left.fee_minor) if difference.left else None,
        "theirs": _figures(theirs.amount, theirs.fee_minor) if theirs else None,
        "operation": known.public_id if known else None,
        "our_outcome": known.outcome or "open" if known else None,
    }
    amount = theirs.amount if theirs else line.amount
    return _finding(reason, line, difference.key, amount, detail)


def _figures(amount: Money, fee_minor: int) -> dict[str, int | str]:
    return {**amount.as_json(), "fee": fee_minor}


def _finding(
    reason: BreakReason, line: StatementLine, key: str, amount: Money, detail: Mapping[str, object]
) -> Finding:
    return Finding(
        reason,
        f"line|{line.pk}|{key}"[:140],
        amount,
        statement=line.statement,
        line=line,
        detail=dict(detail),
    )


def missing(run: ReconciliationRun) -> list[Finding]:
    """Say which operations of the statements' days are in no confirmed report (one break an account)."""
    last = selectors.last_statement(run.merchant_id, run.account, run.currency)
    if last is None or last.closed_on is None:
        return []
    waiting = selectors.operations_not_funded(run.merchant_id, run.currency, last.closed_on)
    shown = list(waiting.order_by("concluded_at", "pk")[: SHOWN_MAX + 1])
    if not shown:
        return []
    sums = waiting.aggregate(
        captured=Coalesce(Sum("amount_minor", filter=Q(kind=Kind.CAPTURE)), 0),
        refunded=Coalesce(Sum("amount_minor", filter=Q(kind=Kind.REFUND)), 0),
        withdrawn=Coalesce(Sum("amount_minor", filter=Q(kind=Kind.WITHDRAWAL)), 0),
        deposited=Coalesce(Sum("amount_minor", filter=Q(kind=Kind.DEPOSIT)), 0),
        reinstated=Coalesce(Sum("amount_minor", filter=Q(kind=Kind.REINSTATEMENT)), 0),
        returned=Coalesce(Sum("amount_minor", filter=Q(kind=Kind.REFUND_RETURNED)), 0),
        fees=Coalesce(Sum("fee_minor"), 0),
    )
    disputed = sums["withdrawn"] - sums["reinstated"]
    refunded = sums["refunded"] - sums["returned"]
    given = refunded + disputed + sums["deposited"] + sums["fees"]
    amount = Money(sums["captured"] - given, run.currency)
    detail = {
        "count": waiting.count(),
        "until": last.closed_on.isoformat(),
        "operations": [operation.public_id for operation in shown[:SHOWN_MAX]],
        **sums,
    }
    reason, key = BreakReason.OPERATIONS_NOT_FUNDED, _account_key(run)
    return [Finding(reason, key, amount, statement=last, detail=detail)]


def resolve_funded(run: ReconciliationRun, findings: list[Finding], at: datetime) -> int:
    """Resolve the break about operations that were not funded once all of them are."""
    if any(finding.reason is BreakReason.OPERATIONS_NOT_FUNDED for finding in findings):
        return 0
    return resolving.resolve_explained(
        Q(reason=BreakReason.OPERATIONS_NOT_FUNDED, key=_account_key(run)),
        run.merchant_id,
        "all operations up to the last statement are funded",
        at,
    )


def _account_key(run: ReconciliationRun) -> str:
    return f"account|{run.account}|{run.currency}"
