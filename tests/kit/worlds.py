"""Rows that all tests of a module look at and none changes: made once, gone with the module's last test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


@contextmanager
def standing_rows(blocker: Any) -> Iterator[None]:
    """Keep what is written at the beginning of the block until its end; `blocker` is `django_db_blocker`.

    The block is one transaction around those of the module's tests, each of which is a savepoint in it: so
    only for modules without real commits, and the fixture must ask for `django_db_setup`.
    """
    with blocker.unblock():
        whole = transaction.atomic()
        whole._from_testcase = True  # type: ignore[attr-defined]  # phases open in it, as in a test
        whole.__enter__()
        try:
            yield
        finally:
            transaction.set_rollback(True)
            whole.__exit__(None, None, None)


def settle_constraints() -> None:
    """Let the laws look at what was written so far, once for all tests."""
    connection.check_constraints()
