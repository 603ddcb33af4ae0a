"""What people are shown of a provider's message: all of it but what signs, opens or pays."""

import json

import pytest

from ledger.masking import MASK
from payments.rules import shown_messages
from tests.kit import cards

IBAN = "DE89370400440532013000"


def test_a_body_is_shown_without_numbers_and_secrets():
    number = cards.number()
    body = {
        "id": "evt_1", "amount": 1999, "data": {"object": {"client_secret": "pi_1_secret_abc", "cvc": "123"}},
        "notificationItems": [{"additionalData": {"hmacSignature": "abc=", "cardNumber": number}}],
        "note": f"paid with {number} from {IBAN}", "last4": "4242",
    }  # fmt: skip
    shown = shown_messages.payload(json.dumps(body).encode())
    told = json.loads(shown)
    for hidden in (number, number[:12], "pi_1_secret_abc", "abc=", IBAN, '"123"'):
        assert hidden not in shown
    assert (told["id"], told["amount"], told["last4"]) == ("evt_1", 1999, "4242")
    assert told["notificationItems"][0]["additionalData"]["hmacSignature"] == MASK


@pytest.mark.parametrize("body", [None, b"", b"\xff\x00{", b"[" * 60_000, b"key=sk_live_abcdefgh12345678"])
def test_any_body_is_shown(body):
    shown = shown_messages.payload(body)
    assert "sk_live_abcdefgh" not in shown
    assert "\x00" not in shown


def test_of_its_headers_no_signature_is_shown():
    number = cards.number()
    given = {
        "stripe-signature": "t=1,v1=ab", "webhook-signature": "v1,ab", "Paypal-Transmission-Sig": "ab",
        "authorization": "Bearer x", "user-agent": f"shop {number}", "webhook-id": "evt_1",
    }  # fmt: skip
    shown = shown_messages.headers(given)
    assert [shown[name] for name in list(given)[:4]] == [MASK] * 4
    assert number not in shown["user-agent"]
    assert shown["webhook-id"] == "evt_1"
