"""Months long ago, each for one test alone: what a test archives is away for all that come after it."""

import random
from datetime import UTC, datetime
from typing import Final

from ledger.models import ArchiveFile

_YEARS: Final = range(2001, 2013)
_given: set[datetime] = set()


def month_of_its_own() -> datetime:
    """Return the beginning of a month that no test was given and of which nothing was archived."""
    away = set(ArchiveFile.objects.values_list("range_from", flat=True))
    months = (datetime(year, month, 1, tzinfo=UTC) for year in _YEARS for month in range(1, 13))
    begins = random.choice([month for month in months if month not in _given and month not in away])
    _given.add(begins)
    return begins
