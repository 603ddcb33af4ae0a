"""Giving methods to VelocityPay for tokens of its own, and asking whether they are good: pure, both ways."""

from collections.abc import Mapping
from typing import Any

from django.views.decorators.debug import sensitive_variables

from payments.providers.errors import ProviderRefused, Unanswered
from payments.providers.requests import VerifyRequest
from payments.providers.velocitypay.mapping import is_reference


def verify_body(request: VerifyRequest) -> dict[str, object]:
    """The JSON of POST /v1/authorizations when nothing is to be reserved."""
    return {
        "amount": request.amount.minor,
        "currency": request.amount.currency,
        "token": request.token,
        "reference": request.reference,
        "purpose": "verification",
    }


@sensitive_variables()
def token_body(secret: Mapping[str, str], code: str) -> dict[str, object]:
    """The JSON of POST /v1/tokens.

    :raises ProviderRefused: VelocityPay takes cards, IBANs and payers in coins.
    """
    if "address" in secret:
        return {"network": secret["network"], "address": secret["address"]}
    if "iban" in secret:
        return {"iban": secret["iban"]}
    if "number" not in secret:
        raise ProviderRefused("VelocityPay does not take it", provider_code="method_not_supported")
    card: dict[str, object] = {"number": secret["number"]}
    card |= {name: int(secret[name]) for name in ("exp_month", "exp_year")}
    return card | ({"cvc": code} if code else {})


def token(body: Mapping[str, Any]) -> str:
    """The token in the answer to POST /v1/tokens.

    :raises Unanswered: there is none.
    """
    found = body.get("token")
    if not isinstance(found, str) or not is_reference(found):
        raise Unanswered("bad_body")
    return found
