"""Known rows are read again as soon as their version is another, and never otherwise."""

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
    assert known.recall({"a": 1, "b": 1}, table.load) == {"a": 1, "b": 2}
    table.rows["b"] = 20
    assert known.recall({"a": 1, "b": 2, "c": 1}, table.load) == {"a": 1, "b": 20, "c": 3}
    assert known.recall({"b": 2}, table.load) == {"b": 20}
    assert table.read == ["a", "b", "b", "c"]


def test_a_row_that_is_gone_is_left_out_and_asked_for_again():
    table, known = Table(), KnownRows[str, int](10)
    assert known.recall({"a": 1, "gone": 1}, table.load) == {"a": 1}
    known.recall({"gone": 1}, table.load)
    assert table.read == ["a", "gone", "gone"]


def test_only_so_many_are_kept():
    table, known = Table(), KnownRows[str, int](2)
    for key in ("a", "b", "c", "b", "a"):
        known.recall({key: 1}, table.load)
    assert table.read == ["a", "b", "c", "a"]
