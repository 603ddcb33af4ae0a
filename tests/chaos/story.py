"""The story that every chaos test tells: paid, captured, partly refunded, another raised and voided, settled,
paid out.

It is told over HTTP by a client that repeats what gets no final answer, as a merchant's server would. At the
end it says what must have happened, once, whatever was killed meanwhile.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from config.day.client import Api, Network
from config.day.means import customer_card
from tests.kit.house import House
from tests.kit.polling import eventually

# A request that was killed is free again when its lease is over (60 s), a job after 90 s; some die twice.
PATIENCE_SECONDS = 240.0
UNKNOWN_SECONDS = 60.0
LEASES_SECONDS = 120.0
VENDORS = ("ada", "bruno", "cleo", "dora", "emil", "fay")
SHARE, BACK, VOIDED, MORE = 1_000, 700, 1_234, 66
AMOUNT = SHARE * len(VENDORS)
DATE = "2026-01-05"


class Teller:
    """A merchant with six vendors in a house, and its way to tell stories."""

    def __init__(self, house: House, api: Api, network: Network, merchant: str, vendors: list[str]) -> None:
        self.house = house
        self.api = api
        self.network = network
        self.merchant = merchant
        self.vendors = vendors

    def live(self, names: list[str], note: Callable[[str], None] = lambda _: None) -> None:
        """Live stories at the same time, from the card to the bank line; `note` hears of every step done."""

        def one(name: str) -> None:
            paid = self.pay(name, AMOUNT, dict.fromkeys(self.vendors, SHARE), capture="manual")
            note(f"{name} paid")
            self.void(name)
            self.capture(name, paid)
            note(f"{name} captured")
            self.refund(name, paid)
            note(f"{name} refunded")

        self.at_once(one, names)
        self.settle(names[0])

    @staticmethod
    def at_once(one: Callable[[str], None], names: list[str]) -> None:
        """Do the same for all names at the same time."""
        with ThreadPoolExecutor(len(names)) as all_at_once:
            list(all_at_once.map(one, names))

    def pay(
        self, name: str, amount: int, split: dict[str, int], capture: str = "automatic"
    ) -> dict[str, Any]:
        """Create and authorize a payment; return it as it was answered."""
        token = self.network.token(customer_card(name).as_network_body())
        body = order(name, amount, split, {"type": "card", "token": token}, capture)
        return self.api.make("/api/v1/payments/core/", body, f"pay-{name}")

    def capture(self, name: str, paid: dict[str, Any]) -> None:
        """Capture what was authorized: a question of its own to the network."""
        path = f"/api/v1/payments/core/{paid['id']}"
        self.await_status(paid["id"], "authorized")
        answer = self.api.put(f"{path}/capture", {}, f"capture-{name}")
        assert answer.status < 300, answer
        self.await_status(paid["id"], "captured")

    def void(self, name: str) -> None:
        """Authorize another payment, raise it and give it up."""
        held = self.pay(f"{name}-void", VOIDED, {self.vendors[0]: VOIDED}, capture="manual")
        self.await_status(held["id"], "authorized")
        path = f"/api/v1/payments/core/{held['id']}/increase"
        raised = self.api.put(path, {"amount": MORE}, f"increase-{name}")
        assert raised.status < 300, raised
        self.await_status(held["id"], "authorized")
        answer = self.api.put(
            f"/api/v1/payments/core/{held['id']}/cancel", {"reason": "changed mind"}, f"cancel-{name}"
        )
        assert answer.status < 300, answer
        self.await_status(held["id"], "cancelled")

    def refund(self, name: str, paid: dict[str, Any]) -> None:
        """Give a part back and wait until it is there."""
        wish = {"payment_id": paid["id"], "amount": BACK, "reason": "torn"}
        made = self.api.make("/api/v1/refunds/", wish, f"refund-{name}")
        self.api.make(f"/api/v1/refunds/{made['id']}/process", {}, f"process-{name}")
        path = f"/api/v1/refunds/{made['id']}"
        eventually(
            lambda: self.api.get(path).body["status"] == "completed",
            seconds=PATIENCE_SECONDS,
            what=f"{path} done",
        )

    def settle(self, name: str) -> None:
        """Reckon with all vendors at the same time, pay them, and let the bank close its day."""

        def one(vendor: str) -> None:
            wish = {"vendor_id": vendor, "currency": "EUR"}
            batch = self.api.make("/api/v1/settlements/", wish, f"settle-{name}-{vendor}")
            self.api.make(f"/api/v1/settlements/{batch['id']}/process", {}, f"payout-{name}-{vendor}")

        self.at_once(one, self.vendors)
        eventually(lambda: not self.is_paying(), seconds=PATIENCE_SECONDS, what="payouts to be concluded")
        self.network.close_bank_day(DATE)
        self.api.make("/api/v1/bank-statements/fetch", {"date": DATE}, f"fetch-{name}")

    def is_paying(self) -> bool:
        """Say whether a payout is on its way."""
        return any(row["status"] == "paying" for row in self.settlements())

    def settlements(self) -> Iterator[dict[str, Any]]:
        """Yield all settlements with all vendors."""
        for vendor in self.vendors:
            yield from self.api.pages(f"/api/v1/settlements/vendor/{vendor}")

    def await_status(self, payment_id: str, status: str) -> None:
        """Wait until a payment has a status."""
        path = f"/api/v1/payments/core/{payment_id}"
        eventually(
            lambda: self.api.get(path).body["status"] == status,
            seconds=PATIENCE_SECONDS,
            what=lambda: f"{path} to be {status}, it is {self.api.get(path).body['status']}",
        )

    def check(self, name: str) -> None:
        """Hold the end of a story against what must have happened, exactly once."""
        (paid,) = self.api.pages(f"/api/v1/payments/core/order/order-{name}")
        figures = [paid[part]["amount"] for part in ("amount", "authorized", "captured", "refunded")]
        assert figures == [AMOUNT, AMOUNT, AMOUNT, BACK], paid
        (voided,) = self.api.pages(f"/api/v1/payments/core/order/order-{name}-void")
        assert (voided["status"], voided["captured"]["amount"]) == ("cancelled", 0), voided
        assert voided["amount"]["amount"] == VOIDED + MORE, voided
        (refund,) = self.api.pages(f"/api/v1/refunds/order/order-{name}")
        assert (refund["status"], refund["amount"]["amount"]) == ("completed", BACK), refund
        states = {row["status"] for row in self.settlements()}
        assert states <= {"paid", "reconciled"}, states


def order(
    name: str, amount: int, split: dict[str, int], method: dict[str, str] | str, capture: str
) -> dict[str, Any]:
    """What the shop sends for an order of a name."""
    return {
        "amount": {"amount": amount, "currency": "EUR"},
        "order_id": f"order-{name}",
        "customer_id": f"carla-{name}",
        "payment_method": method,
        "capture_method": capture,
        "confirm": True,
        "vendor_split": [{"vendor_id": vendor, "amount": part} for vendor, part in split.items()],
    }


@contextmanager
def teller(house: House, name: str) -> Iterator[Teller]:
    """Make a merchant with its vendors in the house, and a client for it."""
    known = house.ask("newcomer", name, ",".join(VENDORS))
    key = house.environment["VELOCITYPAY_API_KEY"]
    api = Api(house.url, known["key"], connections=16, patience_seconds=PATIENCE_SECONDS)
    network = Network(
        house.environment["VELOCITYPAY_URL"], key, connections=16, patience_seconds=PATIENCE_SECONDS
    )
    try:
        yield Teller(house, api, network, known["merchant"], known["vendors"])
    finally:
        api.close()
        network.close()


def assert_at_rest(house: House) -> None:
    """Nothing is unknown after a minute, nothing is owed when all leases are over, and all books agree."""
    left = house.ask("rest", str(UNKNOWN_SECONDS), str(LEASES_SECONDS))
    assert not left, f"the house is not at rest: {left}"
    wrong = {line["sentence"]: line["differences"] for line in house.ask("audit") if line["differences"]}
    assert not wrong, wrong
