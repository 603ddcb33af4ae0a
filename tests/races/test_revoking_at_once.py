"""An API key is revoked while payments are captured by it, without an Idempotency-Key: what was begun before
is carried out, and from the moment at which the revocation is done nothing is begun (D14)."""

import pytest

from ledger import clock
from ledger.actors import SYSTEM
from payments.models import Payment
from tests.factories import vendors as factory
from tests.kit.api_client import MerchantClient
from tests.kit.books import assert_all_invariants_hold
from tests.kit.network import Network
from tests.kit.shop import CORE
from tests.races.stopped_midway import assert_nothing_is_begun_after, held, order_of_claim_and_stop
from vendors import locks
from vendors.models import ApiKey, Merchant
from vendors.services import keys

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
BIT = {"amount": 100}


def revoke(key: ApiKey) -> None:
    keys.revoke(merchant_id=key.merchant_id, api_key_id=key.pk, reason="lost", actor=SYSTEM, at=clock.now())


def capture(plaintext: str, payment: Payment) -> int:
    path = f"{CORE}{payment.public_id}/capture"
    return MerchantClient(plaintext).put(path, BIT, key=None).status_code


def test_nothing_is_begun_after_it(northwind: Merchant, network: Network) -> None:
    key, plaintext = factory.create_api_key(northwind)

    def capture_some(payment: Payment) -> bool:
        status = capture(plaintext, payment)
        assert status in (200, 401, 403)
        return status == 200

    assert_nothing_is_begun_after(northwind, network, capture_some, lambda: revoke(key))
    assert_all_invariants_hold()


@pytest.mark.parametrize("is_shared", [True, False], ids=["with the lock", "without the lock"])
def test_waits_for_a_claim_that_has_begun(
    northwind: Merchant, network: Network, monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    """The negative control: without the lock the claim is committed after the revocation is done."""
    key, plaintext = factory.create_api_key(northwind)
    payment = held(northwind, network)
    if not is_shared:
        monkeypatch.setattr(locks, "key_alone", lambda _: None)
    order, status, have_met = order_of_claim_and_stop(
        monkeypatch, lambda: capture(plaintext, payment), lambda: revoke(key)
    )
    assert order == (["claimed", "stopped"] if is_shared else ["stopped", "claimed"])
    assert (status, have_met) == (200, not is_shared)
