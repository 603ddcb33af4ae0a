"""Time: the only file that reads the system clock.

Views, tasks, admin and commands call `now()` and hand it to services as `at`. Everything is in UTC; a
business date is the UTC date unless a zone is named. Stopwatches for timeouts use `monotonic`, never `now`.
"""

import time
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Before anything of ours: where what was always so begins."""


def now() -> datetime:
    """Return the present instant, aware, in UTC."""
    return datetime.now(UTC)


def business_date(at: datetime, zone: str = "UTC") -> date:
    """Return the day to which an instant belongs in a time zone."""
    return at.astimezone(ZoneInfo(zone)).date()


def monotonic() -> float:
    """Return seconds of a stopwatch that never goes back."""
    return time.monotonic()
