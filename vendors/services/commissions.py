"""Commission as a use-case: quote the sales of a split under the merchant's rules.

One query answers a whole split. The quote names the rule, and the caller keeps it with the sale: a later
change of rules does not touch what was quoted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from ledger.money import Money
from ledger.remembering import Memory
from vendors import commission, selectors
from vendors.commission import CommissionQuote, RuleTerms
from vendors.models import Vendor


def quote(merchant_id: UUID, vendor: Vendor, amount: Money, at: datetime) -> CommissionQuote:
    """Return the commission on one sale of a vendor at an instant."""
    return quote_many(merchant_id, [(vendor, amount)], at)[0]


def preview(merchant_id: UUID, vendor: Vendor, amount: Money, at: datetime) -> CommissionQuote:
    """Return what `quote` would, by the remembered rules of the merchant: for showing, never for a sale."""
    rules = memory.recall(
        str(merchant_id),
        "rules",
        lambda: [rule.as_terms() for rule in selectors.all_commission_rules(merchant_id)],
    )
    return commission.quote(amount, _picked(rules, vendor, amount, at))


def forget(merchant_id: UUID) -> None:
    """Forget a merchant's rules once the open phase, which changes them, has committed."""
    memory.forget(str(merchant_id))


def quote_many(
    merchant_id: UUID, sales: Sequence[tuple[Vendor, Money]], at: datetime
) -> list[CommissionQuote]:
    """Return the commission on each sale of a split, in the order given, with one query."""
    _, rules = selectors.sellers(merchant_id, {vendor.id for vendor, _ in sales})
    return quote_by(rules, sales, at)


def quote_by(
    rules: Sequence[RuleTerms], sales: Sequence[tuple[Vendor, Money]], at: datetime
) -> list[CommissionQuote]:
    """Return the commission on each sale under these rules (of `selectors.sellers`)."""
    return [commission.quote(amount, _picked(rules, vendor, amount, at)) for vendor, amount in sales]


def _picked(rules: Iterable[RuleTerms], vendor: Vendor, amount: Money, at: datetime) -> RuleTerms | None:
    return commission.pick(
        rules, vendor_id=vendor.id, category=vendor.category, currency=amount.currency, at=at
    )


def _packed(rules: list[RuleTerms]) -> list[dict[str, Any]]:
    return [
        {
            **asdict(rule),
            "id": str(rule.id),
            "vendor_id": str(rule.vendor_id) if rule.vendor_id else None,
            "valid_from": rule.valid_from.isoformat(),
            "valid_to": rule.valid_to.isoformat() if rule.valid_to else None,
        }
        for rule in rules
    ]


def _unpacked(packed: list[dict[str, Any]]) -> list[RuleTerms]:
    return [
        RuleTerms(
            **{
                **rule,
                "id": UUID(rule["id"]),
                "vendor_id": UUID(rule["vendor_id"]) if rule["vendor_id"] else None,
                "valid_from": datetime.fromisoformat(rule["valid_from"]),
                "valid_to": datetime.fromisoformat(rule["valid_to"]) if rule["valid_to"] else None,
            }
        )
        for rule in packed
    ]


memory: Final = Memory("commission_rules", seconds=60, pack=_packed, unpack=_unpacked)
