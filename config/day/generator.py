"""Makes a marketplace's day out of a seed: the same seed and day always make the same orders.

The table SHARES says how many orders of each kind a day has. Only whole numbers are drawn, so that the day
does not depend on the machine. What each kind does to the payment is in `means` (the number that the payer
types) and in `scenario` (what the payer and the merchant do).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from config.day import means
from config.day.money_math import part_of
from config.day.shapes import Customer, Kind, Line, Means, Order, Refund, VendorPlan

SEED = 20260105
ORDERS_A_DAY = 500
CUSTOMERS = 300

# How many of a thousand orders are of each kind; every kind occurs at least once a day.
SHARES: dict[Kind, int] = {
    Kind.CARD: 408,
    Kind.TRANSFER: 110,
    Kind.TRANSFER_PENDING: 30,
    Kind.DECLINED: 70,
    Kind.ANSWERED_LATE: 20,
    Kind.LOST_ANSWER: 10,
    Kind.PAID_TWICE: 30,
    Kind.PAID_TWICE_AT_ONCE: 20,
    Kind.CARD_TESTER: 40,
    Kind.OVER_LIMIT: 10,
    Kind.REFUNDED_PARTLY: 60,
    Kind.REFUNDED_WHOLLY: 50,
    Kind.STORED_CARD: 30,
    Kind.DURING_OUTAGE: 40,
    Kind.WALLET: 40,
    Kind.ACH_DEBIT: 12,
    Kind.SEPA_DEBIT: 12,
    Kind.ACH_RETURNED: 4,
    Kind.SEPA_RETURNED: 4,
}

STORED = (Kind.STORED_CARD, Kind.DURING_OUTAGE)
# Debits by a bank's file: the rail, how the account behaves, and where its owner lives.
DEBITS: dict[Kind, tuple[str, str, str]] = {
    Kind.ACH_DEBIT: (means.ACH, means.GOOD, "US"),
    Kind.SEPA_DEBIT: (means.SEPA, means.GOOD, "DE"),
    Kind.ACH_RETURNED: (means.ACH, means.SHORT_OF_FUNDS, "US"),
    Kind.SEPA_RETURNED: (means.SEPA, means.SHORT_OF_FUNDS, "DE"),
}
REFUNDS = (Kind.REFUNDED_PARTLY, Kind.REFUNDED_WHOLLY)
# The cards that make the network behave so; of the refunded orders a quarter have one.
SPECIAL_CARDS: dict[Kind, dict[str, str]] = {
    Kind.DECLINED: means.DECLINED,
    Kind.ANSWERED_LATE: means.ANSWERED_LATE,
    Kind.LOST_ANSWER: means.LOST_ANSWER,
    Kind.REFUNDED_PARTLY: means.REFUNDED_SLOWLY,
    Kind.REFUNDED_WHOLLY: means.REFUNDED_SLOWLY,
}

# One row a currency: the buyers' countries, and what a price of one US cent is in its minor units.
CURRENCIES: dict[str, tuple[tuple[str, ...], int, int]] = {
    "USD": (("US", "CA"), 1, 1),
    "EUR": (("DE", "FR", "NL"), 9, 10),
    "GBP": (("GB",), 4, 5),
    "JPY": (("JP",), 3, 2),
    "KWD": (("KW",), 3, 1),
}
NOT_AT_STRIPE = frozenset({"KWD"})  # Stripe takes three decimals in steps of ten, PayPal none
CURRENCY_WEIGHTS = (("USD", 40), ("EUR", 30), ("GBP", 10), ("JPY", 12), ("KWD", 8))

VENDORS = (
    VendorPlan("ada-books", "Ada's Books", "books", "GB"),
    VendorPlan("bruno-comics", "Bruno Comics", "books", "IT"),
    VendorPlan("paper-moon", "Paper Moon", "books", "US"),
    VendorPlan("volt-lamps", "Volt Lamps", "electronics", "DE"),
    VendorPlan("kilo-ohm", "Kilo Ohm", "electronics", "NL"),
    VendorPlan("silent-fan", "Silent Fan Works", "electronics", "JP"),
    VendorPlan("olive-grove", "Olive Grove", "food", "IT"),
    VendorPlan("sencha-house", "Sencha House", "food", "JP"),
    VendorPlan("linen-loft", "Linen Loft", "home", "FR"),
    VendorPlan("oak-and-ash", "Oak and Ash", "home", "DE"),
    VendorPlan("trail-ready", "Trail Ready", "outdoor", "CA"),
    VendorPlan("dune-tents", "Dune Tents", "outdoor", "KW"),
)
GOODS: dict[str, tuple[tuple[str, int, int], ...]] = {
    "books": (("Atlas", 2400, 6500), ("Novel", 900, 2600), ("Notebook", 350, 1400)),
    "electronics": (("Desk lamp", 2900, 9900), ("Cable set", 700, 2500), ("Quiet fan", 4500, 16900)),
    "food": (("Olive oil", 1100, 3900), ("Green tea", 600, 3200), ("Pasta box", 800, 2700)),
    "home": (("Bed linen", 4900, 15900), ("Oak tray", 2200, 6400), ("Candle", 500, 2100)),
    "outdoor": (("Tent", 9900, 39900), ("Stove", 2900, 8900), ("Rope", 1200, 4400)),
}
VENDORS_AN_ORDER = (2, 4)
LINES_A_VENDOR = (1, 3)
QUANTITY_AN_ITEM = (1, 2)
# What an order above the limits is worth: more than the fraud rules' limit for review, and for decline.
OVER_REVIEW_LIMIT_US_CENTS = 1_500_000
OVER_DECLINE_LIMIT_US_CENTS = 8_000_000
TESTER_AMOUNT_US_CENTS = 120
REFUND_REASONS = ("damaged", "not as described", "too late", "changed mind")


@dataclass(frozen=True, slots=True)
class DayPlan:
    """All that will happen on one business day."""

    seed: int
    day: int
    vendors: tuple[VendorPlan, ...]
    orders: tuple[Order, ...]


def plan_day(seed: int, day: int, orders: int = ORDERS_A_DAY) -> DayPlan:
    """Return the day's plan; `day` counts from 1.

    :raises ValueError: fewer orders than there are kinds.
    """
    draw = Random(f"everycent:{seed}:{day}")
    kinds = [kind for kind, count in counts(orders).items() for _ in range(count)]
    draw.shuffle(kinds)
    buyers = Buyers(draw, day, orders)
    made = tuple(_order(draw, day, number, kind, buyers) for number, kind in enumerate(kinds, start=1))
    return DayPlan(seed, day, VENDORS, made)


def counts(orders: int) -> dict[Kind, int]:
    """Return how many orders of each kind make `orders`: by largest remainder, at least one of each.

    :raises ValueError: fewer orders than there are kinds.
    """
    if orders < len(SHARES):
        raise ValueError(f"a day needs at least {len(SHARES)} orders, one of each kind")
    whole = sum(SHARES.values())
    found = {kind: max(1, orders * share // whole) for kind, share in SHARES.items()}
    by_remainder = sorted(SHARES, key=lambda kind: (-(orders * SHARES[kind] % whole), kind))
    surplus = orders - sum(found.values())
    for kind in by_remainder[: max(0, surplus)]:
        found[kind] += 1
    for _ in range(-surplus):
        found[max(found, key=lambda kind: found[kind])] -= 1
    return found


class Buyers:
    """The day's own customers in rounds, so that nobody buys much more often than another."""

    def __init__(self, draw: Random, day: int, orders: int) -> None:
        self._rounds = self._endless(draw, day, orders)
        self._passed_over: list[Customer] = []

    def next(self, kind: Kind) -> Customer:
        """Return who comes next; stored cards and wallets need a currency that every provider takes."""
        for place, customer in enumerate(self._passed_over):
            if self._may(customer, kind):
                return self._passed_over.pop(place)
        while not self._may(customer := next(self._rounds), kind):
            self._passed_over.append(customer)
        return customer

    @staticmethod
    def _may(customer: Customer, kind: Kind) -> bool:
        return kind not in (*STORED, Kind.WALLET) or currency_of(customer.country) not in NOT_AT_STRIPE

    @staticmethod
    def _endless(draw: Random, day: int, orders: int) -> Iterator[Customer]:
        crowd = [_customer(day, number) for number in range(1, min(CUSTOMERS, orders) + 1)]
        while True:
            draw.shuffle(crowd)
            yield from crowd


def _customer(day: int, number: int) -> Customer:
    draw = Random(f"everycent:customer:{day}:{number}")
    currency = _weighted(draw, CURRENCY_WEIGHTS)
    country = draw.choice(CURRENCIES[currency][0])
    # 198.18.0.0/15 is set aside for trials (RFC 2544): nobody lives there.
    address = f"198.{18 + day // 125 % 2}.{(day % 125 * 2 + number // 250) % 256}.{number % 250 + 1}"
    name = f"{day}-{number:04d}"
    return Customer(f"cust-{name}", f"customer-{name}@example.com", address, country)


def currency_of(country: str) -> str:
    """Return the currency in which a country's buyers pay."""
    return next(currency for currency, (countries, _, _) in CURRENCIES.items() if country in countries)


def _order(draw: Random, day: int, number: int, kind: Kind, buyers: Buyers) -> Order:
    if kind is Kind.CARD_TESTER:
        return _tester_order(draw, day, number)
    customer = _customer_of(kind, day, number, buyers)
    currency = currency_of(customer.country)
    lines = _lines(draw, currency)
    if kind is Kind.OVER_LIMIT:
        over = OVER_REVIEW_LIMIT_US_CENTS if number % 2 else OVER_DECLINE_LIMIT_US_CENTS
        lines = _worth_at_least(lines, _price(over, currency))
    twice = kind in (Kind.PAID_TWICE, Kind.PAID_TWICE_AT_ONCE)
    return Order(
        ref=f"D{day}-{number:05d}",
        kind=kind,
        customer=customer,
        currency=currency,
        lines=lines,
        means=_means(draw, kind, customer),
        submissions=2 if twice else 1,
        at_once=kind is Kind.PAID_TWICE_AT_ONCE,
        refund=_refund(draw, kind, lines),
    )


def _customer_of(kind: Kind, day: int, number: int, buyers: Buyers) -> Customer:
    """Return who orders; who is debited, or orders above the limits, orders nothing else.

    The attempt above the limits counts in the sums of the velocity rules; a debit is known a bank day later.
    """
    if kind in DEBITS:
        return replace(_customer(day, CUSTOMERS + number), country=DEBITS[kind][2])
    return _customer(day, CUSTOMERS + number) if kind is Kind.OVER_LIMIT else buyers.next(kind)


def _tester_order(draw: Random, day: int, number: int) -> Order:
    """A stolen list of cards is tried with small amounts, one after the other, from one place."""
    thief = Customer(f"tester-{day}", f"tester{day}@example.net", f"203.0.113.{day % 250 + 1}", "US")
    vendors = draw.sample(VENDORS, 2)
    lines = tuple(Line(vendor.external_id, "TRY", "Sticker", TESTER_AMOUNT_US_CENTS) for vendor in vendors)
    card = means.DECLINED["cvc_mismatch"]
    return Order(f"D{day}-{number:05d}", Kind.CARD_TESTER, thief, "USD", lines, Means("card", card))


def _lines(draw: Random, currency: str) -> tuple[Line, ...]:
    lines = []
    for vendor in draw.sample(VENDORS, draw.randint(*VENDORS_AN_ORDER)):
        for _ in range(draw.randint(*LINES_A_VENDOR)):
            name, low, high = draw.choice(GOODS[vendor.category])
            quantity = draw.randint(*QUANTITY_AN_ITEM)
            sku = f"{vendor.external_id}-{name.lower().replace(' ', '-')}"
            price = _price(draw.randint(low, high), currency)
            lines.append(Line(vendor.external_id, sku, f"{quantity} x {name}", price * quantity))
    return tuple(lines)


def _worth_at_least(lines: tuple[Line, ...], minimum_minor: int) -> tuple[Line, ...]:
    times = minimum_minor // sum(line.amount_minor for line in lines) + 1
    return tuple(
        replace(line, amount_minor=line.amount_minor * times, description=f"{times} x {line.description}")
        for line in lines
    )


def _price(us_cents: int, currency: str) -> int:
    _, times, over = CURRENCIES[currency]
    return max(1, us_cents * times // over)


def _means(draw: Random, kind: Kind, customer: Customer) -> Means:
    if kind is Kind.TRANSFER:
        return means.customer_account(customer.ref)
    if kind is Kind.TRANSFER_PENDING:
        return means.pending_account()
    if kind in DEBITS:
        rail, tail, _ = DEBITS[kind]
        return means.debited_account(rail, customer.ref, tail)
    if kind is Kind.WALLET:
        return Means("digital_wallet", draw.choice(means.PAYPAL_BUYERS), means.PAYPAL)
    if kind in STORED:
        return replace(means.customer_card(customer.ref), at=means.VAULT)
    is_special = kind in SPECIAL_CARDS and (kind not in REFUNDS or draw.randrange(4) == 0)
    number = draw.choice(sorted(SPECIAL_CARDS[kind].values())) if is_special else ""
    card = Means("card", number) if is_special else means.customer_card(customer.ref)
    form = means.form_of(customer.ref)
    return replace(card, at=form) if _is_taken(form, customer, number) else card


def _is_taken(form: str, customer: Customer, special: str) -> bool:
    """Say whether a provider's form takes an order's card: VelocityPay's alone knows every special one."""
    if form == means.STRIPE and currency_of(customer.country) in NOT_AT_STRIPE:
        return False
    return not special or form == means.VELOCITYPAY or special in means.KNOWN_AT[form]


def _refund(draw: Random, kind: Kind, lines: tuple[Line, ...]) -> Refund | None:
    if kind is Kind.REFUNDED_WHOLLY:
        return Refund(draw.choice(REFUND_REASONS))
    if kind is Kind.REFUNDED_PARTLY:
        line = draw.choice(lines)
        return Refund(draw.choice(REFUND_REASONS), ((line.vendor, part_of(line.amount_minor, 1, 2)),))
    return None


def _weighted(draw: Random, weights: tuple[tuple[str, int], ...]) -> str:
    point = draw.randrange(sum(weight for _, weight in weights))
    for name, weight in weights:
        if point < weight:
            return name
        point -= weight
    raise AssertionError("a point lies within the sum of the weights")
