"""Where an adapter can be used at all: one that is limited has an attribute `reach`, others go anywhere."""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Reach:
    """Currencies (ISO 4217), countries of the payer (ISO 3166) and brands of cards; empty: any."""

    currencies: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    brands: frozenset[str] = frozenset()

    def why_not(self, *, currency: str, country: str, brand: str) -> str:
        """Say what keeps a payment out; empty when nothing does. What is not known keeps nothing out."""
        if self.currencies and currency not in self.currencies:
            return f"does not take {currency}"
        if self.countries and country and country not in self.countries:
            return f"does not serve {country}"
        if self.brands and brand and brand not in self.brands:
            return f"does not take {brand}"
        return ""


ANYWHERE: Final = Reach()


def reach_of(adapter: Any) -> Reach:
    """Return where an adapter can be used."""
    found: Reach = getattr(adapter, "reach", ANYWHERE)
    return found
