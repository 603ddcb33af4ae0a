"""Known rows are read again as soon as their version is another, and never otherwise."""

from django.db import connection
from django.db.backends.signals import connection_created

from ledger.known_rows import KnownRows


class Table:
    """Rows that count how often each is read."""

    def __init__(self) -> None:
        self.rows = {"a": 1, "b": 2, "c": 3}
        self.read: list[str] = []

    def load(self, keys: list[str]) -> dict[str, int]:
        """Return the rows that are there."""
        self.read += keys
        return {key: self.rows[key] for key in keys if key in self.rows}


def test_a_row_is_read_once_for_each_version():
    table, known = Table(), KnownRows[str, int](10)
    assert known.recall({"a": 1, "b": 1}, table.load, known.era) == {"a": 1, "b": 2}
    table.rows["b"] = 20
    assert known.recall({"a": 1, "b": 2, "c": 1}, table.load, known.era) == {"a": 1, "b": 20, "c": 3}
    assert known.recall({"b": 2}, table.load, known.era) == {"b": 20}
    assert table.read == ["a", "b", "b", "c"]


def test_a_row_that_is_gone_is_left_out_and_asked_for_again():
    table, known = Table(), KnownRows[str, int](10)
    assert known.recall({"a": 1, "gone": 1}, table.load, known.era) == {"a": 1}
    known.recall({"gone": 1}, table.load, known.era)
    assert table.read == ["a", "gone", "gone"]


def test_only_so_many_are_kept():
    table, known = Table(), KnownRows[str, int](2)
    for key in ("a", "b", "c", "b", "a"):
        known.recall({key: 1}, table.load, known.era)
    assert table.read == ["a", "b", "c", "a"]


def test_all_is_forgotten_with_each_new_connection():
    """A server that took over may give ids of lost transactions out anew: the same version, another row."""
    table, known = Table(), KnownRows[str, int](10)
    known.recall({"a": 1}, table.load, known.era)
    table.rows["a"] = 7
    connection_created.send(sender=type(connection), connection=connection)
    assert known.recall({"a": 1}, table.load, known.era) == {"a": 7}


def test_what_was_asked_of_the_old_server_is_neither_kept_nor_taken():
    table, known = Table(), KnownRows[str, int](10)
    era = known.era
    connection_created.send(sender=type(connection), connection=connection)
    assert known.recall({"a": 1}, table.load, era) == {"a": 1}
    assert "a" not in known
    table.rows["a"] = 7
    known.recall({"a": 1}, table.load, known.era)
    table.rows["a"] = 8
    assert known.recall({"a": 1}, table.load, era) == {"a": 8}
