"""Race tests commit for real."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def committing(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """Open the database without a transaction around the test; nothing is rolled back or truncated."""
    with django_db_blocker.unblock():
        yield
