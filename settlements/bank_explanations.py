"""What this floor explains of the bank: statements by their lines, lines by the payout or the provider's
report behind them, breaks by what does not agree. A line that nothing explains says so, with its break."""

from collections.abc import Sequence
from uuid import UUID

from ledger.explain.registry import Scope, explains, first_events, keys_of, numbers_of, refers_to
from ledger.explain.types import PARTS_MAX, Explanation, Link, Part, one
from ledger.money import Money
from payments.explanations.payments import FEE
from settlements.models import BankStatement, Break, FundedOperation, Match, StatementLine

LINE, STATEMENT = "bln", BankStatement.PREFIX


def line_ref(line_id: int | None) -> str:
    """Return the id under which a line of a bank's statement is explained."""
    return f"{LINE}_{line_id}" if line_id is not None else ""


@refers_to(StatementLine)
def _of_line(line: StatementLine) -> str:
    return line_ref(line.pk)


@explains(LINE)
def lines(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain bank lines (`bln_12`): a payout, or the operations of the provider's report, in pages."""
    heads = {tail: tail.partition(".p") for tail in tails}
    numbers = {head: key for key, head in numbers_of({head for head, _, _ in heads.values()}).items()}
    rows = scope.of(
        StatementLine.objects.filter(pk__in=list(numbers.values())).select_related(
            "statement", "match__payout"
        )
    ).in_bulk()
    funded = _funded([row.match.pk for row in rows.values() if hasattr(row, "match")])
    breaks = _breaks([row.pk for row in rows.values() if not hasattr(row, "match")], scope)
    found = {}
    for tail, (head, _, page) in heads.items():
        row = rows.get(numbers[head]) if head in numbers else None
        if row is None or (page and not page.isdecimal()):
            continue
        operations = funded.get(row.match.pk, []) if hasattr(row, "match") else []
        if page:
            found[tail] = _page(tail, row, operations, int(page))
        else:
            found[tail] = _line(row, operations, breaks.get(row.pk, []))
    return found


def _line(row: StatementLine, funded: Sequence[FundedOperation], breaks: Sequence[Break]) -> Explanation:
    match = getattr(row, "match", None)
    statement = row.statement
    problems: tuple[str, ...] = ()
    parts: list[Part] = []
    if match is None:
        said = "; ".join(f"{one.public_id}: {one.get_reason_display()}" for one in breaks)
        problems = (f"nothing explains this line ({said or 'no break is open'})",)
    elif match.kind == Match.Kind.PAYOUT:
        parts = [
            Part("payout", Money(-match.payout.amount_minor, match.payout.currency), match.payout.public_id)
        ]
    else:
        parts = _operations(row, funded)
    return Explanation(
        ref=line_ref(row.pk),
        kind="bank line",
        title=f"line {row.line_no} of statement {statement.reference}",
        amounts=one(row.amount),
        parts=tuple(parts),
        causes=(Link("the bank's statement", f"{statement.account} {statement.closed_on}", is_outside=True),),
        evidence=tuple(
            (label, text)
            for label, text in (
                ("line, SHA-256", bytes(row.content_hash).hex()),
                ("statement", statement.public_id),
                ("statement, SHA-256", bytes(statement.content_hash).hex()),
                ("end to end id", row.end_to_end_id),
                ("bank's reference", row.bank_reference),
                ("provider's report", match.report if match else ""),
            )
            if text
        ),
        problems=problems,
        page=("settlements_statementline", str(row.pk)),
    )


def _operations(row: StatementLine, funded: Sequence[FundedOperation]) -> list[Part]:
    """Return the operations of a report and their fees; pages when they are many."""
    if 2 * len(funded) <= PARTS_MAX:
        return [part for one in funded for part in _operation(one, row.currency)]
    per_page = PARTS_MAX // 2
    pages = [funded[start : start + per_page] for start in range(0, len(funded), per_page)]
    return [
        Part(
            f"operations, page {number}",
            Money(sum(one.amount_minor - one.fee_minor for one in page), row.currency),
            f"{line_ref(row.pk)}.p{number}",
        )
        for number, page in enumerate(pages)
    ]


def _page(tail: str, row: StatementLine, funded: Sequence[FundedOperation], number: int) -> Explanation:
    per_page = PARTS_MAX // 2
    page = funded[number * per_page : (number + 1) * per_page]
    parts = [part for one in page for part in _operation(one, row.currency)]
    return Explanation(
        ref=f"{LINE}_{tail}",
        kind="bank line",
        title=f"operations in line {row.line_no} of {row.statement.reference}, page {number}",
        amounts=one(Money(sum(part.amount.minor for part in parts), row.currency)),
        parts=tuple(parts),
        page=("settlements_statementline", str(row.pk)),
    )


def _operation(funded: FundedOperation, currency: str) -> list[Part]:
    operation = funded.operation
    label = operation.leg.replace(":", " ")
    parts = [Part(label, Money(funded.amount_minor, currency), operation.public_id)]
    if funded.fee_minor:
        fee = Money(-funded.fee_minor, currency)
        parts.append(Part("its fee", fee, f"{operation.public_id}.{FEE}"))
    return parts


def _funded(match_ids: Sequence[UUID]) -> dict[UUID, list[FundedOperation]]:
    found: dict[UUID, list[FundedOperation]] = {}
    rows = FundedOperation.objects.filter(match__in=match_ids).select_related("operation")
    for row in rows.order_by("match_id", "id"):
        found.setdefault(row.match_id, []).append(row)
    return found


def _breaks(line_ids: Sequence[int], scope: Scope) -> dict[int, list[Break]]:
    found: dict[int, list[Break]] = {}
    for row in scope.of(Break.objects.filter(line__in=line_ids)).order_by("id"):
        found.setdefault(row.line_id, []).append(row)
    return found


@explains(STATEMENT)
def statements(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain statements (`bst_…`): closing less opening is the sum of the lines, in pages of 100."""
    heads = {tail: tail.partition(".p") for tail in tails}
    keys = {head: key for key, head in keys_of(STATEMENT, {head for head, _, _ in heads.values()}).items()}
    rows = scope.of(BankStatement.objects.filter(pk__in=list(keys.values()))).in_bulk()
    made = first_events(rows, scope)
    own: dict[UUID, list[StatementLine]] = {}
    for line in StatementLine.objects.filter(statement__in=list(rows)).order_by("statement_id", "line_no"):
        own.setdefault(line.statement_id, []).append(line)
    found = {}
    for tail, (head, _, page) in heads.items():
        row = rows.get(keys[head]) if head in keys else None
        if row is None or (page and not page.isdecimal()):
            continue
        parts = _lines(row, own.get(row.pk, []), int(page) if page else None)
        moved = (row.closing_minor or 0) - (row.opening_minor or 0)
        amount = sum(part.amount.minor for part in parts) if page else moved
        found[tail] = Explanation(
            ref=f"{STATEMENT}_{tail}",
            kind="bank statement",
            title=f"{row.reference} of {row.account}, closing less opening, {row.state}",
            amounts=() if row.problem else one(Money(amount, row.currency)),
            parts=tuple(parts),
            causes=(_imported(row, made),),
            evidence=(("content, SHA-256", bytes(row.content_hash).hex()),),
            problems=(row.problem,) if row.problem else (),
            at=row.occurred_at,
            page=("settlements_bankstatement", str(row.pk)),
        )
    return found


def _lines(row: BankStatement, own: Sequence[StatementLine], page: int | None) -> list[Part]:
    if page is None and len(own) > PARTS_MAX:
        pages = [own[start : start + PARTS_MAX] for start in range(0, len(own), PARTS_MAX)]
        return [
            Part(
                f"lines {lines[0].line_no} to {lines[-1].line_no}",
                Money(sum(line.amount_minor for line in lines), row.currency),
                f"{row.public_id}.p{number}",
            )
            for number, lines in enumerate(pages)
        ]
    start = (page or 0) * PARTS_MAX
    return [
        Part(f"line {line.line_no}", line.amount, line_ref(line.pk))
        for line in own[start : start + PARTS_MAX]
    ]


def _imported(row: BankStatement, made: dict[UUID, str]) -> Link:
    if row.pk not in made:
        return Link("imported", "no event tells how it came in")
    return Link("imported", "", made[row.pk])


@explains(Match.PREFIX)
def matches(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain matches by the bank's line they are about."""
    keys = keys_of(Match.PREFIX, tails)
    return {
        keys[row.pk]: Explanation(
            ref=row.public_id,
            kind="match",
            title=f"{row.kind} {row.report}".rstrip(),
            amounts=one(row.amount),
            parts=(Part("bank line", row.amount, line_ref(row.line_id)),),
            at=row.occurred_at,
            page=("settlements_match", str(row.pk)),
        )
        for row in scope.of(Match.objects.filter(pk__in=list(keys)))
    }


@explains(Break.PREFIX)
def breaks_themselves(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain breaks: what does not agree is by its nature unexplained until the break is resolved."""
    keys = keys_of(Break.PREFIX, tails)
    rows = list(scope.of(Break.objects.filter(pk__in=list(keys))))
    made = first_events([row.pk for row in rows], scope)
    return {
        keys[row.pk]: Explanation(
            ref=row.public_id,
            kind="break",
            title=f"{row.get_reason_display()}: {row.resolution or row.state}",
            amounts=one(row.amount),
            causes=(Link("found", "", made[row.pk]),) if row.pk in made else (),
            problems=() if row.resolved_at else ("it waits for an explanation",),
            at=row.occurred_at,
            page=("settlements_break", str(row.pk)),
        )
        for row in rows
    }
