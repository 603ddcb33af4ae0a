"""Findings as a table: what each rule observed and what it was held against."""

from fraud.engine.types import Finding
from fraud.models import FraudCheck
from ledger.admin import formats
from ledger.admin.base import Panel


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
