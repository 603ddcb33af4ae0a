"""Any two verbs on one payment at once: one order of events, and what the network did is what we booked.

Each round proves that both were under way together; the negative control takes the locks away and sees the
two collide. `make storm` plays fifty rounds of each pair, the fast suite one.
"""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError

from ledger import clock
from ledger.errors import DomainError
from ledger.ids import uuid7
from payments.models import Payment
from payments.services.calls import recovering
from payments.services.payments import completing, increasing
from payments.services.refunds import refunding, requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from tests.factories import disputes as told
from tests.kit import cards
from tests.kit.books import assert_all_invariants_hold
from tests.kit.network import Network
from tests.kit.race import PATIENCE_SECONDS, Meeting, Outcome, errors, locks_taken_away, results, together
from tests.kit.shop import run_jobs
from tests.services.payments.cast import (
    KEY,
    authorized,
    cancelled,
    captured,
    created,
    now_plus,
    sold,
    wish,
)
from vendors.models import Merchant, Vendor

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]

ROUNDS, MANY_ROUNDS = 1, 50
HANDS, EACH, MANY_EACH = 16, 4, 32
Verb = Callable[[Payment], object]


def _whose(payment: Payment) -> dict[str, Any]:
    return {"merchant_id": payment.merchant_id, "actor": KEY, "at": clock.now()}


def raised(payment: Payment) -> object:
    return increasing.increase(
        payment_id=payment.pk, operation_id=uuid7(), amount=payment.money(2_000), **_whose(payment)
    )


def failed(payment: Payment) -> object:
    return completing.fail(payment_id=payment.pk, operation_id=uuid7(), reason="no stock", **_whose(payment))


def completed(payment: Payment) -> object:
    return completing.complete(payment_id=payment.pk, operation_id=uuid7(), **_whose(payment))


def refunded(payment: Payment) -> object:
    wanted = RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=6_000)
    asked = requesting_refunds.request(wish=wanted, **_whose(payment))
    return refunding.process(refund_id=asked.pk, operation_id=uuid7(), **_whose(payment))


def charged_back(payment: Payment) -> object:
    return told.chargeback(payment, amount=6_000, fee=0)


VERBS: dict[str, Verb] = {
    "authorize": authorized, "cancel": cancelled, "fail": failed, "capture": captured,
    "capture a part": lambda payment: captured(payment, 4_000), "increase": raised,
    "refund": refunded, "charge back": charged_back, "complete": completed,
}  # fmt: skip
PAIRS = {
    "created": (
        ("authorize", "authorize"), ("authorize", "cancel"), ("authorize", "fail"), ("cancel", "fail"),
    ),
    "authorized": (
        ("capture", "cancel"), ("capture a part", "cancel"), ("capture", "capture a part"),
        ("capture", "increase"), ("increase", "cancel"), ("cancel", "cancel"),
    ),
    "captured": (
        ("refund", "refund"), ("refund", "charge back"), ("refund", "complete"),
        ("charge back", "complete"), ("complete", "complete"),
    ),
}  # fmt: skip
ALL = [pytest.param(state, *pair, id=f"{pair[0]} and {pair[1]}") for state in PAIRS for pair in PAIRS[state]]


def standing(state: str, merchant: Merchant, vendor: Vendor, network: Network) -> Payment:
    """A payment of 100.00 with one share in a state, by a card of its own: screening counts cards."""
    payment = created(merchant, wish(network.tokenized(cards.card())["token"], shares=[(vendor, 6_000)]))
    if state == "created":
        return payment
    payment = authorized(payment)
    return payment if state == "authorized" else captured(payment)


def at_once(payment: Payment, verbs: tuple[str, str]) -> list[Outcome]:
    """Run two verbs at one instant; neither may end before the other has begun."""
    begun = threading.Barrier(2)

    def run(verb: str) -> object:
        begun.wait(PATIENCE_SECONDS)
        return VERBS[verb](payment)

    return together(*[lambda verb=verb: run(verb) for verb in verbs])  # type: ignore[misc]


def settled(payment: Payment) -> Payment:
    """What a payment comes to when recovery and jobs have done what was left open."""
    recovering.sweep(now_plus(60))
    run_jobs(60)
    recovering.sweep(now_plus(120))
    return Payment.objects.get(pk=payment.pk)


def assert_agreed(payment: Payment, network: Network) -> None:
    """What the network did under the keys of this payment's operations is what stands in it."""
    kinds = dict(payment.operations.values_list("idempotency_key", "kind"))
    assert not payment.operations.filter(concluded_at=None).exists()
    known = [row for row in network.truth() if row["idempotency_key"] in kinds]
    done = {
        kind: [row for row in known if row["kind"] == kind] for kind in ("authorize", "capture", "refund")
    }
    assert len(done["authorize"]) <= 1
    for kind, ours in (("capture", payment.captured_minor), ("refund", payment.refunded_minor)):
        assert sum(row["amount"] for row in done[kind] if row["status"] == "succeeded") == ours
    if payment.state in ("cancelled", "failed"):
        assert all(row["voided"] for row in done["authorize"])


def play(state: str, verbs: tuple[str, str], rounds: int, cast: tuple[Merchant, Vendor, Network]) -> None:
    merchant, vendor, network = cast
    for _ in range(rounds):
        payment = standing(state, merchant, vendor, network)
        outcomes = at_once(payment, verbs)
        assert all(isinstance(error, DomainError) for error in errors(outcomes)), outcomes
        assert len(errors(outcomes)) < 2, outcomes
        assert_agreed(settled(payment), network)
    assert_all_invariants_hold()


@pytest.mark.parametrize(("state", "one", "other"), ALL)
def test_two_verbs_have_one_order(
    northwind: Merchant, ada: Vendor, network: Network, state: str, one: str, other: str
) -> None:
    play(state, (one, other), ROUNDS, (northwind, ada, network))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("state", "one", "other"), ALL)
def test_two_verbs_have_one_order_however_often(
    northwind: Merchant, ada: Vendor, network: Network, state: str, one: str, other: str
) -> None:
    play(state, (one, other), MANY_ROUNDS, (northwind, ada, network))


@pytest.mark.parametrize(
    ("state", "one", "other"),
    [
        ("created", "authorize", "cancel"),
        ("authorized", "increase", "cancel"),
        ("captured", "refund", "complete"),
    ],
)
def test_without_the_locks_they_collide(
    northwind: Merchant, ada: Vendor, network: Network, monkeypatch: Any, state: str, one: str, other: str
) -> None:
    """The negative control: both read the same version, and only the laws of the tables stop one."""
    payment = standing(state, northwind, ada, network)
    meeting = Meeting(2)
    with locks_taken_away(monkeypatch, meeting):
        outcomes = at_once(payment, (one, other))
    assert meeting.met
    assert any(isinstance(error, IntegrityError) for error in errors(outcomes)), outcomes
    settled(payment)


@pytest.mark.parametrize(
    "each", [EACH, pytest.param(MANY_EACH, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_many_payments_of_one_merchant_meet_no_deadlock(
    northwind: Merchant, ada: Vendor, network: Network, each: int
) -> None:
    """Sixteen hands on the accounts of one merchant and one vendor; every payment is captured."""

    def hand() -> list[Any]:
        """What one is to pay, by cards of their own: screening counts them."""
        tokens = [network.tokenized(cards.card())["token"] for _ in range(-(-each // EACH))]
        return [
            wish(tokens[number // EACH], shares=[(ada, 6_000)], capture_method="automatic")
            for number in range(each)
        ]

    meant = [hand() for _ in range(HANDS)]
    at_work: set[int] = set()

    def pay(wishes: list[Any]) -> list[str]:
        at_work.add(threading.get_ident())
        return [sold(northwind, wanted).state for wanted in wishes]

    outcomes = together(*[lambda wishes=wishes: pay(wishes) for wishes in meant])  # type: ignore[misc]
    assert errors(outcomes) == []
    assert len(at_work) == HANDS
    assert {state for found in results(outcomes) for state in found} == {"captured"}
    assert Payment.objects.filter(merchant=northwind, state="captured").count() == HANDS * each
    assert_all_invariants_hold()
