"""An API key is revoked while payments are captured by it, without an Idempotency-Key: what was begun before
is carried out, and from the moment at which the revocation is done nothing is begun (D14)."""

import itertools
import threading
from typing import Any

import pytest

from ledger import clock
from ledger.actors import SYSTEM
from payments.models import Payment, ProviderOperation
from payments.services.calls import operations
from tests.factories import vendors as factory
from tests.kit import cards
from tests.kit.api_client import MerchantClient
from tests.kit.books import assert_all_invariants_hold
from tests.kit.network import Network
from tests.kit.race import Meeting, errors, results, together
from tests.kit.shop import CORE
from tests.services.payments.cast import authorized, created, wish
from vendors import locks
from vendors.models import ApiKey, Merchant
from vendors.services import keys

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
HANDS, EACH = 4, 6
BIT = {"amount": 100}


def held(merchant: Merchant, network: Network) -> Payment:
    return authorized(created(merchant, wish(network.tokenized(cards.card())["token"])))


def revoke(key: ApiKey) -> None:
    keys.revoke(merchant_id=key.merchant_id, api_key_id=key.pk, reason="lost", actor=SYSTEM, at=clock.now())


def capture(plaintext: str, payment: Payment) -> int:
    path = f"{CORE}{payment.public_id}/capture"
    return MerchantClient(plaintext).put(path, BIT, key=None).status_code


def test_nothing_is_begun_after_it(northwind: Merchant, network: Network) -> None:
    key, plaintext = factory.create_api_key(northwind)
    payments = [held(northwind, network) for _ in range(HANDS)]
    captures = ProviderOperation.objects.filter(merchant=northwind, kind="capture")
    done = itertools.count()
    is_time = threading.Event()

    def capture_bit_by_bit(payment: Payment) -> int:
        for _ in range(EACH * 4):
            status = capture(plaintext, payment)
            if status != 200:
                return status
            if next(done) >= EACH:
                is_time.set()
        return 200

    def stop() -> int:
        assert is_time.wait(30)
        revoke(key)
        return captures.count()

    *became, counted = results(
        together(*[lambda payment=payment: capture_bit_by_bit(payment) for payment in payments], stop)  # type: ignore[misc]
    )
    assert set(became) <= {401, 403}  # each was at work when it came
    assert EACH < counted == captures.count()
    assert_all_invariants_hold()


@pytest.mark.parametrize("is_shared", [True, False], ids=["with the lock", "without the lock"])
def test_waits_for_a_claim_that_has_begun(
    northwind: Merchant, network: Network, monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    """The negative control: without the lock the claim is committed after the revocation is done."""
    key, plaintext = factory.create_api_key(northwind)
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
        assert has_begun.wait(30)
        revoke(key)
        order.append("revoked")
        meeting.wait()

    monkeypatch.setattr(operations, "claim", claim_and_wait)
    if not is_shared:
        monkeypatch.setattr(locks, "key_alone", lambda _: None)
    outcomes = together(lambda: capture(plaintext, payment), stop)
    assert errors(outcomes) == []
    assert order == (["claiming", "revoked"] if is_shared else ["revoked", "claiming"])
    assert results(outcomes)[0] == 200
