"""Fixtures of the tests that speak to the payment network directly."""

from collections.abc import Callable

import pytest

from tests.kit.network import Network
from tests.kit.till import Till


@pytest.fixture
def till(network: Network) -> Till:
    return Till(network)


@pytest.fixture
def fires(network: Network) -> Callable[[str], int]:
    """How often a fault has fired since the test began."""
    before = network.faults()
    return lambda name: network.faults().get(name, 0) - before.get(name, 0)
