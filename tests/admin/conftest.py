"""Staff of each role, signed in, and a small world to look at."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from fraud.models import FraudReview
from fraud.services.screening import screen
from ledger.actors import Actor
from tests.factories.fraud import screening_request
from tests.factories.payments import captured_payment, create_payment
from tests.factories.vendors import create_merchant, create_vendor
from vendors.models import Merchant

SignIn = Callable[..., Client]


@pytest.fixture
def sign_in(db) -> SignIn:
    """Return a client signed in with some roles; without any, as one who may do everything."""

    def signed_in(*roles: str) -> Client:
        user = User.objects.create_user("-".join(roles) or "root", password="not used", is_staff=True)
        user.groups.set(Group.objects.filter(name__in=roles))
        if not roles:
            user.is_superuser = True
            user.save(update_fields=["is_superuser"])
        client = Client()
        client.force_login(user)
        return client

    return signed_in


@pytest.fixture
def root(sign_in) -> Client:
    return sign_in()


@pytest.fixture
def northwind(db) -> Merchant:
    return create_merchant()


@pytest.fixture
def review(northwind) -> FraudReview:
    """Carla pays more than is approved without a person."""
    verdict = screen(screening_request(northwind.id, minor=1_000_001))
    return FraudReview.objects.get(fraud_check=verdict.check_id)


@pytest.fixture
def payment(northwind):
    """Carla paid Ada 60 and Bruno 30 of 100 dollars; it is captured."""
    ada, bruno = create_vendor(northwind, name="Ada"), create_vendor(northwind, name="Bruno")
    return captured_payment(northwind, fee=320, shares=[(ada, 6_000, 600), (bruno, 3_000, 300)])


@pytest.fixture
def more_payments(northwind):
    """Return a function that makes some more payments, each with a vendor."""

    def make(number: int) -> None:
        ada = create_vendor(northwind)
        for _ in range(number):
            create_payment(northwind, shares=[(ada, 5_000, 500)])

    return make


@pytest.fixture
def analyst_actor() -> Actor:
    return Actor("staff", "7", "Irene")
