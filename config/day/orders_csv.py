"""Reads a file of real orders: what can be paid becomes `Order`, the rest is reported line by line.

Streaming: the lines go through a temporary SQLite spool, so that an order's lines may be scattered over a
file of any length while memory stays small. Nothing is guessed; the rules are in `order_lines`.
"""

import csv
import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from config.day.means import customer_card
from config.day.order_lines import COLUMNS, OrderLine, Refusal, read_line
from config.day.shapes import Customer, Kind, Line, Order, VendorPlan
from ledger.money import AMOUNT_MAX

FIELD_MAX_CHARACTERS = 100_000
COMMIT_EVERY_LINES = 50_000

SCHEMA = """
CREATE TABLE orders (seq INTEGER PRIMARY KEY, order_id TEXT UNIQUE NOT NULL, ordered_on TEXT, customer TEXT,
                     country TEXT, currency TEXT, amount INTEGER NOT NULL DEFAULT 0, spoilt_by INTEGER);
CREATE TABLE lines (line INTEGER PRIMARY KEY, seq INTEGER NOT NULL, line_no TEXT NOT NULL,
                    content TEXT NOT NULL, vendor TEXT, sku TEXT, description TEXT, amount INTEGER,
                    UNIQUE (seq, line_no));
CREATE TABLE refused (line INTEGER PRIMARY KEY, order_id TEXT, code TEXT, reason TEXT);
CREATE TABLE noted (line INTEGER PRIMARY KEY, order_id TEXT, code TEXT, reason TEXT);
CREATE TABLE vendors (external_id TEXT PRIMARY KEY, name TEXT, category TEXT);
CREATE INDEX lines_by_order ON lines (seq, line);
CREATE INDEX lines_by_content ON lines (seq, content);
"""
SUM_UP = """
UPDATE orders SET amount = coalesce((SELECT sum(amount) FROM lines WHERE lines.seq = orders.seq), 0)
"""
REFUSE_TOO_LARGE = """
INSERT INTO refused
SELECT line, order_id, 'order_too_large', 'the order comes to more than ' || :maximum || ' minor units'
  FROM lines JOIN orders USING (seq) WHERE orders.amount > :maximum AND spoilt_by IS NULL
"""
SPOIL_TOO_LARGE = "UPDATE orders SET spoilt_by = 0 WHERE amount > :maximum AND spoilt_by IS NULL"
REFUSE_SPOILT = """
INSERT INTO refused
SELECT line, order_id, 'order_spoilt', 'the order is left out because of line ' || spoilt_by
  FROM lines JOIN orders USING (seq) WHERE spoilt_by > 0
"""


class OrdersFileError(Exception):
    """The file as a whole cannot be read; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the file that is not paid (or, in a note, that a person may want to look at)."""

    line: int
    order_id: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What the file came to."""

    digest: str
    lines: int
    lines_paid: int
    lines_refused: int
    orders_paid: int
    orders_refused: int


class OrdersFile:
    """The spooled file; valid inside `open_orders`."""

    def __init__(self, spool: sqlite3.Connection, digest: str) -> None:
        self._spool = spool
        self.digest = digest

    def summary(self) -> Summary:
        """Count lines and orders, paid and refused."""
        paid_lines = self._one(
            "SELECT count(*) FROM lines JOIN orders USING (seq) WHERE spoilt_by IS NULL AND orders.amount > 0"
        )
        refused = self._one("SELECT count(*) FROM refused")
        orders = self._one("SELECT count(*) FROM orders")
        paid = self._one("SELECT count(*) FROM orders WHERE spoilt_by IS NULL AND amount > 0")
        return Summary(self.digest, paid_lines + refused, paid_lines, refused, paid, orders - paid)

    def vendors(self) -> Iterator[VendorPlan]:
        """Yield the vendors of payable lines."""
        rows = self._spool.execute(
            "SELECT external_id, name, category FROM vendors WHERE external_id IN (SELECT vendor FROM lines"
            " JOIN orders USING (seq) WHERE spoilt_by IS NULL) ORDER BY external_id"
        )
        for external_id, name, category in rows:
            yield VendorPlan(external_id, name, category)

    def orders(self) -> Iterator[Order]:
        """Yield the payable orders in the order of their first line."""
        rows = self._spool.execute(
            "SELECT seq, order_id, ordered_on, customer, country, currency FROM orders"
            " WHERE spoilt_by IS NULL AND amount > 0 ORDER BY seq"
        )
        for seq, order_id, ordered_on, customer, country, currency in rows:
            lines = self._spool.execute(
                "SELECT vendor, sku, description, amount FROM lines WHERE seq = ? ORDER BY line", (seq,)
            )
            yield Order(
                ref=order_id,
                kind=Kind.CARD,
                customer=Customer(customer),
                currency=currency,
                lines=tuple(Line(*line) for line in lines),
                means=customer_card(customer),
                metadata={"ordered_on": ordered_on, "country": country}
                if country
                else {"ordered_on": ordered_on},
            )

    def refused(self) -> Iterator[Finding]:
        """Yield every line that is not paid, in the file's order."""
        for row in self._spool.execute("SELECT line, order_id, code, reason FROM refused ORDER BY line"):
            yield Finding(*row)

    def noted(self) -> Iterator[Finding]:
        """Yield the lines that are paid although a person may want to look at them."""
        for row in self._spool.execute("SELECT line, order_id, code, reason FROM noted ORDER BY line"):
            yield Finding(*row)

    def refused_by_code(self) -> dict[str, int]:
        """Count the refused lines by their reason's code, most frequent first."""
        return dict(
            self._spool.execute(
                "SELECT code, count(*) FROM refused GROUP BY code ORDER BY count(*) DESC, code"
            )
        )

    def _one(self, query: str) -> int:
        return int(self._spool.execute(query).fetchone()[0])


@contextmanager
def open_orders(path: Path) -> Iterator[OrdersFile]:
    """Read the whole file into a spool and hand it over; the spool is gone afterwards.

    :raises OrdersFileError: not a readable CSV file with the columns that are needed.
    """
    with tempfile.TemporaryDirectory(prefix="everycent-orders-") as folder:
        spool = sqlite3.connect(Path(folder) / "spool.sqlite", isolation_level=None)
        try:
            spool.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + SCHEMA)
            intake = _Intake(spool)
            digest = _read(path, intake)
            intake.finish()
            yield OrdersFile(spool, digest)
        finally:
            spool.close()


def _read(path: Path, intake: "_Intake") -> str:
    try:
        with path.open("rb") as raw:
            digest = hashlib.file_digest(raw, "sha256").hexdigest()
        # Bytes that are not UTF-8 become lone surrogates, which `order_lines` recognises in each column.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            _rows(text, intake, path)
    except OSError as error:
        raise OrdersFileError(f"cannot read the orders file {path}: {error.strerror}") from error
    return digest


def _rows(text: TextIO, intake: "_Intake", path: Path) -> None:
    csv.field_size_limit(FIELD_MAX_CHARACTERS)
    reader = csv.reader(text, strict=True)
    header = [name.strip() for name in next(reader, [])]
    missing = [name for name in COLUMNS if header.count(name) != 1]
    if missing:
        raise OrdersFileError(
            f"{path}: the first line must name each of these columns once: {', '.join(missing)}"
        )
    while True:
        first_line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            intake.refuse(
                first_line, "", Refusal("csv_bad", f"not CSV up to line {reader.line_num}: {error}")
            )
            continue
        if row is None:
            return
        if not row:
            continue
        if len(row) != len(header):
            reason = f"{len(row)} columns where the first line has {len(header)}"
            intake.unreadable(first_line, dict(zip(header, row, strict=False)).get("order_id", ""), reason)
            continue
        intake.take(first_line, dict(zip(header, row, strict=True)))


class _Intake:
    """Writes lines into the spool and finds what only several lines together show."""

    def __init__(self, spool: sqlite3.Connection) -> None:
        self._spool = spool
        self._pending = 0
        self._order: tuple[str, int, OrderLine | None] = ("", 0, None)
        spool.execute("BEGIN")

    def take(self, line: int, row: dict[str, str]) -> None:
        """Spool one row of the file, or refuse it."""
        self._pending += 1
        if self._pending % COMMIT_EVERY_LINES == 0:
            self._spool.execute("COMMIT")
            self._spool.execute("BEGIN")
        order_id = row["order_id"].strip()
        try:
            self._keep(line, row, read_line(row))
        except Refusal as refusal:
            self.refuse(line, order_id, refusal)

    def unreadable(self, line: int, order_id: str, reason: str) -> None:
        """Refuse a row whose columns cannot be told apart."""
        self.refuse(line, order_id.strip(), Refusal("columns_bad", reason))

    def refuse(self, line: int, order_id: str, refusal: Refusal) -> None:
        """Report a line; when it spoils its order, remember which line did."""
        self._spool.execute(
            "INSERT INTO refused VALUES (?, ?, ?, ?)",
            (line, _printable(order_id), refusal.code, refusal.reason),
        )
        if refusal.spoils and order_id:
            self._spool.execute(
                "INSERT INTO orders (order_id, spoilt_by) VALUES (?, ?) ON CONFLICT (order_id)"
                " DO UPDATE SET spoilt_by = coalesce(spoilt_by, excluded.spoilt_by)",
                (_printable(order_id), line),
            )

    def finish(self) -> None:
        """Report the good lines of spoilt orders and orders above the largest amount."""
        self._spool.execute(SUM_UP)
        self._spool.execute(REFUSE_TOO_LARGE, {"maximum": AMOUNT_MAX})
        self._spool.execute(SPOIL_TOO_LARGE, {"maximum": AMOUNT_MAX})
        self._spool.execute(REFUSE_SPOILT)
        self._spool.execute("COMMIT")

    def _keep(self, line: int, row: dict[str, str], item: OrderLine) -> None:
        seq = self._sequence(item)
        content = _digest({name: row[name].strip() for name in COLUMNS if name != "line_no"})
        same_number = self._spool.execute(
            "SELECT line, content FROM lines WHERE seq = ? AND line_no = ?", (seq, item.line_no)
        ).fetchone()
        if same_number and same_number[1] == content:
            raise Refusal("duplicate", f"the same as line {same_number[0]}", spoils=False)
        if same_number:
            raise Refusal(
                "line_no_reused", f"line_no {item.line_no} says something else on line {same_number[0]}"
            )
        self._note_twin(line, seq, content, item)
        self._spool.execute(
            "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (line, seq, item.line_no, content, item.vendor_id, item.sku, item.description, item.amount_minor),
        )
        self._spool.execute(
            "INSERT OR IGNORE INTO vendors VALUES (?, ?, ?)",
            (item.vendor_id, item.vendor_name, item.category),
        )

    def _note_twin(self, line: int, seq: int, content: str, item: OrderLine) -> None:
        twin = self._spool.execute(
            "SELECT line FROM lines WHERE seq = ? AND content = ? LIMIT 1", (seq, content)
        ).fetchone()
        if twin:
            reason = f"like line {twin[0]} but with its own line_no: both are paid"
            self._spool.execute("INSERT INTO noted VALUES (?, ?, 'twin', ?)", (line, item.order_id, reason))

    def _sequence(self, item: OrderLine) -> int:
        """Return the order's place, making it with its first line.

        :raises Refusal: the order's customer, date or currency differ from its earlier lines.
        """
        known_id, seq, first = self._order
        if known_id != item.order_id or first is None:
            seq, first = self._find_or_make(item)
            self._order = (item.order_id, seq, first)
        for name in ("customer_id", "currency", "ordered_on"):
            if getattr(first, name) != getattr(item, name):
                raise Refusal("order_disagrees", f"{name} differs from the order's other lines")
        return seq

    def _find_or_make(self, item: OrderLine) -> tuple[int, OrderLine]:
        row = self._spool.execute(
            "SELECT seq, ordered_on, customer, currency FROM orders WHERE order_id = ?", (item.order_id,)
        ).fetchone()
        if row and row[1] is not None:
            return row[0], replace(item, ordered_on=row[1], customer_id=row[2], currency=row[3])
        values = (item.ordered_on, item.customer_id, item.country, item.currency)
        if row:
            self._spool.execute(
                "UPDATE orders SET ordered_on = ?, customer = ?, country = ?, currency = ? WHERE seq = ?",
                (*values, row[0]),
            )
            return row[0], item
        made = self._spool.execute(
            "INSERT INTO orders (ordered_on, customer, country, currency, order_id) VALUES (?, ?, ?, ?, ?)",
            (*values, item.order_id),
        )
        return int(made.lastrowid or 0), item


def _digest(content: dict[str, str]) -> str:
    packed = json.dumps(content, sort_keys=True).encode()
    return hashlib.blake2b(packed, digest_size=16).hexdigest()


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")[:100]
