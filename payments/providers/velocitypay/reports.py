"""What is read from VelocityPay and its sandbox bank: settlement reports and statements. Pure and total.

A report is believed only when its lines sum to its head. Nothing here moves money: what cannot be read is
raised, and asked for again.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from ledger.errors import Invalid
from ledger.money import Money
from payments.providers.errors import ProviderRefused, Unanswered
from payments.providers.notices import ProviderReport, ReportLine, StatementSummary
from payments.providers.velocitypay.mapping import REJECTED_STATUSES, error_of, is_reference

KINDS: Final = ("capture", "refund", "refund_returned", "withdrawal", "reinstatement")
SUMS: Final = ("captured", "fees", "refunded", "disputed", "net")


def path_part(text: str) -> str:
    """An id of the provider's, fit for a path.

    :raises ProviderRefused: it cannot be one.
    """
    if not is_reference(text):
        raise ProviderRefused("this is not an id of VelocityPay's", provider_code="bad_reference")
    return text


def report(pages: list[Mapping[str, Any]]) -> ProviderReport:
    """Put the pages of a settlement report together.

    :raises Unanswered: not shaped like one, or its lines do not sum to its head.
    """
    try:
        head = {"disputed": 0, **pages[0]}
        lines = [_report_line(row) for page in pages for row in page["operations"]]
        currency, day = head["currency"], date.fromisoformat(head["date"])
        told = {name: Money(head[name], currency) for name in SUMS}
        made = ProviderReport.of(head["id"], day, lines, currency)
    except (KeyError, IndexError, TypeError, ValueError, Invalid) as error:
        raise Unanswered("bad_body") from error
    if told != {name: getattr(made, name) for name in SUMS}:
        raise Unanswered("report_does_not_add_up")
    return made


def last_seq(page: Mapping[str, Any]) -> int:
    """Where to go on after a page of a settlement report.

    :raises Unanswered: the page has no lines.
    """
    try:
        return int(page["operations"][-1]["seq"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Unanswered("bad_body") from error


def statement_summaries(body: Mapping[str, Any]) -> list[StatementSummary]:
    """Read a list of bank statements.

    :raises Unanswered: not shaped like one.
    """
    try:
        return [
            StatementSummary(
                id=str(row["id"]),
                business_date=date.fromisoformat(row["date"]),
                currency=row["currency"],
                sequence=int(row["sequence"]),
                opening=Money(row["opening"], row["currency"]),
                closing=Money(row["closing"], row["currency"]),
                line_count=int(row["lines"]),
            )
            for row in body["data"]
        ]
    except (KeyError, TypeError, ValueError, Invalid) as error:
        raise Unanswered("bad_body") from error


def readable(status: int, body: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The body of a successful read.

    :raises ProviderRefused: the provider says no. :raises Unanswered: anything else.
    """
    if status == 200 and body is not None:
        return body
    code, message = error_of(body)
    if status in REJECTED_STATUSES and code:
        raise ProviderRefused(message, provider_code=code)
    raise Unanswered(f"http_{status}")


def _report_line(row: Mapping[str, Any]) -> ReportLine:
    currency = row["currency"]
    if row["kind"] not in KINDS:
        raise ValueError(row["kind"])
    return ReportLine(
        row["kind"],
        row["idempotency_key"],
        row["id"],
        Money(row["amount"], currency),
        Money(row["fee"], currency),
        row.get("authorization_id") or "",
    )
