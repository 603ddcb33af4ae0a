"""Where an adapter can be used at all: one that is limited has an attribute `reach`, others go anywhere.

What is limited by the kind of method stands in `reach_of_methods` (by MethodType), and goes before `reach`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from payments.providers import plans


@dataclass(frozen=True, slots=True)
class Reach:
    """Currencies (ISO 4217), countries of the payer (ISO 3166) and brands of cards; empty: any.

    `plans` are those of paying later that it offers; empty: none.
    """

    currencies: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    brands: frozenset[str] = frozenset()
    plans: frozenset[str] = frozenset()
    is_sale_only: bool = False  # taken in one call, or not at all: nothing can be reserved first
    is_own_token_only: bool = False  # of a token that is nobody's by its look, it can make nothing

    def why_not(self, *, currency: str, country: str, brand: str, is_sale: bool = True) -> str:
        """Say what keeps a payment out; empty when nothing does. What is not known keeps nothing out."""
        if self.currencies and currency not in self.currencies:
            return f"does not take {currency}"
        if self.countries and country and country not in self.countries:
            return f"does not serve {country}"
        if self.brands and brand and brand not in self.brands:
            return f"does not take {brand}"
        if self.is_sale_only and not is_sale:
            return "takes it only at once (capture_method automatic)"
        return ""

    def why_not_plan(self, token: str, *, currency: str) -> str:
        """Say what keeps a payment out whose token names a plan of paying later, or should."""
        plan = plans.named(token)
        if plan is None:
            return "knows no such plan"
        return plan.why_not(currency=currency) if plan.name in self.plans else f"does not offer {plan.name}"


ANYWHERE: Final = Reach()


def reach_of(adapter: Any, method_type: str = "") -> Reach:
    """Return where an adapter can be used, for a kind of method."""
    limited: Mapping[str, Reach] = getattr(adapter, "reach_of_methods", {})
    found: Reach = getattr(adapter, "reach", ANYWHERE)
    return limited.get(method_type, found)
