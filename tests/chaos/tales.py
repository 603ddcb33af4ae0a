"""What the story leaves out: payers who take money back, a refund that the network gave by itself, a provider
that says no and another that says yes.

Each tale is told over HTTP for one customer, and checked when the house is at rest: it happened once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from config.day import browser
from config.day.means import customer_card
from tests.chaos.story import PATIENCE_SECONDS, SHARE, Teller, order
from tests.kit.polling import eventually

GIVEN_BACK = 400


@dataclass(frozen=True)
class Tale:
    """What customers live through together, and what must be true of each of them at the end."""

    tell: Callable[[Teller, list[str]], None]
    check: Callable[[Teller, str], None]


def paid(told: Teller, name: str) -> dict[str, Any]:
    """Pay and have it captured at once."""
    made = told.pay(name, SHARE, {told.vendors[0]: SHARE})
    told.await_status(made["id"], "captured")
    return told.api.get(f"/api/v1/payments/core/{made['id']}").body


def at_network(told: Teller, payment: dict[str, Any], path: str, **body: Any) -> None:
    """Let the network's operator do something about the authorization of a payment."""
    with told.house.network() as network:
        wish = {"authorization": payment["provider_reference"], **body}
        network.post(path, json=wish).raise_for_status()


# --- disputes -----------------------------------------------------------------------------------------------
def quarrel(told: Teller, names: list[str]) -> None:
    """Of each customer one payment is disputed and defended, another is disputed and given up."""
    told.at_once(lambda name: quarrel_of(told, name), names)


def quarrel_of(told: Teller, name: str) -> None:
    """Take both disputes of one customer to their ends."""
    for end in ("won", "accepted"):
        payment = paid(told, f"{name}-{end}")
        at_network(told, payment, "/sim/disputes")
        dispute = dispute_of(told, payment["id"])
        answer = defend if end == "won" else give_in
        answer(told, f"/api/v1/disputes/{dispute['id']}", f"{name}-{end}")
        eventually(
            lambda payment=payment, end=end: dispute_of(told, payment["id"])["status"] == end,
            seconds=PATIENCE_SECONDS,
            what=f"the dispute of {name} to be {end}",
        )


def dispute_of(told: Teller, payment_id: str) -> dict[str, Any]:
    """Wait until a payment has a dispute; return the only one."""
    path = f"/api/v1/disputes/payment/{payment_id}"
    eventually(lambda: not told.api.is_empty(path), seconds=PATIENCE_SECONDS, what=f"{path} to have one")
    (found,) = told.api.pages(path)
    return found


def defend(told: Teller, path: str, name: str) -> None:
    """Give evidence that wins."""
    told.api.make(f"{path}/evidence", {"kind": "explanation", "text": "winning_evidence"}, f"shown-{name}")
    told.api.make(f"{path}/challenge", {}, f"challenge-{name}")


def give_in(told: Teller, path: str, name: str) -> None:
    """Accept the dispute."""
    told.api.make(f"{path}/accept", {}, f"accept-{name}")


def check_quarrel(told: Teller, name: str) -> None:
    """One is as if nothing had been; of the other all is gone, once."""
    for end, disputed in (("won", 0), ("accepted", SHARE)):
        (payment,) = told.api.pages(f"/api/v1/payments/core/order/order-{name}-{end}")
        (dispute,) = told.api.pages(f"/api/v1/disputes/payment/{payment['id']}")
        assert (dispute["status"], dispute["withheld"]["amount"]) == (end, disputed), dispute
        assert (payment["captured"]["amount"], payment["disputed"]["amount"]) == (SHARE, disputed), payment
        asked = {"won": "challenge", "accepted": "accept"}[end]
        given = [row for row in told.network.truth(1000) if row["reference"] == dispute["id"]]
        assert [row["kind"] for row in given] == [asked], given


# --- a refund that was given at the network -----------------------------------------------------------------
def be_refunded_there(told: Teller, names: list[str]) -> None:
    """The network's operator gives a part back; the house hears of it."""

    def one(name: str) -> None:
        payment = paid(told, name)
        at_network(told, payment, "/sim/refunds", amount=GIVEN_BACK, name=name)
        path = f"/api/v1/refunds/payment/{payment['id']}"
        eventually(lambda: not told.api.is_empty(path), seconds=PATIENCE_SECONDS, what=f"{path} to have one")

    told.at_once(one, names)


def check_refunded_there(told: Teller, name: str) -> None:
    """The refund is there, once."""
    (payment,) = told.api.pages(f"/api/v1/payments/core/order/order-{name}")
    (refund,) = told.api.pages(f"/api/v1/refunds/payment/{payment['id']}")
    figures = (refund["status"], refund["amount"]["amount"], payment["refunded"]["amount"])
    assert figures == ("completed", GIVEN_BACK, GIVEN_BACK), (refund, payment)


# --- another provider ---------------------------------------------------------------------------------------
SOFT = "decline:issuer_unavailable"
TOLD_FIRST = f"{SOFT}+webhook_first"


def go_elsewhere(told: Teller, names: list[str], fault: str = SOFT) -> None:
    """Pay with stored cards one after the other, and VelocityPay says what another may not say.

    At the same time a kill would take others with it, and who lost his caller never goes elsewhere.
    """
    methods = dict(zip(names, (stored(told, name) for name in names), strict=True))
    with told.house.network() as network:
        network.delete("/sim/faults").raise_for_status()
        faults = [fault] * len(names)
        script = {"match": {"operation": "authorize"}, "faults": faults}
        network.post("/sim/faults", json=script).raise_for_status()

    for name in names:
        body = order(name, SHARE, {told.vendors[0]: SHARE}, methods[name], "automatic")
        answer = told.api.post("/api/v1/payments/core/", body, f"pay-{name}")
        assert answer.status < 300 or answer.status == 402, answer


def stored(told: Teller, name: str) -> str:
    """Store a customer's card in the vault and return its id."""
    key = told.api.get("/api/v1/encryption-key").body
    text = browser.encrypted(customer_card(name), key, told.merchant)
    body = {"customer_id": f"carla-{name}", "type": "card", "encrypted": text}
    return str(told.api.make("/api/v1/payment-methods/", body, f"store-{name}")["id"])


def check_elsewhere(told: Teller, name: str) -> None:
    """It is taken at Stripe; whose house died before that was decided is told of the refusal, once."""
    (payment,) = told.api.pages(f"/api/v1/payments/core/order/order-{name}")
    figures = (payment["status"], payment["provider"], payment["captured"]["amount"])
    assert figures in (("captured", "stripe", SHARE), ("failed", "velocitypay", 0)), payment


def be_told_first(told: Teller, names: list[str]) -> None:
    """The same, and the callback of each refusal is here before its answer (D-144)."""
    go_elsewhere(told, names, TOLD_FIRST)
    with told.house.network() as network:
        hits = network.get("/sim/faults").raise_for_status().json()["hits"]
    assert hits.get("webhook_first", 0) >= len(names), hits


def went_elsewhere(told: Teller, name: str) -> bool:
    """Say whether it is taken at Stripe."""
    (payment,) = told.api.pages(f"/api/v1/payments/core/order/order-{name}")
    return (payment["status"], payment["provider"]) == ("captured", "stripe")


STORY = Tale(lambda told, names: told.live(names), lambda told, name: told.check(name))
QUARREL = Tale(quarrel, check_quarrel)
REFUNDED_THERE = Tale(be_refunded_there, check_refunded_there)
ELSEWHERE = Tale(go_elsewhere, check_elsewhere)
TOLD_BEFORE = Tale(be_told_first, check_elsewhere)
TALES = {
    "accept": QUARREL,
    "challenge": QUARREL,
    "dispute": QUARREL,
    "refund_adoption": REFUNDED_THERE,
    "failover": ELSEWHERE,
}
"""By flow; every other flow is in the story itself."""
