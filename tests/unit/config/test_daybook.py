"""The day book: aligned columns, exact decimals of each currency, kept whole or not at all."""

from pathlib import Path

from config.day.books import Books, Figures
from config.day.daybook import Daybook, Shelf


def some_book() -> Daybook:
    usd = Figures(orders=2, gross=123_456_789, refunded=5, paid_out=1_000, pending=-250)
    books = Books({"USD": usd, "KWD": Figures(orders=1, gross=1_234)}, {"ada": {"USD": usd}})
    return Daybook("run-1", "day 1", "2026-01-05").with_figures(books, {"ada": "Ada's Books"})


def test_amounts_are_written_in_their_currency():
    text = "\n".join(some_book().lines())
    assert "1,234,567.89" in text
    assert "1.234" in text
    assert "-2.50" in text
    assert "0.05" in text
    assert "Ada's Books" in text


def test_columns_are_aligned():
    lines = some_book().lines()
    currencies = lines[2:5]
    assert [line.split()[0] for line in currencies] == ["currency", "KWD", "USD"]
    assert len({len(line) for line in currencies}) == 1


def test_a_book_comes_back_as_it_was_kept(tmp_path: Path):
    shelf, book = Shelf(tmp_path / "books"), some_book()
    assert shelf.find("run-1") is None
    shelf.keep(book)
    assert shelf.find("run-1") == book
    assert shelf.last_date() == "2026-01-05"


def test_a_file_that_is_no_book_is_no_book(tmp_path: Path):
    (tmp_path / "run-1.json").write_text('{"half": ')
    (tmp_path / "run-2.json").write_text('{"format": 99}')
    shelf = Shelf(tmp_path)
    assert shelf.find("run-1") is None
    assert shelf.find("run-2") is None
    assert shelf.last_date() == ""
