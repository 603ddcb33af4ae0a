"""A customer's methods, added, made default and removed by many at once: one default in the end."""

from typing import Any

import pytest
from django.db import IntegrityError

from ledger import clock
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from payments import method_locks
from payments.models import PaymentMethod
from payments.services.methods import adding_methods, keeping_methods
from payments.services.methods.adding_methods import NewMethod, ProvidersOwn
from payments.vault.instruments import Shown
from tests.kit.race import errors, together
from vendors.models import Merchant

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
CUSTOMER = "carla"


def add(merchant: Merchant, **more: Any) -> PaymentMethod:
    held = ProvidersOwn("velocitypay", f"vpt_{uuid7().hex}", Shown(last4="4242"))
    return adding_methods.add(
        merchant_id=merchant.pk,
        method_id=uuid7(),
        wanted=NewMethod(CUSTOMER, "card", held=held, **more),
        actor=SYSTEM,
        at=clock.now(),
    )


def defaults(merchant: Merchant) -> int:
    return PaymentMethod.objects.filter(merchant=merchant, is_default=True).count()


def test_the_first_of_many_at_once_is_the_default(northwind: Merchant) -> None:
    assert errors(together(*[lambda: add(northwind) for _ in range(4)])) == []
    assert PaymentMethod.objects.filter(merchant=northwind).count() == 4
    assert defaults(northwind) == 1


def test_without_the_lock_they_would_collide(northwind: Merchant, monkeypatch: Any) -> None:
    """The negative control: only the index is left, and it refuses."""
    monkeypatch.setattr(method_locks, "customer", lambda *_: None)
    for _ in range(10):
        met = errors(together(*[lambda: add(northwind, is_default=True) for _ in range(4)]))
        if any(isinstance(error, IntegrityError) for error in met):
            break
    else:
        pytest.fail("they never met")
    assert defaults(northwind) == 1


def test_default_and_removal_at_once_leave_one(northwind: Merchant) -> None:
    first, second, third = (add(northwind) for _ in range(3))
    whose = {"merchant_id": northwind.pk, "actor": SYSTEM, "at": clock.now()}
    outcomes = together(
        lambda: keeping_methods.remove(method_id=first.pk, reason="r", **whose),
        lambda: keeping_methods.set_default(method_id=second.pk, **whose),
        lambda: keeping_methods.set_default(method_id=third.pk, **whose),
    )
    assert errors(outcomes) == []
    assert defaults(northwind) == 1
    assert PaymentMethod.objects.get(pk=first.pk).state == "removed"
