"""Query budgets: exact counts of statements, without the opening and closing of transactions."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.test.utils import CaptureQueriesContext

NOT_COUNTED = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE SAVEPOINT")


class Statements:
    """What was sent to PostgreSQL inside the block."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def __len__(self) -> int:
        return len(self.sent)


@contextmanager
def statements() -> Iterator[Statements]:
    """Collect the statements of a block."""
    found = Statements()
    with CaptureQueriesContext(connection) as captured:
        yield found
    found.sent += [
        query["sql"] for query in captured.captured_queries if not query["sql"].startswith(NOT_COUNTED)
    ]


@contextmanager
def statement_budget(exactly: int) -> Iterator[Statements]:
    """Fail unless the block sends exactly this many statements; the failure lists them."""
    with statements() as found:
        yield found
    listed = "\n".join(f"  {number}. {sql[:300]}" for number, sql in enumerate(found.sent, 1))
    assert len(found) == exactly, f"{len(found)} statements instead of {exactly}:\n{listed}"
