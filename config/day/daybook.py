"""The day book: the figures of a run as an aligned table for people and as JSON for the next start.

The part called `figures` is the same however often the run was killed; times and speed stand beside it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from config.day.books import Books
from config.day.money_math import major_text
from ledger.money import exponent

FORMAT: Final = 1
COLUMNS: Final = (
    ("orders", "orders"),
    ("gross", "gross"),
    ("declined", "declined"),
    ("in review", "in_review"),
    ("refunded", "refunded"),
    ("fees", "provider_fees"),
    ("commission", "commission"),
    ("paid out", "paid_out"),
    ("still pending", "pending"),
)
COUNTS: Final = frozenset({"orders"})
NOT_OF_VENDORS: Final = frozenset({"provider_fees"})
NAME_WIDTH_MAX: Final = 28


@dataclass(slots=True)
class Daybook:
    """One run as it is kept; `is_done` only once the proof was made."""

    run: str
    title: str
    business_date: str
    merchant: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    report: list[str] = field(default_factory=list)
    holds: bool = False
    is_done: bool = False

    def with_figures(self, books: Books, names: dict[str, str]) -> "Daybook":
        """Take the figures in."""
        self.figures, self.names = books.as_json(), names
        return self

    def lines(self) -> list[str]:
        """Return the book as lines for a terminal."""
        return [
            f"Day book: {self.title}, business date {self.business_date}",
            "",
            *table(("currency",), _currency_rows(self.figures)),
            "",
            *table(("vendor", "currency"), _vendor_rows(self.figures, self.names)),
            "",
            *self.report,
        ]


class Shelf:
    """The folder in which day books are kept, one file a run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, run: str) -> Daybook | None:
        """Return the book of a run that was begun, when its file can be read."""
        try:
            stored = json.loads(self._file(run).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        if not isinstance(stored, dict) or stored.pop("format", None) != FORMAT:
            return None
        return Daybook(**stored)

    def last_date(self) -> str:
        """Return the latest business date of any run on the shelf, empty when there is none."""
        books = (self.find(file.stem) for file in self._folder.glob("*.json"))
        return max((book.business_date for book in books if book), default="")

    def keep(self, book: Daybook) -> None:
        """Write the book; a reader sees the old one or the new one."""
        self._folder.mkdir(parents=True, exist_ok=True)
        content = {"format": FORMAT} | {name: getattr(book, name) for name in Daybook.__slots__}
        partial = self._file(book.run).with_suffix(".partial")
        partial.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(self._file(book.run))

    def _file(self, run: str) -> Path:
        return self._folder / f"{run}.json"


def table(labels: Sequence[str], rows: Iterable[tuple[tuple[str, ...], dict[str, int]]]) -> list[str]:
    """Align rows of figures under their headings; the last label of a row is its currency."""
    body = [_cells(names, figures) for names, figures in rows]
    head = [*labels, *(title for title, _ in COLUMNS)]
    widths = [max(len(line[place]) for line in (head, *body)) for place in range(len(head))]
    return [_aligned(line, widths, len(labels)) for line in (head, *body)]


def _cells(names: tuple[str, ...], figures: dict[str, int]) -> list[str]:
    labels = [label[:NAME_WIDTH_MAX] for label in names]
    without = NOT_OF_VENDORS if len(names) > 1 else frozenset()
    cells = ("-" if key in without else _cell(figures[key], key, names[-1]) for _, key in COLUMNS)
    return [*labels, *cells]


def _cell(figure: int, key: str, currency: str) -> str:
    if key in COUNTS:
        return f"{figure}"
    text = major_text(figure, exponent(currency))
    whole, point, fraction = text.partition(".")
    return f"{int(whole):,}{point}{fraction}" if whole not in ("-0", "0") else text


def _aligned(cells: Sequence[str], widths: Sequence[int], labels: int) -> str:
    padded = [
        cell.ljust(width) if place < labels else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _currency_rows(figures: dict[str, Any]) -> Iterable[tuple[tuple[str, ...], dict[str, int]]]:
    for currency, line in figures["currencies"].items():
        yield (currency,), line


def _vendor_rows(
    figures: dict[str, Any], names: dict[str, str]
) -> Iterable[tuple[tuple[str, ...], dict[str, int]]]:
    for vendor, lines in figures["vendors"].items():
        for currency, line in lines.items():
            yield (names.get(vendor, vendor), currency), line
