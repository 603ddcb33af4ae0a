"""Fraud's cast: the merchant Northwind, new for each test."""

import pytest

from ledger.actors import Actor
from vendors.models import Merchant


@pytest.fixture
def northwind(db) -> Merchant:
    return Merchant.objects.create(name="Northwind")


@pytest.fixture
def analyst() -> Actor:
    return Actor("staff", "7", "Irene")
