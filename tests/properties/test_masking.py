"""Whatever is recorded, and however deep: no card number and no secret is in it, and nothing else is lost."""

import json
import string

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ledger.card_numbers import find_card_number, is_luhn_valid
from ledger.masking import MASK, is_masked_name, mask, mask_text

unhurried = settings(suppress_health_check=[HealthCheck.too_slow])
PREFIXES = ["4", "51", "34", "6011", "35", "2221", "62"]


@st.composite
def card_numbers(draw) -> str:
    """A number that a network could give out, written in one of the ways people write it."""
    digits = draw(st.sampled_from(PREFIXES))
    length = draw(st.integers(13, 19))
    missing = length - len(digits) - 1
    digits += draw(st.text(string.digits, min_size=missing, max_size=missing))
    digits += next(d for d in string.digits if is_luhn_valid(digits + d))
    gap = draw(st.sampled_from(["", " ", "-", "\u00a0"]))
    return gap.join(digits[n : n + 4] for n in range(0, len(digits), 4))


secrets = st.one_of(
    st.from_regex(r"(sk|rk|pk)_(live|test)_[A-Za-z0-9]{12}_[A-Za-z0-9]{20,43}", fullmatch=True),
    st.from_regex(r"whsec_[A-Za-z0-9+/]{16,40}", fullmatch=True),
    st.from_regex(r"vp_(live|test)_[A-Za-z0-9]{8,20}", fullmatch=True),
)
words = st.text(st.characters(categories=["L", "P", "Z"]), max_size=12)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**11), 10**11) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def hidden_somewhere(draw, what) -> tuple[str, object]:
    """A value, and a structure that holds it at some depth, among other things."""
    value = draw(what)
    holder: object = value
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            holder = [draw(plain), holder, draw(plain)]
        else:
            name = draw(st.sampled_from(["note", "reason", "reference", "metadata", "description", "x"]))
            holder = {name: holder, "more": draw(plain)}
    return value, holder


@unhurried
@given(hidden_somewhere(card_numbers()))
@example(("4242424242424242", {"reference": {"x": ["4242424242424242"]}}))
def test_no_card_number_is_left_at_any_depth(case):
    value, holder = case
    text = json.dumps(mask(holder), ensure_ascii=False)
    assert value not in text


@unhurried
@given(hidden_somewhere(secrets))
def test_no_secret_is_left_at_any_depth(case):
    value, holder = case
    assert value not in json.dumps(mask(holder), ensure_ascii=False)


@given(words, card_numbers(), words)
def test_no_card_number_is_left_inside_a_sentence(before, number, after):
    masked = mask_text(f"{before} {number} {after}")
    assert number not in masked
    assert not find_card_number(masked)


@given(words, secrets, words)
def test_no_secret_is_left_inside_a_sentence(before, secret, after):
    assert secret not in mask_text(f"{before} {secret} {after}")


@given(plain)
def test_a_mask_is_plain_json_and_masking_again_changes_nothing(value):
    once = mask(value)
    text = json.dumps(once, ensure_ascii=False)
    assert "\x00" not in text.replace("\\u0000", "\x00")
    assert mask(once) == once


@given(
    st.dictionaries(st.sampled_from(["state", "amount_minor", "name", "days"]), st.integers(0, 10**9) | words)
)
def test_what_is_harmless_is_kept_as_it_is(value):
    assert mask(value) == value


@given(st.integers(0, 10**19))
def test_numbers_that_look_like_cards_are_masked_and_others_kept(number):
    assert mask(number) == (MASK if find_card_number(str(number)) else number)


def test_names_are_known_in_every_spelling():
    named = [
        "cardNumber",
        "card-number",
        "CARD_NUMBER",
        "client_secret",
        "X-Token",
        "newPassword",
        "cvv2",
        "iban",
    ]
    assert [name for name in named if not is_masked_name(name)] == []
    harmless = [
        "payment_number",
        "state",
        "panel",
        "pinned",
        "tokenised",
        "secretary",
        "company",
        "api_key_id",
    ]
    assert [name for name in harmless if is_masked_name(name)] == []


def test_uuids_ibans_and_instants_are_no_card_numbers():
    kept = [
        "0192f3c4-4242-7424-8242-424242424242",
        "2026-11-21T11:20:23.123456+00:00",
        "DE89 3704 0044 0532 0130 00",
    ]
    assert [mask_text(text) for text in kept] == kept
