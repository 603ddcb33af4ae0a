"""Identifiers go out and come back the same, sort by time, and a wrong one is simply not found."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import ids


@given(st.uuids())
def test_a_key_survives_being_shown(key):
    assert ids.parse("pay", ids.show("pay", key)) == key


@given(st.lists(st.uuids(), min_size=2, max_size=20))
def test_the_shown_form_sorts_as_the_key_does(keys):
    assert sorted(keys) == [ids.parse("pay", text) for text in sorted(ids.show("pay", key) for key in keys)]


@given(st.one_of(st.text(max_size=40), st.integers(), st.none(), st.lists(st.text())))
def test_a_text_that_is_no_id_is_not_found(text):
    with pytest.raises(ids.BadId):
        ids.parse("pay", text)


def test_another_prefix_or_too_large_a_value_is_not_found():
    shown = ids.show("pay", uuid.uuid4())
    for text in (shown.replace("pay_", "ref_"), "pay_" + "z" * 26, shown.upper(), shown + "0"):
        with pytest.raises(ids.BadId):
            ids.parse("pay", text)


def test_a_key_made_of_another_is_of_its_moment_and_always_the_same():
    key, other = ids.uuid7(), ids.uuid7()
    made = [ids.uuid7_of(one, name) for one in (key, other) for name in ("payment", "refund")]
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    assert [ids.moment(one) for one in made] == [ids.moment(key)] * 2 + [ids.moment(other)] * 2
    assert len({*made, key, other}) == 6
    assert ids.uuid7_of(key, "payment") == made[0]


def test_new_keys_are_version_7_and_distinct():
    keys = [ids.uuid7() for _ in range(1000)]
    assert {key.version for key in keys} == {7}
    assert {key.variant for key in keys} == {uuid.RFC_4122}
    assert len(set(keys)) == 1000
