"""One story told in every order: authorized, captured, refunded, by callbacks alone, doubled, early or late.

The network carries everything out under keys that we will use; what it would have answered is lost. Each
order of its callbacks must end in the same state and the same books as the plain telling.
"""

import random
from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from ledger import balances, clock
from ledger.actors import SYSTEM
from ledger.ids import parse, show, uuid7
from ledger.models import Event
from payments.models import Payment, ProviderWebhook
from payments.services.payments import authorizing, capturing
from payments.services.refunds import refunding, requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from tests.kit.books import assert_all_invariants_hold
from tests.kit.callbacks import Callback, callback_of, send
from tests.kit.shop import Shop, good, split, work_until
from vendors.models import Merchant, Vendor

pytestmark = pytest.mark.django_db

STEPS = ("authorized", "captured", "refunded")


class Story:
    """One payment whose three operations we ask for while the network cannot be reached."""

    def __init__(self, shop: Shop, made: dict[str, Any]) -> None:
        self.shop = shop
        self.payment_id = parse("pay", made["id"])
        self.merchant_id = Payment.objects.get(pk=self.payment_id).merchant_id
        self.operations = {step: uuid7() for step in STEPS}
        self.refund_id = uuid7()
        self.at = clock.now()
        self.callbacks = self._happen_at_the_network(made)

    def tell(self) -> None:
        """Ask for each step once its state allows it; the network is down, so only callbacks answer."""
        self.shop.network.down()
        whose = {"merchant_id": self.merchant_id, "actor": SYSTEM, "at": self.at}
        authorizing.authorize(payment_id=self.payment_id, operation_id=self.operations["authorized"], **whose)
        self.apply()
        capturing.capture(
            payment_id=self.payment_id, operation_id=self.operations["captured"], amount=None, **whose
        )
        self.apply()
        wish = RefundWish(refund_id=self.refund_id, payment_id=self.payment_id, amount_minor=4_000)
        requesting_refunds.request(wish=wish, **whose)
        refunding.process(refund_id=self.refund_id, operation_id=self.operations["refunded"], **whose)
        self.apply()
        self.shop.network.down(is_down=False)

    def apply(self) -> None:
        """Run the callbacks' jobs, also those that were parked, as time goes by."""
        for _ in range(2):
            work_until(self.at)
            self.at += timedelta(minutes=10)

    def state(self) -> dict[str, Any]:
        """What must be the same whatever the order was."""
        payment = Payment.objects.get(pk=self.payment_id)
        return {
            "payment": (payment.state, payment.captured_minor, payment.refunded_minor),
            "shares": [
                (share.state, share.captured_minor, share.refunded_minor, share.commission_refunded_minor)
                for share in payment.shares.order_by("position")
            ],
            "refund": [refund.state for refund in payment.refunds.all()],
            "events": list(
                Event.objects.filter(subject_id__in=[self.payment_id, self.refund_id])
                .order_by("subject_type", "sequence")
                .values_list("type", flat=True)
            ),
        }

    def _happen_at_the_network(self, made: dict[str, Any]) -> dict[str, Callback]:
        token = self.shop.network.card()["token"]
        authorization = self._ask("authorized", "/v1/authorizations", token=token, amount=10_000)
        path = f"/v1/authorizations/{authorization['id']}"
        self._ask("captured", f"{path}/captures", amount=10_000)
        self._ask("refunded", f"{path}/refunds", amount=4_000)
        return {step: callback_of(self.shop.network, self._key(step)) for step in STEPS}

    def _ask(self, step: str, path: str, **body: Any) -> dict[str, Any]:
        answer = self.shop.network.client.post(
            path,
            json={"currency": "USD", "reference": show("pay", self.payment_id), **body},
            headers={"Idempotency-Key": self._key(step)},
        )
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def _key(self, step: str) -> str:
        return show("op", self.operations[step])


@pytest.fixture
def begun(shop: Shop, ada: Vendor, bruno: Vendor) -> Story:
    return Story(shop, shop.created(vendor_split=split((ada, 6_000), (bruno, 3_000))))


def books(merchant_id: UUID) -> dict[str, int]:
    """Return the balance of each account by its code and place among the accounts of that code."""
    found: dict[str, int] = {}
    for account in balances.balances(merchant_id):
        name = f"{account.ref.code}:{sum(key.startswith(account.ref.code) for key in found)}"
        found[name] = account.balance.minor
    return {name: found[name] for name in sorted(found)}


PLAIN = {
    "payment": ("captured", 10_000, 4_000),
    "shares": [("captured", 6_000, 2_400, 240), ("captured", 3_000, 1_200, 150)],
    "refund": ["completed"],
    "events": [
        "payment.created", "payment.authorized", "payment.capture_asked", "payment.captured",
        "payment.refund_set_aside", "payment.refunded",
        "refund.approved", "refund.processing", "refund.completed",
    ],
}  # fmt: skip


class TestCallbacks:
    @pytest.mark.parametrize("order", list(permutations(STEPS)), ids="-".join)
    def test_early_and_in_any_order_end_in_the_same_state(
        self, begun: Story, northwind: Merchant, order: Sequence[str]
    ) -> None:
        for step in order:
            assert send(begun.callbacks[step]).status_code == 200
        begun.apply()
        begun.tell()
        assert begun.state() == PLAIN
        assert books(northwind.pk) == _expected_books(books(northwind.pk))
        kept = ProviderWebhook.objects.filter(merchant=northwind)
        assert sorted(kept.values_list("state", flat=True)) == ["applied"] * 3
        assert assert_all_invariants_hold()

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_twenty_shuffled_messages_end_in_the_same_state(self, begun: Story, seed: int) -> None:
        """Each step told six times, also as pending, and two words that nobody knows."""
        keys = {step: begun._key(step) for step in STEPS}
        network = begun.shop.network
        told = [begun.callbacks[step] for step in STEPS]
        told += [callback_of(network, keys[step]) for step in STEPS for _ in range(3)]
        told += [callback_of(network, keys[step], status="pending") for step in STEPS for _ in range(2)]
        told += [callback_of(network, keys["captured"], status=word) for word in ("pondered", "lost")]
        assert len(told) == 20
        random.Random(seed).shuffle(told)
        for callback in told:
            assert send(callback).status_code == 200
        begun.apply()
        begun.tell()
        assert begun.state() == PLAIN
        kept = ProviderWebhook.objects.filter(event_id__in=[callback.event_id for callback in told])
        assert sorted(kept.values_list("state", flat=True)) == ["applied"] * 18 + ["ignored"] * 2

    @pytest.mark.parametrize("order", list(permutations(STEPS)), ids="-".join)
    def test_again_and_in_any_order_change_nothing(
        self, shop: Shop, ada: Vendor, bruno: Vendor, northwind: Merchant, order: Sequence[str]
    ) -> None:
        paid = shop.captured(vendor_split=split((ada, 6_000), (bruno, 3_000)))
        refund = shop.refunded(paid, amount=4_000)
        payment = Payment.objects.get(pk=parse("pay", paid["id"]))
        operations = {operation.kind: operation for operation in payment.operations.all()}
        kinds = dict(zip(STEPS, ("authorize", "capture", "refund"), strict=True))
        before = (shop.payment(paid["id"]), shop.refund(refund["id"]), books(northwind.pk))
        events = Event.objects.filter(merchant_id=northwind.pk).count()
        for step in (*order, *reversed(order)):
            callback = callback_of(shop.network, operations[kinds[step]].idempotency_key)
            for _ in range(2):
                assert good(send(callback), 200) == {"received": True}
        work_until(clock.now())
        assert (shop.payment(paid["id"]), shop.refund(refund["id"]), books(northwind.pk)) == before
        assert Event.objects.filter(merchant_id=northwind.pk).count() == events


def _expected_books(found: dict[str, int]) -> dict[str, int]:
    """The books of the plain telling: 100.00 captured less the fee, 40.00 given back in proportion."""
    fee = found["provider_fees:0"]
    assert fee > 0
    return {
        "commission:0": -(600 + 375 - 240 - 150),
        "merchant_balance:0": -(1_000 - 400),
        "provider_clearing:0": 10_000 - fee - 4_000,
        "provider_fees:0": fee,
        "vendor_pending:0": found["vendor_pending:0"],
        "vendor_pending:1": -(5_400 - 2_160 + 2_625 - 1_050) - found["vendor_pending:0"],
    }
