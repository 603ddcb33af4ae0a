"""Fixtures that every test may use."""

import os
from typing import Any

import pytest
from django.test import TransactionTestCase

import tests.kit.books  # noqa: F401  its machine must be known before the database is made
from tests.factories import vendors as factory
from tests.kit import shards
from tests.kit.api_client import MerchantClient
from tests.kit.network import Network
from tests.kit.network import network as network
from tests.kit.network import network_process as network_process
from tests.kit.settling import own_network as own_network
from tests.kit.settling import own_network_process as own_network_process
from tests.kit.shop import Shop
from vendors.models import Merchant, Vendor

SHARDS = "BOOKS_SHARDS"

# Tests with real commits leave their rows: the books refuse to be truncated. Each makes its own merchant.
TransactionTestCase._fixture_teardown = lambda self: None  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The database of a run: with BOOKS_SHARDS, its books lie in so many hash partitions by merchant."""
    if os.environ.get(SHARDS):
        with django_db_blocker.unblock():
            shards.spread(int(os.environ[SHARDS]))


@pytest.fixture
def northwind() -> Merchant:
    """The merchant of the cast, one for each test; the test says which kind of database it wants."""
    return factory.create_merchant("Northwind")


@pytest.fixture
def ada(northwind: Merchant) -> Vendor:
    """A vendor who sells books, 10 % commission."""
    return factory.create_vendor(northwind, "Ada", category="books", rate_bps=1000)


@pytest.fixture
def bruno(northwind: Merchant) -> Vendor:
    """A vendor who sells food, 12.5 % commission."""
    return factory.create_vendor(northwind, "Bruno", category="food", rate_bps=1250)


@pytest.fixture
def merchant_client(northwind: Merchant) -> MerchantClient:
    """Northwind's server: a key with all scopes."""
    return MerchantClient(factory.create_api_key(northwind)[1])


@pytest.fixture
def shop(merchant_client: MerchantClient, network: Network) -> Shop:
    """Northwind's shop on the sandbox network."""
    return Shop(merchant_client, network)
