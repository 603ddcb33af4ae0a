"""Plans of paying later: the payer agrees to one on a page of the lender's, so that nothing of him is stored.

A plan is named the same at every provider that offers it, `klarna.DE`: the lender, and the country in which
the payer lives, which decides the law and the currency. So any provider with the plan may be asked.
"""

import re
from dataclasses import dataclass
from typing import Final

KLARNA: Final = "klarna"
# How a payer pays, in our words (`details` of an outcome): at once, all of it later, or in instalments.
PAY_NOW: Final = "pay_now"
PAY_LATER: Final = "pay_later"
INSTALMENTS: Final = "instalments"
# Where Klarna lends, and in which currency (docs.adyen.com and docs.stripe.com, "Klarna", read 2026-11-21).
_KLARNA: Final = {
    **dict.fromkeys(("AT", "BE", "DE", "ES", "FI", "FR", "GR", "IE", "IT", "NL", "PT"), "EUR"),
    "AU": "AUD", "CA": "CAD", "CH": "CHF", "CZ": "CZK", "DK": "DKK", "GB": "GBP", "NO": "NOK", "NZ": "NZD",
    "PL": "PLN", "RO": "RON", "SE": "SEK", "US": "USD",
}  # fmt: skip
_CURRENCIES: Final = {KLARNA: _KLARNA}
_TOKEN: Final = re.compile(r"([a-z]{3,16})\.([A-Z]{2})")


@dataclass(frozen=True, slots=True)
class Plan:
    """A lender's plan for a payer who lives in a country."""

    name: str
    country: str

    def why_not(self, *, currency: str) -> str:
        """Say what keeps a payment out of it; empty when nothing does."""
        found = _CURRENCIES[self.name].get(self.country)
        if found is None:
            return f"lends by {self.name} to nobody in {self.country}"
        return "" if found == currency else f"lends by {self.name} in {self.country} in {found} only"


def named(token: str) -> Plan | None:
    """Return the plan that a payment's token names; None when it names none."""
    found = _TOKEN.fullmatch(token)
    return Plan(found[1], found[2]) if found and found[1] in _CURRENCIES else None
