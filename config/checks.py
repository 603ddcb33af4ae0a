"""System checks of the house: every task on a known queue, every timetable row a known task; and, where a
database is named (`check --deploy --database default`), that the application does not own the books.

They run with every management command, so a wrong wiring stops a deploy before a worker does.
"""

from collections.abc import Sequence
from typing import Any

from celery import current_app
from django.core import checks
from django.db import DEFAULT_DB_ALIAS
from django.utils.module_loading import autodiscover_modules

from config import celery, grants


@checks.register(checks.Tags.compatibility)
def timetable_names_what_exists(app_configs: Sequence[Any] | None, **_: Any) -> list[checks.CheckMessage]:
    """Every row of the timetable names a registered task and a queue that a worker serves."""
    autodiscover_modules("tasks")
    found: list[checks.CheckMessage] = []
    for row in celery.TIMETABLE:
        if row.task not in current_app.tasks:
            found.append(checks.Error(f"timetable row {row.name!r}: no task {row.task!r}", id="config.E001"))
        if row.queue not in celery.QUEUES:
            found.append(
                checks.Error(f"timetable row {row.name!r}: no queue {row.queue!r}", id="config.E002")
            )
    return found


@checks.register(checks.Tags.database, deploy=True)
def the_application_does_not_own_the_books(
    app_configs: Sequence[Any] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[checks.CheckMessage]:
    """The role of DATABASE_URL may not alter the tables of the ledger."""
    if DEFAULT_DB_ALIAS not in (databases or ()) or not grants.owns_the_books():
        return []
    return [
        checks.Warning(
            "the application connects as the owner of the books: it could alter or drop them",
            hint="give the application a role of its own: DATABASE_URL its address, MIGRATION_DATABASE_URL "
            "the owner's, then run migrate, which grants what it needs",
            id="config.W003",
        )
    ]
