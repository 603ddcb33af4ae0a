import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import APIException

from vendors.api import strict_json
from vendors.api.strict_json import BODY_BYTES_MAX, DEPTH_MAX, parse

WIDE = {ord("0") + digit: 0xFF10 + digit for digit in range(10)}  # the full-width digits of Unicode


def refusal(raw):
    with pytest.raises(APIException) as caught:
        parse(raw)
    return caught.value.status_code, caught.value.get_codes()


class TestParse:
    def test_returns_the_object(self):
        raw = '{"a": [1, -2.5, true, null, "Zoë 🙂 \\u00e9"], "b": {}}'.encode()
        assert parse(raw) == {"a": [1, -2.5, True, None, "Zoë 🙂 é"], "b": {}}

    @pytest.mark.parametrize(
        "raw",
        [b"", b" ", b"{", b"{}x", b"{} {}", b"{'a': 1}", b'{"a": 01}', b'{"a": 1,}', b"// {}", b'{"a": .5}',
         b'{"a": +1}', b'{"a":\t"\t"}', b'{"a": "\x01"}', b"{\"a\": 1" + b"}" * 3, b'{"a": tru}'],
    )  # fmt: skip
    def test_refuses_what_is_not_json(self, raw):
        assert refusal(raw) == (400, "json_malformed")

    @pytest.mark.parametrize("raw", [b"[]", b"1", b'"x"', b"null", b"true", b"[{}]"])
    def test_refuses_what_is_not_an_object(self, raw):
        assert refusal(raw) == (400, "json_not_an_object")

    @pytest.mark.parametrize(
        "raw",
        [
            b"\xef\xbb\xbf{}",
            '{"a": 1}'.encode("utf-16"),
            '{"a": "é"}'.encode("latin-1"),
            b'{"a": "\xed\xa0\x80"}',
            b'{"a": "\xc0\x80"}',
            b'{"a": "\xff"}',
        ],
    )
    def test_refuses_other_encodings_than_utf_8(self, raw):
        assert refusal(raw) == (400, "json_encoding")

    def test_refuses_utf_16_without_a_mark(self):
        assert refusal('{"a": 1}'.encode("utf-16-le"))[0] == 400

    @pytest.mark.parametrize(
        "raw", [b'{"a": 1, "a": 1}', b'{"x": {"a": 1, "\\u0061": 2}}', b'{"x": [{"a": 1, "a": 2}]}']
    )
    def test_refuses_a_key_twice(self, raw):
        assert refusal(raw) == (400, "json_duplicate_key")

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
    def test_refuses_numbers_that_are_none(self, number):
        assert refusal(f'{{"a": {number}}}'.encode()) == (400, "json_number")

    def test_refuses_an_integer_beyond_pythons_digits(self):
        assert refusal(b'{"a": ' + b"1" * 4301 + b"}") == (400, "json_malformed")

    @pytest.mark.parametrize(
        "raw",
        [b'{"a": "x\\u0000"}', b'{"\\u0000": 1}', b'{"a": "\\ud800"}', b'{"a": ["\\udc00\\ud800"]}'],
    )
    def test_refuses_text_that_postgresql_cannot_keep(self, raw):
        assert refusal(raw) == (400, "json_text")

    def test_takes_a_pair_of_surrogates(self):
        assert parse(b'{"a": "\\ud83d\\ude42"}') == {"a": "🙂"}

    @pytest.mark.parametrize("opening", [b"[", b'{"a":'])
    def test_refuses_nesting_beyond_the_limit(self, opening):
        closing = b"]" if opening == b"[" else b"}"

        def nested(depth):
            return b'{"x":' + opening * (depth - 1) + b"1" * (opening != b"[") + closing * (depth - 1) + b"}"

        assert parse(nested(DEPTH_MAX))
        assert refusal(nested(DEPTH_MAX + 1)) == (400, "json_too_deep")
        assert refusal(nested(40_000))[0] == 400

    def test_refuses_text_at_the_deepest_level_too(self):
        raw = b'{"x":' + b"[" * (DEPTH_MAX - 1) + b'"\\u0000"' + b"]" * (DEPTH_MAX - 1) + b"}"
        assert refusal(raw) == (400, "json_text")

    def test_refuses_unclosed_depth_without_an_end(self):
        assert refusal(b'{"a":' + b"[" * 100_000)[0] == 400

    def test_refuses_a_body_that_is_too_large(self):
        filler = b"x" * (BODY_BYTES_MAX - len(b'{"a":""}'))
        assert parse(b'{"a":"' + filler + b'"}')
        assert refusal(b'{"a":"' + filler + b'x"}') == (413, "body_too_large")

    @pytest.mark.parametrize(
        "text",
        [
            "4242424242424242",
            "my card is 4242 4242 4242 4242, thanks",
            "4000-0566-5566-5556",
            "378282246310005",
            "x 3782 822463 10005",
            "cc4242424242424242",
            "PAN:4222222222222",
            "6011 1111 1111 1117",
            "4242\u00a04242\u00a04242\u00a04242",
            "4242424242424242".translate(WIDE),
            "12 4242 4242 4242 4242 99",
        ],
    )
    def test_refuses_a_card_number_anywhere(self, text):
        for body in ({"note": text}, {"metadata": {text[:40]: "x"}}, {"a": [{"b": [text]}]}):
            assert refusal(json.dumps(body).encode()) == (400, "card_number_not_accepted")

    def test_refuses_a_card_number_written_as_a_number(self):
        assert refusal(b'{"amount": 4242424242424242}') == (400, "card_number_not_accepted")
        assert refusal(b'{"a": 4242424242424242.0}') == (400, "card_number_not_accepted")

    @pytest.mark.parametrize(
        "text",
        [
            "4242424242424241",  # not Luhn-valid
            "1732176000123",  # a time in milliseconds
            "2026112100000007",  # a date with a counter
            "424242424242",  # too short
            "42424242424242424242",  # too long
            "DE89 3704 0044 0532 0130 00",
            "BE68539007547034",
            "0190e4a2-4242-4242-8242-424242424242",
            "vpt_9f86d081884c7d659a2feaa0c55ad015",
            "pay_01kah4242424242424242424yz",
            "+49 30 1234567",
        ],
    )
    def test_lets_other_numbers_pass(self, text):
        assert parse(json.dumps({"note": text}).encode()) == {"note": text}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=25,
)


def parsed(raw):
    """Return the object, or the status of the refusal; anything else goes up."""
    try:
        return parse(raw)
    except APIException as refused:
        return refused.status_code


class TestProperties:
    @given(
        st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode(errors="surrogatepass"))
    )
    def test_any_bytes_are_an_object_or_a_refusal(self, raw):
        found = parsed(raw)
        assert isinstance(found, dict) or found in (400, 413)

    @given(JSON)
    def test_any_json_is_itself_or_a_refusal(self, value):
        assert parsed(json.dumps(value).encode()) in (value, 400)

    @given(st.integers(1, 60))
    def test_depth_is_counted_exactly(self, depth):
        raw = b'{"a":' * depth + b"1" + b"}" * depth
        if depth <= DEPTH_MAX:
            assert parse(raw)
        else:
            assert refusal(raw) == (400, "json_too_deep")

    def test_the_limits_are_those_of_the_design(self):
        assert (strict_json.BODY_BYTES_MAX, strict_json.DEPTH_MAX) == (262_144, 32)
