"""Every flow ends with all invariants of the house, whatever it looked at itself."""

from collections.abc import Iterator

import pytest

from tests.kit.books import assert_all_invariants_hold


@pytest.fixture(autouse=True)
def all_invariants_hold_at_the_end(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check them after the test, when it works on the tests' own database."""
    if request.node.get_closest_marker("django_db") is None:
        yield
        return
    request.getfixturevalue("_django_db_helper")  # so that the database is there until this has looked
    yield
    if request.node.get_closest_marker("damages") is not None:
        return  # it breaks something on purpose, to see that it is found
    assert_all_invariants_hold()
