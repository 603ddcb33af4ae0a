"""The plain shapes of a day: who sells, who buys, what is bought and what happens to it.

The generator and the orders file both make `Order`; the scenario carries them out. All amounts are whole
minor units of the order's currency.
"""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What is special about an order; the generator's table says how many of each a day has."""

    CARD = "card"
    TRANSFER = "transfer"
    TRANSFER_PENDING = "transfer_pending"
    DECLINED = "declined"
    ANSWERED_LATE = "answered_late"
    LOST_ANSWER = "lost_answer"
    PAID_TWICE = "paid_twice"
    PAID_TWICE_AT_ONCE = "paid_twice_at_once"
    CARD_TESTER = "card_tester"
    OVER_LIMIT = "over_limit"
    REFUNDED_PARTLY = "refunded_partly"
    REFUNDED_WHOLLY = "refunded_wholly"
    STORED_CARD = "stored_card"
    DURING_OUTAGE = "during_outage"
    WALLET = "wallet"
    ACH_DEBIT = "ach_debit"
    SEPA_DEBIT = "sepa_debit"
    ACH_RETURNED = "ach_returned"
    SEPA_RETURNED = "sepa_returned"


@dataclass(frozen=True, slots=True)
class VendorPlan:
    """A vendor as the marketplace registers it; `account` is where its money goes, by currency."""

    external_id: str
    name: str
    category: str
    country: str = "DE"


@dataclass(frozen=True, slots=True)
class Customer:
    """The payer, as the marketplace knows them. `country` is ISO 3166, empty when unknown."""

    ref: str
    email: str = ""
    ip: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Means:
    """What the payer types: at a provider's own form (`at`), so that it never passes through this house, or
    at the marketplace's (`vault`), where it is encrypted for the vault, or as an account in clear (`rail`).
    Of a wallet, `number` is the buyer.
    """

    type: str
    number: str
    at: str = "velocitypay"

    def as_network_body(self, card_of: str = "") -> dict[str, object]:
        """The body of VelocityPay's POST /v1/tokens, and the details that the vault takes.

        Payers who share a test number have cards of their own (`card_of`): with an expiry and a code of its
        own, each is another card to the network, and to the schemes' limits of retries.
        """
        if self.type == "card":
            drawn = int.from_bytes(hashlib.sha256(card_of.encode()).digest()[:8])
            years, months, codes = drawn % 10, drawn // 10 % 12, drawn // 120 % 1_000
            return {
                "number": self.number,
                "exp_month": 1 + months,
                "exp_year": 2031 + years,
                "cvc": f"{codes:03d}",
            }
        return {"iban": self.number}


@dataclass(frozen=True, slots=True)
class Line:
    """One position of an order."""

    vendor: str
    sku: str
    description: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Refund:
    """What is given back: per vendor, the amount; empty means everything."""

    reason: str
    shares: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """One customer's order over several vendors, paid by one payment."""

    ref: str
    kind: Kind
    customer: Customer
    currency: str
    lines: tuple[Line, ...]
    means: Means
    submissions: int = 1
    at_once: bool = False
    refund: Refund | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def amount_minor(self) -> int:
        """What the customer pays."""
        return sum(line.amount_minor for line in self.lines)

    @property
    def shares(self) -> dict[str, int]:
        """Each vendor's part of the amount, in the order in which the vendors appear."""
        parts: dict[str, int] = {}
        for line in self.lines:
            parts[line.vendor] = parts.get(line.vendor, 0) + line.amount_minor
        return parts
