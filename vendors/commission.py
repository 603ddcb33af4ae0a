"""Commission, pure: which rule holds for a sale, and what the platform keeps of it.

No table is read here; rules come in as `RuleTerms`. The rate is rounded half to even, the fixed part is
added, and the commission never exceeds the sale amount.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.money import Money, Rounding


@dataclass(frozen=True, slots=True)
class RuleTerms:
    """What a commission rule says: whom it concerns, when, and the terms.

    Empty `vendor_id`, `category` or `currency` mean any. `fixed_minor` is in minor units of `currency`.
    """

    id: UUID
    vendor_id: UUID | None
    category: str
    currency: str
    rate_bps: int
    fixed_minor: int
    priority: int
    valid_from: datetime
    valid_to: datetime | None

    def concerns(self, vendor_id: UUID, category: str, currency: str, at: datetime) -> bool:
        """Say whether the rule may be used for a vendor, currency and instant (`valid_to` is exclusive)."""
        return (
            self.vendor_id in (None, vendor_id)
            and self.category in ("", category)
            and self.currency in ("", currency)
            and self.valid_from <= at
            and (self.valid_to is None or at < self.valid_to)
        )

    @property
    def specificity(self) -> int:
        """A vendor's own rule before his category's, that before the merchant's; a named currency first."""
        subject = 4 if self.vendor_id else 2 if self.category else 0
        return subject + bool(self.currency)


@dataclass(frozen=True, slots=True)
class CommissionQuote:
    """The terms that hold for one sale and the commission they give; `rule_id` is None when no rule holds."""

    rate_bps: int
    fixed_minor: int
    rule_id: UUID | None
    commission: Money


def pick(
    rules: Iterable[RuleTerms], *, vendor_id: UUID, category: str, currency: str, at: datetime
) -> RuleTerms | None:
    """Return the rule that holds: the most specific, then the highest priority, then the newest."""
    candidates = [rule for rule in rules if rule.concerns(vendor_id, category, currency, at)]
    return max(
        candidates,
        key=lambda rule: (rule.specificity, rule.priority, rule.valid_from, rule.id),
        default=None,
    )


def compute(amount: Money, rate_bps: int, fixed_minor: int) -> Money:
    """Return the commission on a sale: rate (rounded half to even) plus fixed part, at most the sale."""
    share = amount.bps(rate_bps, Rounding.HALF_EVEN)
    return min(share + Money(fixed_minor, amount.currency), amount)


def quote(amount: Money, rule: RuleTerms | None) -> CommissionQuote:
    """Return the quote for a sale under a rule; without a rule nothing is kept."""
    if rule is None:
        return CommissionQuote(0, 0, None, Money.zero(amount.currency))
    return CommissionQuote(
        rule.rate_bps, rule.fixed_minor, rule.id, compute(amount, rule.rate_bps, rule.fixed_minor)
    )
