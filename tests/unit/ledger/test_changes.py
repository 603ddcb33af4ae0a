"""What an event says of a row comes back as it was, for every kind of value that a column holds."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import models
from hypothesis import given
from hypothesis import strategies as st

from ledger import changes

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | TEXT
    | st.uuids()
    | st.binary(max_size=20)
    | st.dates()
    | st.datetimes(timezones=st.just(UTC))
    | st.decimals(allow_nan=False, allow_infinity=False)
)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def stored(said):
    """Return what JSONB gives back for what was written."""
    return json.loads(json.dumps(said))


@given(PLAIN)
def test_a_value_comes_back_as_it_was(value):
    said = stored(changes.encode(value))
    assert changes.decode(said) == value
    assert type(changes.decode(said)) is type(value)
    assert changes.agree(said, value)


@given(JSON)
def test_json_comes_back_as_it_was(value):
    said = stored(changes.encode(value, is_json=True))
    assert changes.decode(said) == value
    assert changes.agree(said, value)


@pytest.mark.parametrize(
    ("told", "other"),
    [(1, True), (0, False), ("1", 1), (None, ""), (b"", None), (Decimal("1.0"), 1), (date.max, "9999")],
)
def test_values_of_two_kinds_never_agree(told, other):
    assert not changes.agree(changes.encode(told), other)
    assert not changes.agree(changes.encode(other), told)


def test_json_is_compared_by_what_it_says_and_not_by_its_spelling():
    said = changes.encode({"a": 1e22, "b": [1.0, True]}, is_json=True)
    assert changes.agree(said, {"b": [1, True], "a": 10**22})
    assert not changes.agree(said, {"b": [1, 1], "a": 10**22})


def test_an_instant_is_told_in_utc_to_the_microsecond():
    at = datetime(2026, 11, 21, 12, 0, 0, 7, timezone(timedelta(hours=5, minutes=30)))
    assert changes.encode(at) == {"at": "2026-11-21T06:30:00.000007+00:00"}


@pytest.mark.parametrize("value", [1.5, models.F("x"), object(), datetime(2026, 1, 1)])
def test_what_no_column_holds_is_refused(value):
    with pytest.raises(changes.Untellable):
        changes.encode(value)


class Card(models.Model):
    """A model that must hide what it holds."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    UNTOLD = frozenset({"iban"})
    iban = models.JSONField()
    note = models.CharField(max_length=20)

    class Meta:
        app_label = "kit"
        managed = False

    def __str__(self) -> str:
        return self.note


class Careless(models.Model):
    """A model whose column has a forbidden name."""

    secret = models.CharField(max_length=20)

    class Meta:
        app_label = "kit"
        managed = False

    def __str__(self) -> str:
        return ""


def test_of_a_hidden_column_only_a_fingerprint_is_told():
    row = Card(id=UUID(int=1), iban={"iban": "DE89370400440532013000"}, note="x")
    said = stored(changes.all_of(row))
    assert "DE89" not in json.dumps(said)
    assert said["note"] == "x"
    assert changes.agree(said["iban"], row.iban)
    assert not changes.agree(said["iban"], {"iban": "DE89370400440532013001"})
    with pytest.raises(changes.Untellable):
        changes.decode(said["iban"])


def test_a_column_with_a_forbidden_name_is_refused():
    with pytest.raises(changes.Untellable, match="secret"):
        changes.told(Careless)
