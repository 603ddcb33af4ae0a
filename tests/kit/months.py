"""Months long ago, each for one test alone: what a test archives is away for all that come after it."""

import random
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from ledger import balances, clock, outbox, partitions
from ledger.actors import SYSTEM
from ledger.archives import archiving
from ledger.archives.carrying import NotAtRest
from ledger.models import ArchiveFile
from tests.kit import settling
from tests.kit.polling import eventually
from vendors.models import Vendor

_YEARS: Final = range(2001, 2013)
_given: set[datetime] = set()


def month_of_its_own() -> datetime:
    """Return the beginning of a month that no test was given and of which nothing was archived."""
    away = set(ArchiveFile.objects.values_list("range_from", flat=True))
    months = (datetime(year, month, 1, tzinfo=UTC) for year in _YEARS for month in range(1, 13))
    begins = random.choice([month for month in months if month not in _given and month not in away])
    _given.add(begins)
    return begins


class OldTicks:
    """The clock of identifiers (`ids._ticks`) in a month long ago."""

    def __init__(self, begins: datetime) -> None:
        self.last = int((begins + timedelta(days=random.randint(0, 20))).timestamp() * 1000)

    def next(self) -> tuple[int, int]:
        """Return the next millisecond."""
        self.last += 1
        return self.last, 0


def finish(*vendors: Vendor, currency: str = "USD") -> None:
    """Do what is left to do with old months: deliver the news, settle with the vendors and pay them."""
    partitions.make_ahead()
    for vendor in vendors:
        settling.pay(settling.settle(vendor, currency, clock.now()), clock.now())
    outbox.relay_all(clock.now())


def key_at(moment: datetime) -> UUID:
    """Return an id that was made at an instant."""
    return UUID(int=int(moment.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | random.getrandbits(60))


def archived(kept: str, begins: datetime, at: datetime | None = None) -> list[ArchiveFile]:
    """Archive the month of a class that is due at an instant (now), as soon as it is at rest."""
    made: list[ArchiveFile] = []

    def is_done() -> bool:
        balances.roll()
        due = archiving.due(at or clock.now())
        month = next(one for one in due if one.kept.name == kept and one.begins == begins)
        try:
            made.extend(archiving.archive(month, clock.now(), SYSTEM))
        except NotAtRest:
            return False
        return True

    eventually(is_done, seconds=60, what="the month to be at rest")
    return made
