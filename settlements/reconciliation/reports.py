"""A provider's report on what it pays us, fetched and turned into records to compare."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ledger.money import Money
from payments.models.operations import Kind
from payments.providers import registry
from payments.providers.errors import ProviderRefused, ProviderUnavailable
from settlements.reconciliation.matching import Record

log = logging.getLogger(__name__)

COMES_IN: Final = (Kind.CAPTURE, Kind.REINSTATEMENT, Kind.REFUND_RETURNED)
"""What a provider owes us more for; for refunds and withdrawals of disputes it owes us less."""


@dataclass(frozen=True, slots=True)
class ReportItem:
    """One operation behind a funding line; amounts are positive, `kind` gives the direction."""

    key: str
    kind: str
    amount: Money
    fee: Money
    reference: str = ""
    authorization: str = ""

    @property
    def net(self) -> Money:
        signed = self.amount if self.kind in COMES_IN else -self.amount
        return signed - self.fee


@dataclass(frozen=True, slots=True)
class Report:
    """A provider's report: what it says it paid, and for what."""

    provider: str
    id: str
    net: Money
    items: tuple[ReportItem, ...]

    @property
    def total(self) -> Money:
        """What the items come to; it should be the line that names the report."""
        return sum((item.net for item in self.items), Money.zero(self.net.currency))

    def with_what_was_kept(self, charged: Mapping[str, Money]) -> "Report":
        """Return the report with what banks on the way kept of returned credits told apart, as we booked it.

        The report tells what came back, less that. `charged` is what each return cost us altogether, by the
        bank's reference of it. What the items come to stays the same.
        """
        zero = Money.zero(self.net.currency)
        back = {item.reference for item in self.items if item.kind == Kind.REFUND_RETURNED}
        told = {item.key: item.fee for item in self.items if item.kind == Kind.RETURN_FEE}
        untold = {key: cost - told.get(key, zero) for key, cost in charged.items() if key in back}
        kept = {key: amount for key, amount in untold.items() if amount.is_positive}
        if not kept:
            return self
        items = [
            replace(item, amount=item.amount + kept[item.reference])
            if item.kind == Kind.REFUND_RETURNED and item.reference in kept
            else item
            for item in self.items
            if not (item.kind == Kind.RETURN_FEE and item.key in kept)
        ]
        items += [ReportItem(key, Kind.RETURN_FEE, zero, charged[key], key) for key in kept]
        return replace(self, items=tuple(items))

    def records(self) -> list[Record]:
        """Return the items as records; their place in the report is their row."""
        return [
            Record(
                f"{number:09}",
                item.key,
                item.amount if item.kind in COMES_IN else -item.amount,
                item.fee.minor,
            )
            for number, item in enumerate(self.items, start=1)
        ]


def fetch(provider: str, report_id: str) -> Report | None:
    """Return a provider's report, or None when it cannot be had now: the line stays a break until it can."""
    try:
        found = registry.provider(provider).settlement_report(report_id)
    except (ProviderRefused, ProviderUnavailable) as error:
        log.warning("a provider's report cannot be had", extra={"report": report_id, "error": str(error)})
        return None
    items = tuple(
        ReportItem(line.idempotency_key, line.kind, line.amount, line.fee, line.reference, line.authorization)
        for line in found.lines
    )
    return Report(provider, found.id, found.net, items)
