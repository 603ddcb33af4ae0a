"""Fixtures that every test may use."""

import math
import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import TransactionTestCase
from django.test.utils import setup_databases, teardown_databases
from hypothesis import HealthCheck, settings
from psycopg.pq import TransactionStatus

import tests.kit.books  # noqa: F401  its machine must be known before the database is made
from config import grants
from ledger import ids, shelf
from payments.services.routes import provider_health
from tests.factories import vendors as factory
from tests.kit import balance, databases, shards
from tests.kit.api_client import MerchantClient
from tests.kit.callbacks import signed as signed
from tests.kit.network import Network
from tests.kit.network import network as network
from tests.kit.network import network_process as network_process
from tests.kit.owner import as_owner as as_owner
from tests.kit.rails import rails as rails
from tests.kit.settling import own_network as own_network
from tests.kit.settling import own_network_process as own_network_process
from tests.kit.shop import Shop
from tests.kit.softhsm import hsm as hsm
from vendors.api import throttle
from vendors.models import Merchant, Vendor

# How fast a busy machine makes up values, or tries one, says nothing of what is tested.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

# How late Valkey answers on a busy machine, neither: tests of its absence name a port where nobody listens.
for asking in (shelf, throttle, provider_health):
    asking._TIMEOUT_SECONDS = 10.0  # type: ignore[misc]

# Nobody is asked first for what the same test saw of him a second ago; tests of that look when they want to.
provider_health.FRESH_SECONDS = math.inf  # type: ignore[misc]

# Tests with real commits leave their rows: the books refuse to be truncated. Each makes its own merchant.
TransactionTestCase._fixture_teardown = lambda self: None  # type: ignore[method-assign]


def _close_unless_at_rest(case: TransactionTestCase) -> bool:
    """Let the next test have the connections of a test with real commits, as they are between requests.

    A new one costs 30 ms of the machine before it knows the tables again. Closed are those that were left in
    a transaction, or broken.
    """
    for connection in connections.all(initialized_only=True):
        raw = connection.connection
        if raw is None:
            continue
        is_idle = not raw.closed and raw.info.transaction_status == TransactionStatus.IDLE
        if connection.in_atomic_block or not is_idle or not connection.is_usable():
            connection.close()
    return False


TransactionTestCase._should_reload_connections = _close_unless_at_rest  # type: ignore[attr-defined]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> balance.WholeFiles | None:
    """Share the files out, not the tests (`make test`)."""
    if config.getvalue("dist") != "loadgroup":
        return None
    config.option.loadscopereorder = False  # they are in order: below
    return balance.WholeFiles(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let long files begin first, when there are several workers."""
    if hasattr(config, "workerinput"):
        items[:] = balance.longest_first(items)


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_modify_db_settings: None,
    django_db_keepdb: bool,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """The owner makes and migrates the database; the tests run on it as the application.

    With BOOKS_SHARDS, its books lie in so many hash partitions by merchant.
    """
    if databases.is_copied():
        with django_db_blocker.unblock():
            databases.copy(tmp_path_factory.getbasetemp().parent, _make_months)
        yield
        with django_db_blocker.unblock():
            connections.close_all()
        return
    with django_db_blocker.unblock():
        made = setup_databases(0, False, keepdb=django_db_keepdb, aliases={"owner"}, serialized_aliases=set())
        if os.environ.get(databases.SHARDS):
            with grants.as_owner():
                shards.spread(int(os.environ[databases.SHARDS]))
        else:
            _make_months()
    yield
    with django_db_blocker.unblock():
        connections.close_all()
        if not django_db_keepdb:
            teardown_databases(made, verbosity=0)


def _make_months() -> None:
    """Make the months in which the tests' clocks stand: a house that is new makes only those to come."""
    with grants.as_owner(), connections["owner"].cursor() as cursor:
        cursor.execute("SELECT ledger_make_partitions(12, '2025-12-01')")


@pytest.fixture(autouse=True)
def ids_of_their_own_time() -> Iterator[None]:
    """Ids rise for as long as a process lives: a clock of the future must not date the next test's."""
    yield
    ids._ticks = ids._Ticks()  # type: ignore[misc]


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
