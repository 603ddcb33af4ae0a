"""What this floor explains: vendors by their balances, commission rules by how they came to be."""

from collections.abc import Sequence

from ledger import ids
from ledger.explain import totals
from ledger.explain.registry import Scope, explains, first_events, keys_of, refers_to
from ledger.explain.types import Explanation, Link, Part, summed
from ledger.money import BPS_WHOLE
from vendors.models import CommissionRule, Merchant, Vendor

RULE = "crl"


@refers_to(CommissionRule)
def _of_rule(rule: CommissionRule) -> str:
    return ids.show(RULE, rule.pk)


@explains(RULE)
def rules(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain commission rules: the terms agreed with a merchant or a vendor."""
    keys = keys_of(RULE, tails)
    rows = list(scope.of(CommissionRule.objects.filter(pk__in=list(keys)).select_related("vendor")))
    made = first_events([rule.vendor_id for rule in rows if rule.vendor_id], scope)
    found = {}
    for rule in rows:
        whose = rule.vendor.name if rule.vendor else rule.category or "all sales"
        causes = [
            Link("agreed", f"terms with {whose}, recorded {rule.recorded_at.isoformat()}", is_outside=True)
        ]
        if rule.vendor_id in made:
            causes.append(Link("the vendor was taken in", "", made[rule.vendor_id]))
        found[keys[rule.pk]] = Explanation(
            ref=ids.show(RULE, rule.pk),
            kind="commission rule",
            title=f"{terms(rule.rate_bps, rule.fixed_minor)} for {whose}, version {rule.version}",
            causes=tuple(causes),
            at=rule.valid_from,
            page=("vendors_commissionrule", str(rule.pk)),
        )
    return found


def terms(rate_bps: int, fixed_minor: int) -> str:
    """Return a rate in words, for example `12.50 % + 30`."""
    whole, rest = divmod(rate_bps, BPS_WHOLE // 100)
    return f"{whole}.{rest:02} %" + (f" + {fixed_minor}" if fixed_minor else "")


@explains(Vendor.PREFIX)
def vendors(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain what is owed to and by vendors: the sum of their accounts, in each currency."""
    keys = keys_of(Vendor.PREFIX, tails)
    rows = list(scope.of(Vendor.objects.filter(pk__in=list(keys))))
    held = totals.of_owners([(vendor.merchant_id, str(vendor.pk)) for vendor in rows])
    made = first_events([vendor.pk for vendor in rows], scope)
    found = {}
    for vendor in rows:
        parts = held[vendor.merchant_id, str(vendor.pk)]
        found[keys[vendor.pk]] = Explanation(
            ref=vendor.public_id,
            kind="vendor",
            title=f"all accounts of {vendor.name}",
            amounts=summed(part.amount for part in parts),
            parts=tuple(parts),
            causes=_came(made.get(vendor.pk)),
            at=vendor.occurred_at,
            page=("vendors_vendor", str(vendor.pk)),
        )
    return found


def _came(event_ref: str | None) -> tuple[Link, ...]:
    return (Link("taken in", "", event_ref),) if event_ref else ()


@explains(Merchant.PREFIX)
def merchants(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain a merchant's books: every kind of account in every currency, which come to zero."""
    keys = keys_of(Merchant.PREFIX, tails)
    rows = list(scope.of(Merchant.objects.filter(pk__in=list(keys)), "pk"))
    sums = totals.of_merchants([merchant.pk for merchant in rows])
    found = {}
    for merchant in rows:
        parts: list[Part] = sums.get(merchant.pk, [])
        found[keys[merchant.pk]] = Explanation(
            ref=merchant.public_id,
            kind="merchant",
            title=f"trial balance of {merchant.name}",
            amounts=tuple(type(money).zero(money.currency) for money in summed(p.amount for p in parts)),
            parts=tuple(parts),
            causes=(Link("taken in", f"{merchant.recorded_at.isoformat()}", is_outside=True),),
            at=merchant.recorded_at,
            page=("vendors_merchant", str(merchant.pk)),
        )
    return found
