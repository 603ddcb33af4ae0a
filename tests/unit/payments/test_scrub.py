"""What may be logged or kept: no card number, IBAN or secret, however it is packed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.providers.transport import scrub
from payments.simulator import scenarios


class TestScrub:
    @pytest.mark.parametrize("card", [card.number for card in scenarios.CARDS])
    def test_hides_card_numbers_wherever_they_stand(self, card):
        spaced = " ".join(card[place : place + 4] for place in range(0, len(card), 4))
        value = {"note": f"paid with {card}", "deep": [{"x": (spaced, int(card))}], "raw": card.encode()}
        shown = json.dumps(scrub(value))
        assert card not in shown
        assert spaced not in shown
        assert card[-4:] in shown

    @pytest.mark.parametrize(
        "name", ["number", "cvc", "card_number", "Authorization_Header", "api_key", "secret"]
    )
    def test_hides_secrets_by_name(self, name):
        assert scrub({name: "1234"}) == {name: "[scrubbed]"}

    def test_hides_ibans(self):
        assert scrub("to DE89 3704 0044 0532 0130 00 today") == "to [iban] today"
        assert scrub("DE89370400440532013000") == "[iban]"

    @pytest.mark.parametrize(
        "plain", ["pay_01h455vb4pex5vsknk084sn02q", "1999", "4242424242424241", 1999, None, True]
    )
    def test_leaves_the_rest(self, plain):
        assert scrub(plain) == plain

    def test_ends_on_deep_values(self):
        value: list[object] = []
        for _ in range(10_000):
            value = [value]
        assert "too deep" in json.dumps(scrub(value))

    @given(
        st.recursive(
            st.text() | st.integers() | st.none(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        )
    )
    def test_never_breaks(self, value):
        scrub(value)
