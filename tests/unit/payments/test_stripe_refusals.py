"""What Stripe's errors of cards say: the reason, the network's own, and its advice on another try."""

from typing import Any

import pytest

from payments.providers.declines import DECLINES
from payments.providers.stripe import mapping, refusals
from payments.providers.stripe.mapping import Expected

MASTERCARD = {"card": {"brand": "mastercard"}}
VISA = {"card": {"brand": "visa"}}


def error(**changes: Any) -> dict[str, Any]:
    return {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds", **changes}


class TestAdvice:
    @pytest.mark.parametrize(
        ("told", "kept"),
        [
            ({"payment_method": MASTERCARD, "network_advice_code": "26"}, "26"),
            ({"payment_method": MASTERCARD, "network_advice_code": "03"}, "03"),
            ({"payment_method": VISA, "network_advice_code": "03"}, None),
            ({"payment_method": VISA, "advice_code": "do_not_try_again"}, "03"),
            ({"advice_code": "do_not_try_again"}, "03"),
            ({"advice_code": "try_again_later"}, None),
            ({"payment_method": MASTERCARD, "network_advice_code": "soon"}, None),
            ({"payment_method": MASTERCARD, "network_advice_code": 26}, None),
            ({"payment_method": "pm_1", "network_advice_code": "26"}, None),
        ],
    )
    def test_is_read_where_its_numbers_are_known(self, told, kept):
        assert refusals.of_card(error(**told), None).details.get("advice_code") == kept

    def test_comes_with_the_answer_and_with_what_find_reads(self):
        told = error(payment_method=MASTERCARD, network_advice_code="26", network_decline_code="51")
        expected = Expected("op_1", None, "authorize")
        at_once = mapping.outcome(402, {"error": told}, expected)
        intent = {
            "id": "pi_1", "object": "payment_intent", "status": "requires_payment_method", "currency": "usd",
            "metadata": {"operation": "op_1"}, "amount": 5, "amount_received": 0, "amount_capturable": 0,
            "capture_method": "manual", "last_payment_error": told,
        }  # fmt: skip
        later = mapping.described(intent, expected)
        kept = {"provider_code": "insufficient_funds", "network_decline_code": "51", "advice_code": "26"}
        assert at_once.details == later.details == kept


class TestTheNetworksCode:
    @pytest.mark.parametrize(("code", "ours"), sorted(refusals.NETWORK_CODES.items()))
    def test_says_what_stripes_generic_word_does_not(self, code, ours):
        told = error(decline_code="generic_decline", network_decline_code=code)
        assert refusals.of_card(told, None).code == ours
        assert ours in DECLINES

    def test_never_goes_before_stripes_own_word(self):
        found = refusals.of_card(error(network_decline_code="43"), None)
        assert (found.code, found.details["network_decline_code"]) == ("insufficient_funds", "43")

    def test_that_is_unknown_stays_the_generic_no(self):
        found = refusals.of_card(error(decline_code="generic_decline", network_decline_code="05"), None)
        assert found.code == "do_not_honor"


ODD = [None, 7, "", "x" * 9_000, ["26"], {}, {"card": None}, {"card": "visa"}, {"card": {"brand": 3}}]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "name", ["code", "decline_code", "network_decline_code", "network_advice_code", "advice_code",
             "payment_method"],
)  # fmt: skip
def test_nothing_others_may_send_breaks_it(name, odd):
    found = refusals.of_card(error(**{name: odd}), "pi_1")
    assert found.code in DECLINES
    assert all(len(text) <= 64 for text in found.details.values())
