"""System checks of the house: every task on a known queue, every timetable row a known task, prod settings
sane.

They run with every management command, so a wrong wiring stops a deploy before a worker does.
"""

from collections.abc import Sequence
from typing import Any

from celery import current_app
from django.core import checks
from django.utils.module_loading import autodiscover_modules

from config import celery


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
