"""Rows as texts: what each kind of value reads as, and what is left to a document."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest

from ledger.row_texts import document_of, texts_of

KEY = UUID("018f0000-0000-7000-8000-00000000000a")


class Kind(StrEnum):
    SALE = "sale"


def alone(value, *, is_json=False):
    found = texts_of({"column": value}, (("column", is_json),))
    return None if found is None else found[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is: {}", "as it is: {}"), ("ünïcode", "ünïcode"), (Kind.SALE, "sale"), (-7, "-7"),
        (2**80, str(2**80)), (True, "True"), (KEY, KEY.hex), (date(2026, 3, 2), "2026-03-02"),
        (datetime(2026, 3, 2, 18, 0, 0, 5, UTC), "2026-03-02T18:00:00.000005+00:00"),
        (b"\x00\xff", "\\x00ff"), (memoryview(b"\x01"), "\\x01"), (Decimal("1.50"), "1.50"),
    ],
)  # fmt: skip
def test_each_kind_has_its_text(value, text):
    assert alone(value) == text


def test_a_column_of_json_holds_its_document_and_none_is_none():
    assert alone({"n": [1, "x"]}, is_json=True) == document_of({"n": [1, "x"]}) == '{"n":[1,"x"]}'
    assert alone("text", is_json=True) == '"text"'
    assert texts_of({"a": None, "b": None}, (("a", False), ("b", True))) == [None, None]


@pytest.mark.parametrize("value", [1.5, ["a"], {"a": 1}, "half \ud83d"], ids=str)
def test_what_has_no_text_is_left_to_the_document(value):
    assert texts_of({"column": value}, (("column", False),)) is None


def test_what_no_column_holds_is_refused():
    with pytest.raises(TypeError, match="object"):
        document_of([{"column": object()}])
    with pytest.raises(ValueError, match="time zone"):
        alone(datetime(2026, 3, 2, 18))
