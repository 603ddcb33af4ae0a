"""The day itself, in steps, as the marketplace and its customers live it: over HTTP only.

Every act has its own Idempotency-Key, so the whole day may be repeated from the start after a kill: what was
done is replayed, what was not is done. What the day learns here is what a merchant can see.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from config.day import debits
from config.day.client import Answer, Api, Refused, wait_until
from config.day.lanes import Lanes
from config.day.means import PAYPAL, RAIL, VAULT, account_of, german_iban
from config.day.networks import Networks
from config.day.plan import RunPlan
from config.day.shapes import Kind, Order, Refund, VendorPlan
from config.day.wallet import Wallet

LANES = 8
PAYMENT_REQUIRED = 402
# Long enough for every schedule of the recovery; a healthy day needs seconds.
SETTLE_DOWN_SECONDS = 240.0
BACK_TO_THE_SHOP = "https://shop.example/thanks"
PAYMENTS_IN_MOTION = ("requires_action", "pending", "processing", "authorized", "partly_captured")
REFUNDS_IN_MOTION = ("approved", "processing")
NOTHING_TO_SETTLE = "nothing_to_settle"
PAYABLE = "closed"
NAME_MAX_CHARACTERS, CATEGORY_MAX_CHARACTERS, HOLDER_MAX_CHARACTERS = 120, 60, 70
SETTLEMENTS_IN_MOTION = ("paying",)
# Accounts whose transfers the sandbox answers otherwise than at once (its table of test accounts).
SPECIAL_ACCOUNTS = {
    "sencha-house": german_iban("370400440000001075"),
    "oak-and-ash": german_iban("370400440000001018"),
    "dune-tents": german_iban("370400440000001042"),
}

# What the marketplace keeps of a sale, by the vendor's category.
COMMISSION_BPS = {"books": 1000, "electronics": 800, "food": 1250, "home": 1150, "outdoor": 950}
COMMISSION_BPS_ELSE = 1000

Say = Callable[[str], None]


@dataclass(slots=True)
class Seen:
    """What the merchant saw of the day."""

    payments: dict[str, str] = field(default_factory=dict)
    """Order to payment id."""
    vendors: dict[str, str] = field(default_factory=dict)
    """External id to vendor id."""
    refunds: list[str] = field(default_factory=list)
    settlements: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What the merchant would complain about; each fails the proof."""


class Day:
    """One run of a plan against the house at the other end of `api`."""

    def __init__(self, plan: RunPlan, api: Api, networks: Networks, wallet: Wallet, say: Say) -> None:
        self._plan = plan
        self._api = api
        self._networks = networks
        self._wallet = wallet
        self._say = say
        self._lock = threading.Lock()
        self._outcomes: Counter[str] = Counter()
        self.seen = Seen()
        self._debits: set[str] = set()  # payments that wait for the bank's next day
        self.pairs: set[tuple[str, str]] = set()

    def open(self) -> None:
        """Register the vendors that are not registered yet; an outage that a kill left behind ends."""
        self._networks.bank.down(False)
        self.seen.vendors = {row["external_id"]: row["id"] for row in self._api.pages("/api/v1/vendors/")}
        fresh = [vendor for vendor in self._plan.vendors if vendor.external_id not in self.seen.vendors]
        with Lanes(self._register, lanes=LANES) as lanes:
            for vendor in fresh:
                lanes.put(vendor, vendor.external_id)
        self._say(f"{len(self._plan.vendors)} vendors, {len(fresh)} of them new")

    def take_orders(self) -> None:
        """Let all customers pay, some at the same time, each customer in sequence; debits first."""
        self._take(self._drawn())
        self._debits = {self.seen.payments[order.ref] for order in self._drawn_and_taken()}
        debits.gather()
        self._take(
            order
            for order in self._plan.orders()
            if order.kind is not Kind.DURING_OUTAGE and order.means.at != RAIL
        )
        self._come_to_rest()
        self._live_through_an_outage()
        told = ", ".join(f"{count} {status}" for status, count in sorted(self._outcomes.items()))
        self._say(f"{self._plan.order_count} orders taken: {told}")
        self._say("captures done; no payment is in motion" + " but debits" * bool(self._debits))

    def draw_debits(self) -> None:
        """The bank's next day comes: the debits are booked or returned, and what that makes is imported.

        After the refunds: a provider whose day has nothing but refunds would draw on our account.
        """
        holders = {self._wallet.holder(order) for order in self._drawn_and_taken()}
        if not holders:
            return
        handed: list[str] = []

        def is_handed_in() -> bool:
            debits.gather()
            handed[:] = [debits.due_day(self._networks, holders)]
            return bool(handed[0])

        wait_until(is_handed_in, seconds=SETTLE_DOWN_SECONDS, what="debits to be handed to the bank")
        debits.let_day_come(self._networks, handed[0])
        self._networks.bank.close_bank_day(self._plan.business_date)
        waiting, self._debits = self._debits, set()
        self._come_to_rest(debits.hear)
        self._import_statements()
        self._say(f"{len(waiting)} debits due {handed[0]} were booked or returned; statements imported")

    def give_refunds(self) -> None:
        """Give back what customers send back, whole or in part."""
        wanted = (order for order in self._plan.orders() if order.refund and order.ref in self.seen.payments)
        with Lanes(self._refund, lanes=LANES) as lanes:
            for order in wanted:
                lanes.put(order, order.customer.ref)
        self._wait_for("refunds", (f"/api/v1/refunds/status/{s}" for s in REFUNDS_IN_MOTION))
        self._say(f"{len(self.seen.refunds)} refunds given")

    def settle(self) -> None:
        """Reckon with every vendor in every currency and pay what is owed."""
        with Lanes(self._settle_with, lanes=LANES) as lanes:
            for vendor, currency in sorted(self.pairs):
                lanes.put((vendor, currency), vendor)
        self.seen.settlements.sort()
        vendors = sorted({vendor for vendor, _ in self.pairs})
        wait_until(
            lambda: not any(self._is_paying(vendor) for vendor in vendors),
            seconds=SETTLE_DOWN_SECONDS,
            what="payouts to be concluded",
        )
        self._say(f"{len(self.seen.settlements)} settlements reckoned and paid out")

    def close_bank(self) -> None:
        """The bank ends its day; its statements are fetched, imported and reconciled."""
        self._networks.bank.close_bank_day(self._plan.business_date)
        self._import_statements()
        count = len(self.seen.statements)
        self._say(f"the bank closed {self._plan.business_date}: {count} statements imported")

    def _import_statements(self) -> None:
        date = self._plan.business_date
        # The key names how many statements there are: one that came later is fetched by a request of its own.
        known = str(self._networks.bank.bank_statements(date))
        fetched = self._api.make(
            "/api/v1/bank-statements/fetch", {"date": date}, self._plan.key("statements", date, known)
        )
        self.seen.statements = sorted(row["id"] for row in fetched["statements"])

    # --- taking orders ------------------------------------------------------------------------------------
    def _take(self, orders: Iterable[Order]) -> None:
        with Lanes(self._pay, lanes=LANES) as lanes:
            for order in orders:
                lanes.put(order, order.customer.ref)

    def _drawn(self) -> Iterator[Order]:
        return (order for order in self._plan.orders() if order.means.at == RAIL)

    def _drawn_and_taken(self) -> list[Order]:
        return [order for order in self._drawn() if order.ref in self.seen.payments]

    def _come_to_rest(self, hurry: Callable[[], None] = lambda: None) -> None:
        """Wait for all payments but the debits that wait for the bank themselves."""

        def is_at_rest() -> bool:
            hurry()
            return not any(
                self._is_in_motion(f"/api/v1/payments/core/status/{s}") for s in PAYMENTS_IN_MOTION
            )

        wait_until(is_at_rest, seconds=SETTLE_DOWN_SECONDS, what="payments to come to rest")

    def _is_in_motion(self, path: str) -> bool:
        if not self._debits:
            return not self._api.is_empty(path)
        return any(row["id"] not in self._debits for row in self._api.pages(path))

    def _live_through_an_outage(self) -> None:
        """VelocityPay is away for a while; those whose cards are stored are carried by another."""
        orders = [order for order in self._plan.orders() if order.kind is Kind.DURING_OUTAGE]
        if not orders:
            return
        with Lanes(self._store, lanes=LANES) as lanes:
            for order in orders:
                lanes.put(order, order.customer.ref)
        self._networks.bank.down(True)
        self._say(f"VelocityPay is down; {len(orders)} customers pay with stored cards")
        try:
            self._take(orders)
        finally:
            self._networks.bank.down(False)
        self._come_to_rest()
        self._say("VelocityPay is back")

    def _store(self, order: Order) -> None:
        self._wallet.method(order)

    # --- one vendor, one order, one settlement ------------------------------------------------------------
    def _register(self, vendor: VendorPlan) -> None:
        iban = SPECIAL_ACCOUNTS.get(vendor.external_id) or account_of(vendor.external_id)
        body = {
            "external_id": vendor.external_id,
            "name": vendor.name[:NAME_MAX_CHARACTERS],
            "category": vendor.category[:CATEGORY_MAX_CHARACTERS],
            "payout_destination": {
                "holder": vendor.name[:HOLDER_MAX_CHARACTERS],
                "iban": iban,
                "country": iban[:2],
            },
            "commission": {"rate_bps": COMMISSION_BPS.get(vendor.category, COMMISSION_BPS_ELSE)},
        }
        made = self._api.make(
            "/api/v1/vendors/", body, f"vendor-{self._plan.key('vendor', vendor.external_id)}"
        )
        self.seen.vendors[vendor.external_id] = made["id"]

    def _pay(self, order: Order) -> None:
        body = self._payment_body(order)
        key = self._plan.key("pay", order.ref)
        try:
            answers = self._submit(order, body, key)
        except Refused as refusal:
            self._complain(f"order {order.ref} was refused: {refusal}")
            return
        ids = {_payment_of(answer)["id"] for answer in answers}
        if len(ids) != 1:
            self._complain(
                f"order {order.ref} was submitted {order.submissions} times and made {len(ids)} payments"
            )
        payment = _payment_of(answers[0])
        if payment["status"] == "requires_action":
            self._networks.paypal.approve(payment["next_action"]["url"], order.means.number)
        with self._lock:
            self.seen.payments[order.ref] = payment["id"]
            self.pairs |= {(self.seen.vendors[vendor], order.currency) for vendor in order.shares}
            self._outcomes[payment["status"]] += 1
            done = len(self.seen.payments)
        if done % max(50, self._plan.order_count // 10) == 0:
            self._say(f"{done} of {self._plan.order_count} orders")

    def _submit(self, order: Order, body: dict[str, Any], key: str) -> list[Answer]:
        def once(_: int) -> Answer:
            answer = self._api.post("/api/v1/payments/core/", body, key)
            if answer.status >= 400 and answer.status != PAYMENT_REQUIRED:
                raise Refused(f"payment of order {order.ref}", answer)
            return answer

        if not order.at_once:
            return [once(number) for number in range(order.submissions)]
        with ThreadPoolExecutor(order.submissions) as both:
            return list(both.map(once, range(order.submissions)))

    def _payment_body(self, order: Order) -> dict[str, Any]:
        customer = {"email": order.customer.email, "ip": order.customer.ip, "country": order.customer.country}
        known = {name: value for name, value in customer.items() if value}
        split = [
            {"vendor_id": self.seen.vendors[vendor], "amount": amount}
            for vendor, amount in order.shares.items()
        ]
        return {
            "amount": {"amount": order.amount_minor, "currency": order.currency},
            "order_id": order.ref,
            "customer_id": order.customer.ref,
            "payment_method": self._method(order),
            "capture_method": "automatic",
            "confirm": True,
            "vendor_split": split,
            "description": f"{len(order.lines)} lines from {len(split)} vendors",
            "metadata": {"run": self._plan.name, **order.metadata},
            **({"customer": known} if known else {}),
            **({"return_url": BACK_TO_THE_SHOP} if order.means.at == PAYPAL else {}),
        }

    def _method(self, order: Order) -> str | dict[str, str]:
        if order.means.at in (VAULT, RAIL):
            return self._wallet.method(order)
        token = self._networks.token(order.means, self._plan.key("token", order.ref))
        return {"type": order.means.type, "token": token}

    def _refund(self, order: Order) -> None:
        assert order.refund is not None
        try:
            refund_id = self._refund_of(order, order.refund)
        except Refused as refusal:
            self._complain(f"the refund of order {order.ref} was refused: {refusal}")
            return
        with self._lock:
            self.seen.refunds.append(refund_id)

    def _refund_of(self, order: Order, refund: Refund) -> str:
        payment_id = self.seen.payments[order.ref]
        body: dict[str, Any] = {"payment_id": payment_id, "reason": refund.reason}
        if refund.shares:
            payment = self._api.get(f"/api/v1/payments/core/{payment_id}").body
            share_of = {row["vendor_id"]: row["id"] for row in payment["vendor_split"]}
            split = [
                {"transaction_id": share_of[self.seen.vendors[vendor]], "amount": amount}
                for vendor, amount in refund.shares
            ]
            body |= {"vendor_split": split, "amount": sum(line["amount"] for line in split)}
        made = self._api.make("/api/v1/refunds/", body, self._plan.key("refund", order.ref))
        self._api.make(
            f"/api/v1/refunds/{made['id']}/process", {}, self._plan.key("refund-process", order.ref)
        )
        return str(made["id"])

    def _settle_with(self, pair: tuple[str, str]) -> None:
        vendor_id, currency = pair
        body = {"vendor_id": vendor_id, "currency": currency, "business_date": self._plan.business_date}
        answer = self._api.post("/api/v1/settlements/", body, self._plan.key("settle", vendor_id, currency))
        if answer.code == NOTHING_TO_SETTLE:
            return
        if answer.status >= 400:
            raise Refused("POST /api/v1/settlements/", answer)
        settlement = answer.body
        with self._lock:
            self.seen.settlements.append(settlement["id"])
        if settlement["status"] == PAYABLE:
            path = f"/api/v1/settlements/{settlement['id']}/process"
            self._api.make(path, {}, self._plan.key("payout", vendor_id, currency))

    # --- waiting --------------------------------------------------------------------------------------------
    def _wait_for(self, what: str, paths: Iterable[str]) -> None:
        lists = tuple(paths)
        wait_until(
            lambda: all(self._api.is_empty(path) for path in lists),
            seconds=SETTLE_DOWN_SECONDS,
            what=f"{what} to come to rest",
        )

    def _is_paying(self, vendor_id: str) -> bool:
        rows = self._api.pages(f"/api/v1/settlements/vendor/{vendor_id}")
        return any(row["status"] in SETTLEMENTS_IN_MOTION for row in rows)

    def _complain(self, text: str) -> None:
        with self._lock:
            self.seen.complaints.append(text)


def _payment_of(answer: Answer) -> dict[str, Any]:
    """Return the payment in an answer: its body, or what a decline's problem carries."""
    payment: dict[str, Any] = answer.body["payment"] if answer.status == PAYMENT_REQUIRED else answer.body
    return payment
