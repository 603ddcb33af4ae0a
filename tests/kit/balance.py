"""Which worker runs what (pytest-xdist): files are kept whole, and the long ones begin first.

There are three for two cores: what waits for a late answer, or for a time to pass, leaves its core to others.

Sent one by one, the tests of a file would be shared out over the workers, and each would make the file's
own fixtures; the controller would look all tests up again for each of them. `--dist loadgroup` is what the
Makefile says, and a group still holds files together: a house, for instance, is built by one worker.
"""

from collections.abc import Sequence
from typing import Final

import pytest
from xdist.scheduler import LoadGroupScheduling

# Seconds of one core, roughly and only of those that matter: what takes long must not begin at the end.
SECONDS: Final = {
    "house": 180.0,
    "tests/services/payments/test_provider_matrix.py": 50.0,
    "tests/api/test_fuzz.py": 30.0,
    "tests/services/payments/rails/test_debits_and_returns.py": 20.0,
}
# Of one test, by the folder.
SECONDS_OF_A_TEST: Final = {
    "tests/browser/": 1.5,
    "tests/chaos/": 0.7,
    "tests/flows/": 0.7,
    "tests/properties/": 1.5,
    "tests/races/": 0.4,
    "": 0.1,
}
SECONDS_OF_A_LONG_FILE: Final = 100.0


class WholeFiles(LoadGroupScheduling):
    """Sends out groups, and files of tests that are in none."""

    def _split_scope(self, nodeid: str) -> str:
        scope = super()._split_scope(nodeid)
        return scope if scope != nodeid else nodeid.split("::", 1)[0]


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests file by file, the long files first; in a file they stay as they stand.

    Files with real commits come after the others, as pytest-django orders tests too: they leave their rows,
    and what counts rows of a whole table is slower then. What needs no database comes early: one worker runs
    it while the other makes the template (`tests.kit.databases`).
    """
    units: dict[str, list[pytest.Item]] = {}
    for item in items:
        units.setdefault(_unit(item), []).append(item)

    def place(unit: str) -> tuple[bool, bool, float]:
        of_one = next(value for folder, value in SECONDS_OF_A_TEST.items() if unit.startswith(folder))
        seconds = SECONDS.get(unit, of_one * len(units[unit]))
        is_late = any(map(_asks_the_database, units[unit])) and seconds < SECONDS_OF_A_LONG_FILE
        return any(map(_commits, units[unit])), is_late, -seconds

    return [item for unit in sorted(units, key=place) for item in units[unit]]


def _commits(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("django_db")
    return mark is not None and bool(mark.kwargs.get("transaction"))


def _asks_the_database(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return item.get_closest_marker("django_db") is not None or "django_db_setup" in fixtures


def _unit(item: pytest.Item) -> str:
    group = item.get_closest_marker("xdist_group")
    return str(group.args[0]) if group else item.nodeid.split("::", 1)[0]
