"""Findings as a table: what each rule observed and what it was held against."""

from django.utils.safestring import SafeString

from fraud.engine.types import Finding
from fraud.models import FraudCheck
from ledger.admin import formats
from ledger.admin.base import Panel
from ledger.ids import BadId, parse


def payment_link(payment_ref: str) -> SafeString:
    """Return a link to a payment, which fraud knows by its public id alone."""
    try:
        return formats.link_by_id("payments_payment", parse("pay", payment_ref), payment_ref)
    except BadId:
        return formats.code(payment_ref)


def findings_panel(check: FraudCheck) -> Panel:
    """Return the findings of a check."""
    return Panel(
        "Findings",
        ["rule", "asks for", "observed", "threshold", "weight", "version", "remark"],
        [_row(Finding.from_json(stored), check.currency) for stored in check.findings],
        empty="no rule had anything to say",
    )


def _row(finding: Finding, currency: str) -> list[object]:
    def figure(value: int) -> object:
        if finding.is_failure:
            return formats.NOTHING
        return formats.money(value, currency) if finding.unit == "minor" else f"{value:,} {finding.unit}"

    remark = finding.detail or ("an allow list: it overrides the others" if finding.allows else "")
    return [
        finding.rule.replace("_", " "),
        formats.badge(finding.effect),
        figure(finding.observed),
        figure(finding.threshold),
        finding.weight,
        finding.version,
        remark or formats.NOTHING,
    ]
