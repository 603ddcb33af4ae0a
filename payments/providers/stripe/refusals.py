"""A no of Stripe's in our words: the reason, and what the card's network advises. Pure and total.

An error of a card carries beside Stripe's word the network's own: `network_decline_code` (the response code,
ISO 8583 field 39), `network_advice_code` (two digits) and `advice_code` (Stripe's reading of both). The
network's advice is read for Mastercard alone: other schemes number theirs otherwise (Visa's 03 is "check the
details", Mastercard's "do not try again"; Cybersource, "merchantAdvice.code"). Of any scheme Stripe's
`do_not_try_again` forbids another try.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from payments.providers.declines import decline
from payments.providers.outcomes import ADVICE_CODE, Declined
from payments.providers.stripe import declines

NETWORK_CODE: Final = "network_decline_code"
FORBIDDEN: Final = "do_not_try_again"
NEVER: Final = "03"  # Mastercard's code for the same, by which the schemes' limits know it

# What networks answer, where Stripe has only its generic word (docs.stripe.com/declines/network-codes).
NETWORK_CODES: Final = {
    "04": "pickup_card",
    "07": "pickup_card",
    "14": "invalid_number",
    "15": "no_such_issuer",
    "41": "lost_card",
    "43": "stolen_card",
    "46": "no_such_account",
    "51": "insufficient_funds",
    "54": "expired_card",
    "57": "not_permitted_cardholder",
    "61": "limit_exceeded",
    "62": "restricted_card",
    "91": "issuer_unavailable",
    "96": "system_malfunction",
    "R0": "stop_payment",
    "R1": "authorization_revoked",
    "R3": "authorization_revoked",
}
GENERIC: Final = frozenset({"", "card_declined", "generic_decline"})
_NETWORK_CODE = re.compile(r"[0-9A-Z]{1,4}")
_ADVICE = re.compile(r"[0-9]{2}")

Body = Mapping[str, Any]


def no(code: str, reference: str | None, told: Mapping[str, str] | None = None) -> Declined:
    """A no by Stripe's word for it."""
    return _declined(declines.canonical(code), code, reference, told or {})


def of_card(error: Body, reference: str | None) -> Declined:
    """The no that an error of a card is: in an answer with status 402, or an intent's last error."""
    code = _text(error, "decline_code") or _text(error, "code")
    network_code = _text(error, NETWORK_CODE)
    told = {NETWORK_CODE: network_code} if _NETWORK_CODE.fullmatch(network_code) else {}
    advice = _advice(error)
    told |= {ADVICE_CODE: advice} if advice else {}
    if code in GENERIC and network_code in NETWORK_CODES:
        return _declined(NETWORK_CODES[network_code], code, reference, told)
    return no(code, reference, told)


def _declined(canonical: str, code: str, reference: str | None, told: Mapping[str, str]) -> Declined:
    row = decline(canonical)
    return Declined(row.code, row.advice, reference, row.is_hard, {"provider_code": code[:64], **told})


def _advice(error: Body) -> str:
    advice = _text(error, "network_advice_code")
    if _brand(error) == "mastercard" and _ADVICE.fullmatch(advice):
        return advice
    return NEVER if _text(error, "advice_code") == FORBIDDEN else ""


def _brand(error: Body) -> str:
    method = error.get("payment_method")
    card = method.get("card") if isinstance(method, dict) else None
    return _text(card, "brand") if isinstance(card, dict) else ""


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    return value[:500] if isinstance(value, str) else ""
