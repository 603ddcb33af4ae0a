"""Two who saw the same version of a payment method change it at once: one does, the other is told (D13)."""

import threading
from typing import Any
from uuid import UUID

import pytest

from ledger import clock
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from ledger.models import Event
from payments import method_locks
from payments.models import PaymentMethod
from payments.services.methods import adding_methods
from payments.services.methods.adding_methods import NewMethod, ProvidersOwn
from payments.vault.instruments import Shown
from tests.factories import vendors as factory
from tests.kit.api_client import MerchantClient
from tests.kit.race import errors, results, together
from vendors.models import Merchant

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
VERDICTS = ("verified", "failed")  # each may follow the other, so nothing but the version keeps one from it


@pytest.fixture
def at_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are past everything that is asked before the lock, and take it then."""
    real, barrier = method_locks.method, threading.Barrier(2)

    def lock(merchant_id: UUID, method_id: UUID) -> PaymentMethod:
        barrier.wait(30)
        return real(merchant_id, method_id)

    monkeypatch.setattr(method_locks, "method", lock)


def account(merchant: Merchant) -> PaymentMethod:
    held = ProvidersOwn("velocitypay", f"vpt_{uuid7().hex}", Shown(last4="3000"))
    return adding_methods.add(
        merchant_id=merchant.pk, method_id=uuid7(), wanted=NewMethod("carla", "sepa", held=held),
        actor=SYSTEM, at=clock.now(),
    )  # fmt: skip


def raced(plaintext: str, method: PaymentMethod, headers: dict[str, str]) -> list[tuple[int, Any]]:
    path = f"/api/v1/payment-methods/{method.public_id}/verification-status"

    def judge(status: str) -> tuple[int, Any]:
        body = {"status": status, "reason": f"so says {status}"}
        response = MerchantClient(plaintext).put(path, body, key=None, **headers)
        return response.status_code, response.json()

    outcomes = together(*[lambda status=status: judge(status) for status in VERDICTS])  # type: ignore[misc]
    assert errors(outcomes) == []
    return sorted(results(outcomes), key=lambda told: told[0])


@pytest.mark.parametrize("rounds", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_one_of_two_changes_it_and_the_other_is_told(
    northwind: Merchant, at_the_lock: None, rounds: int
) -> None:
    plaintext = factory.create_api_key(northwind)[1]
    for _ in range(rounds):
        method = account(northwind)
        tag = f'"{method.public_id}.{method.version}"'
        (done, shown), (refused, told) = raced(plaintext, method, {"If-Match": tag})
        assert (done, refused, told["code"]) == (200, 412, "version_stale")
        now = PaymentMethod.objects.get(pk=method.pk)
        assert (now.state, now.version) == (shown["status"], method.version + 1)
        assert Event.objects.filter(subject_id=method.pk).count() == now.version


def test_without_the_header_one_writes_over_the_other(northwind: Merchant, at_the_lock: None) -> None:
    """The negative control: the second one never knows what he wrote over."""
    plaintext = factory.create_api_key(northwind)[1]
    method = account(northwind)
    assert [status for status, _ in raced(plaintext, method, {})] == [200, 200]
    assert PaymentMethod.objects.get(pk=method.pk).version == method.version + 2
