"""What is signed is the same text, whichever library writes it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.events import canonical

texts = st.text() | st.sampled_from(['\x00\x1f\x7f"\\/\b\f\n\r\t', "é\u2028😀", "z\ue000", "z😀"])
simple = st.none() | st.booleans() | st.integers() | texts | st.floats()
documents = st.dictionaries(
    texts,
    st.recursive(simple, lambda of: st.lists(of, max_size=4) | st.dictionaries(texts, of, max_size=4)),
    max_size=6,
)


def slowly(content):
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@given(documents)
def test_whatever_a_payload_holds(payload):
    content = {"id": "1", "payload": payload, "changes": None}
    assert canonical(content, payload) == slowly(content)


@pytest.mark.parametrize("number", [2**53, 2**63, 2**64, -(2**63) - 1, 1e16, 1e-7, 0.1, float("inf")])
def test_numbers_that_the_libraries_write_differently(number):
    payload = {"n": [{"n": number}]}
    assert canonical({"payload": payload}, payload) == slowly({"payload": payload})


def test_half_a_character_is_refused():
    with pytest.raises(UnicodeEncodeError):
        canonical({"payload": {"t": "\ud800"}}, {"t": "\ud800"})


@pytest.mark.parametrize("value", [b"bytes", {1: "a"}.keys(), object()])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(TypeError):
        canonical({"payload": {"v": value}}, {"v": value})
