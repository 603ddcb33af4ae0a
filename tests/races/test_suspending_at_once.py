"""A merchant is suspended while his payments are captured: what was claimed before is carried out, and from
the moment at which the suspension is done nothing is claimed."""

import pytest

from ledger import clock
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from payments.models import Payment
from payments.services.payments import increasing
from tests.kit.books import assert_all_invariants_hold
from tests.kit.network import Network
from tests.races.stopped_midway import assert_nothing_is_begun_after, held, order_of_claim_and_stop
from tests.services.payments.cast import captured, usd
from vendors import locks
from vendors.models import Merchant
from vendors.models.merchants import MerchantInactive
from vendors.services import onboarding

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]


def suspend(merchant: Merchant) -> None:
    onboarding.suspend_merchant(merchant_id=merchant.pk, reason="fraud?", actor=SYSTEM, at=clock.now())


def capture_some(payment: Payment) -> bool:
    try:
        captured(payment, 100)
    except MerchantInactive:
        return False
    return True


def raise_a_little(payment: Payment) -> Payment:
    return increasing.increase(
        merchant_id=payment.merchant_id, payment_id=payment.pk, operation_id=uuid7(), amount=usd(100),
        actor=SYSTEM, at=clock.now(),
    )  # fmt: skip


def test_nothing_is_claimed_after_it(northwind: Merchant, network: Network) -> None:
    assert_nothing_is_begun_after(northwind, network, capture_some, lambda: suspend(northwind))
    assert_all_invariants_hold()


@pytest.mark.parametrize("is_shared", [True, False], ids=["with the lock", "without the lock"])
def test_waits_for_a_claim_that_has_begun(
    northwind: Merchant, network: Network, monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    """The negative control: without the lock the claim is committed after the suspension is done."""
    payment = held(northwind, network)
    if not is_shared:
        monkeypatch.setattr(locks, "alone", lambda _: None)
    order, _, have_met = order_of_claim_and_stop(
        monkeypatch, lambda: raise_a_little(payment), lambda: suspend(northwind)
    )
    assert order == (["claimed", "stopped"] if is_shared else ["stopped", "claimed"])
    assert have_met is not is_shared
