"""Commission as a use-case: quote the sales of a split under the merchant's rules.

One query answers a whole split. The quote names the rule, and the caller keeps it with the sale: a later
change of rules does not touch what was quoted.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ledger.money import Money
from vendors import commission, selectors
from vendors.commission import CommissionQuote
from vendors.models import Vendor


def quote(merchant_id: UUID, vendor: Vendor, amount: Money, at: datetime) -> CommissionQuote:
    """Return the commission on one sale of a vendor at an instant."""
    return quote_many(merchant_id, [(vendor, amount)], at)[0]


def quote_many(
    merchant_id: UUID, sales: Sequence[tuple[Vendor, Money]], at: datetime
) -> list[CommissionQuote]:
    """Return the commission on each sale of a split, in the order given, with one query."""
    concerned = {vendor.id for vendor, _ in sales}
    rules = [rule.as_terms() for rule in selectors.commission_rules(merchant_id, concerned)]
    return [
        commission.quote(
            amount,
            commission.pick(
                rules, vendor_id=vendor.id, category=vendor.category, currency=amount.currency, at=at
            ),
        )
        for vendor, amount in sales
    ]
