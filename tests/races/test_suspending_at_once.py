"""A merchant is suspended while his payments are captured: what was claimed before is carried out, and from
the moment at which the suspension is done nothing is claimed."""

import itertools
import threading
from typing import Any

import pytest

from ledger import clock
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from payments.models import Payment, ProviderOperation
from payments.services.calls import operations
from payments.services.payments import increasing
from tests.kit import cards
from tests.kit.books import assert_all_invariants_hold
from tests.kit.network import Network
from tests.kit.race import PATIENCE_SECONDS, Meeting, errors, results, together
from tests.services.payments.cast import authorized, captured, created, usd, wish
from vendors import locks
from vendors.models import Merchant
from vendors.models.merchants import MerchantInactive
from vendors.services import onboarding

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
HANDS, EACH = 4, 6
ENOUGH = 90  # parts of a payment: the suspension comes long before the last, however late its hand


def held(merchant: Merchant, network: Network) -> Payment:
    return authorized(created(merchant, wish(network.tokenized(cards.card())["token"])))


def suspend(merchant: Merchant) -> None:
    onboarding.suspend_merchant(merchant_id=merchant.pk, reason="fraud?", actor=SYSTEM, at=clock.now())


def raise_a_little(payment: Payment) -> Payment:
    return increasing.increase(
        merchant_id=payment.merchant_id, payment_id=payment.pk, operation_id=uuid7(), amount=usd(100),
        actor=SYSTEM, at=clock.now(),
    )  # fmt: skip


def test_nothing_is_claimed_after_it(northwind: Merchant, network: Network) -> None:
    payments = [held(northwind, network) for _ in range(HANDS)]
    captures = ProviderOperation.objects.filter(merchant=northwind, kind="capture")
    done = itertools.count()
    is_time = threading.Event()

    def capture_bit_by_bit(payment: Payment) -> str:
        for _ in range(ENOUGH):
            try:
                captured(payment, 100)
            except MerchantInactive:
                return "refused"
            if next(done) >= EACH:
                is_time.set()
        return "never refused"

    def stop() -> int:
        assert is_time.wait(PATIENCE_SECONDS)
        suspend(northwind)
        return captures.count()

    *became, counted = results(
        together(*[lambda payment=payment: capture_bit_by_bit(payment) for payment in payments], stop)  # type: ignore[misc]
    )
    assert became == ["refused"] * HANDS  # each was at work when it came
    assert EACH < counted == captures.count()
    assert_all_invariants_hold()


@pytest.mark.parametrize("is_shared", [True, False], ids=["with the lock", "without the lock"])
def test_waits_for_a_claim_that_has_begun(
    northwind: Merchant, network: Network, monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    """The negative control: without the lock the claim is committed after the suspension is done."""
    payment, meeting, real = held(northwind, network), Meeting(), operations.claim
    order: list[str] = []
    has_begun = threading.Event()

    def claim_and_wait(*args: Any, **options: Any) -> ProviderOperation:
        made = real(*args, **options)
        has_begun.set()
        meeting.wait()
        order.append("claiming")
        return made

    def stop() -> None:
        assert has_begun.wait(PATIENCE_SECONDS)
        suspend(northwind)
        order.append("suspended")
        meeting.wait()

    monkeypatch.setattr(operations, "claim", claim_and_wait)
    if not is_shared:
        monkeypatch.setattr(locks, "alone", lambda _: None)
    outcomes = together(lambda: raise_a_little(payment), stop)
    assert errors(outcomes) == []
    assert order == (["claiming", "suspended"] if is_shared else ["suspended", "claiming"])
    assert meeting.met is not is_shared
