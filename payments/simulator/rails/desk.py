"""The file desk: files taken once, and a payer whose bank day settles and returns (payers.py)."""

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import date

from payments.simulator.errors import Refused
from payments.simulator.payers import Settlement
from payments.simulator.rails import books, misbooking, reading, writing
from payments.simulator.rails.writing import Booking
from payments.simulator.storage import Storage

KEY_MAX = 64


class RailsDesk:
    """Files in and out over a storage of its own; one settlement line per rail and statement."""

    payer_name = "ACH and SEPA clearing"

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def take(self, rail: str, key: str, content: bytes) -> dict[str, object]:
        """Take a file under its name, once; the same again answers the same.

        :raises Refused: it is not understood, or the name was another file's.
        """
        if not 1 <= len(key) <= KEY_MAX:
            raise Refused(400, "file_unnamed", "A file has a name: Idempotency-Key")
        digest = hashlib.sha256(content).hexdigest()
        entries = reading.read(rail, content)
        with self._storage.writing() as connection:
            known = connection.execute("SELECT * FROM taken WHERE key = ?", (key,)).fetchone()
            if known is None:
                for entry in entries:
                    books.keep_entry(connection, rail, key, entry)
                connection.execute(
                    "INSERT INTO taken VALUES (?, ?, ?, ?, ?)",
                    (key, rail, digest, f"bk_{digest[:24]}", len(entries)),
                )
                known = connection.execute("SELECT * FROM taken WHERE key = ?", (key,)).fetchone()
        if known["digest"] != digest:
            raise Refused(409, "file_name_taken", "Another file has this name")
        return {"id": known["reference"], "entries": known["entries"]}

    def files(self, rail: str, after: int) -> list[dict[str, object]]:
        """The files that are laid out for the house, in their order."""
        with self._storage.reading() as connection:
            rows = connection.execute(
                "SELECT seq, id, format FROM outfile WHERE rail = ? AND seq > ? ORDER BY seq LIMIT 100",
                (rail, after),
            ).fetchall()
        return [dict(row) for row in rows]

    def file(self, rail: str, name: str) -> bytes:
        """One of them.

        :raises Refused: no such file.
        """
        with self._storage.reading() as connection:
            row = connection.execute(
                "SELECT content FROM outfile WHERE rail = ? AND id = ?", (rail, name)
            ).fetchone()
        if row is None:
            raise Refused(404, "file_not_found", "No such file")
        return bytes(row["content"])

    def script(self, end_to_end: str, code: str, kept: int = 0) -> None:
        """Let an entry come back with a code: instead of its settlement, or after it.

        Of a credit that was settled, the banks on the way keep `kept`: so much less comes back.

        :raises Refused: they cannot keep less than nothing.
        """
        if kept < 0:
            raise Refused(422, "bad_field", "kept is zero or more", param="kept")
        with self._storage.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO script VALUES (?, ?)", (end_to_end, code))
            connection.execute("DELETE FROM kept WHERE end_to_end = ?", (end_to_end,))
            if kept:
                connection.execute("INSERT INTO kept VALUES (?, ?)", (end_to_end, kept))

    def let_come(self, day: str) -> None:
        """Let a bank day come early, so that what is due by then settles with the next close of any day.

        :raises Refused: not an ISO date.
        """
        try:
            date.fromisoformat(day)
        except ValueError:
            raise Refused(422, "bad_date", "A date is YYYY-MM-DD", param="date") from None
        with self._storage.writing() as connection:
            books.let_come(connection, day)

    def misbook(self, end_to_end: str, fault: str) -> None:
        """Let the bank err once when it tells of an entry's booking.

        :raises Refused: there is no such fault.
        """
        if fault not in misbooking.FAULTS:
            raise Refused(400, "fault_unknown", f"A bank errs by: {', '.join(misbooking.FAULTS)}")
        with self._storage.writing() as connection:
            misbooking.script(connection, end_to_end, fault)

    def misbooked(self) -> dict[str, int]:
        """How often the bank erred, by fault."""
        with self._storage.reading() as connection:
            return misbooking.fired(connection)

    def entries(self) -> list[dict[str, object]]:
        """The truth: every entry that was taken, without its account's number."""
        with self._storage.reading() as connection:
            rows = connection.execute("SELECT * FROM entry ORDER BY seq").fetchall()
            kept = books.kept(connection)
        return [
            {**dict(row), "account": row["account"][-4:], "return_fee": _return_cost(row, kept)}
            for row in rows
        ]

    # --- as a payer -------------------------------------------------------------------------------------
    def unsettled(self) -> Sequence[str]:
        """The currencies in which entries wait, or come back."""
        with self._storage.reading() as connection:
            rows = connection.execute(
                "SELECT DISTINCT currency FROM entry WHERE returned_in IS NULL AND (settled_in IS NULL"
                " OR code <> '' OR end_to_end IN (SELECT end_to_end FROM script))"
            ).fetchall()
        return [row["currency"] for row in rows]

    def settle(self, currency: str, day: str, statement_id: str) -> Settlement | None:
        """Settle and return what is due, lay the files out, and say the net (see payers.Payer)."""
        rail = books.rail_of(currency)
        with self._storage.writing() as connection:
            row = connection.execute(
                "SELECT id, net FROM settlement WHERE statement_id = ? AND currency = ?",
                (statement_id, currency),
            ).fetchone()
            made = (row["id"], row["net"]) if row else _settle(connection, rail, currency, day, statement_id)
        if made is None:
            return None
        return Settlement(made[0], made[1], f"{rail.upper()} SETTLEMENT {made[0]}")


def _settle(
    connection: sqlite3.Connection, rail: str, currency: str, day: str, statement_id: str
) -> tuple[str, int] | None:
    """Book a day; nothing when it comes to zero."""
    # The last number ever given: names stay unlike after the desk was emptied.
    last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outfile'").fetchone()
    name = f"rs_{rail}_{day.replace('-', '')}_{(last[0] if last else 0) + 1}"
    bookings = _bookings(connection, rail, currency, day)
    net = sum(one.amount - one.fee for one in bookings)
    if not net:
        return None
    for one in bookings:
        column = "returned_in" if one.code else "settled_in"
        connection.execute(
            f"UPDATE entry SET {column} = ?, return_reference = ? WHERE seq = ?",  # noqa: S608 - two names
            (name, one.reference if one.code else None, one.row["seq"]),
        )
    back = [one for one in bookings if one.code]
    if back and rail == "ach":
        books.keep_file(connection, f"{name}_ret", rail, "nacha", writing.nacha_returns(day, back))
    rejected = [one for one in back if not one.amount]
    if rejected and rail != "ach":
        report = writing.pain_002(f"{name}_sts", day, rejected)
        books.keep_file(connection, f"{name}_sts", rail, "pain.002", report)
    told, again = misbooking.told(connection, bookings)
    content = writing.camt_054(name, day, currency, net, told)
    books.keep_file(connection, name, rail, "camt.054", content)
    if again:
        repeated = writing.camt_054(f"{name}_again", day, currency, net, again)
        books.keep_file(connection, f"{name}_again", rail, "camt.054", repeated)
    connection.execute("INSERT INTO settlement VALUES (?, ?, ?, ?)", (statement_id, currency, name, net))
    return name, net


def _bookings(connection: sqlite3.Connection, rail: str, currency: str, day: str) -> list[Booking]:
    """What is taken back of earlier days, then what is due: settled, or returned instead."""
    fee = books.RETURN_FEES.get(rail, 0)
    kept = books.kept(connection)
    found = [
        Booking(row, -_signed(row) - _kept_of(row, kept), _return_reference(row), row["because"], fee)
        for row in books.taken_back(connection, currency)
    ]
    scripts = dict(connection.execute("SELECT end_to_end, code FROM script").fetchall())
    for row in books.waiting(connection, currency, day):
        code = scripts.get(row["end_to_end"], row["code"])
        if code and code not in books.TAKEN_BACK:
            found.append(Booking(row, 0, _return_reference(row), code, fee))
        else:
            found.append(Booking(row, _signed(row), f"bk{row['seq']:013}"))
    return found


def _signed(row: sqlite3.Row) -> int:
    """What an entry brings to the one who handed it in."""
    return int(row["amount"] if row["direction"] == "debit" else -row["amount"])


def _kept_of(row: sqlite3.Row, kept: Mapping[str, int]) -> int:
    """What banks on the way keep of an entry that comes back after it was settled: of credits alone."""
    return kept.get(row["end_to_end"], 0) if row["direction"] == "credit" else 0


def _return_cost(row: sqlite3.Row, kept: Mapping[str, int]) -> int:
    """What a return cost altogether; nothing while the entry has not come back."""
    if not row["returned_in"]:
        return 0
    return books.RETURN_FEES.get(row["rail"], 0) + (_kept_of(row, kept) if row["settled_in"] else 0)


def _return_reference(row: sqlite3.Row) -> str:
    """The bank's own name of a return: for ACH a trace of the other bank's."""
    return f"{row['routing'][:8]}{row['seq'] % 10_000_000:07}" if row["routing"] else f"rt{row['seq']:013}"
