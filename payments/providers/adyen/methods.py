"""What Adyen calls a payer's method: our tokens of it, and the request that pays with one. Pure, both ways.

A token of ours is `adyen_{shopper}.{id}`: Adyen's id of a stored method, and the shopper under whom it is
stored, without whom Adyen does not accept it. A card out of a wallet says so: `adyen_applepay.{shopper}.{id}`
and `adyen_googlepay.…`. A plan of paying later (`klarna.DE`) needs nothing stored.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from django.views.decorators.debug import sensitive_variables

from payments.providers import plans
from payments.providers.adyen import mapping
from payments.providers.adyen.amounts import to_adyen
from payments.providers.errors import ProviderRefused, Unanswered
from payments.providers.requests import AuthorizeRequest, VerifyRequest

PREFIX: Final = "adyen_"
NOWHERE: Final = "https://return.invalid/"  # Adyen wants an address where nobody will be sent
MODELS: Final = {"recurring": "Subscription", "merchant_initiated": "UnscheduledCardOnFile"}
EXEMPTIONS: Final = {
    "low_value": "lowValue",
    "low_risk": "transactionRiskAnalysis",
    "trusted_beneficiary": "trustedBeneficiary",
    "corporate": "secureCorporate",
}

_STORED = re.compile(r"adyen_(?:(applepay|googlepay)\.)?([A-Za-z0-9-]{3,60})\.([A-Za-z0-9]{8,32})")


def is_token(text: str) -> bool:
    """Say whether this is a token of ours for a method at Adyen."""
    return _STORED.fullmatch(text) is not None


def payment_body(
    request: AuthorizeRequest | VerifyRequest, account: str, return_url: str
) -> dict[str, object] | None:
    """The JSON of POST /payments; None when the token is none of Adyen's.

    Only a sale is captured by itself. Without a page to come back to nobody can finish a challenge: then
    Adyen is asked for none, and the issuer declines where it wants one.

    :raises NotCarried: Adyen cannot be asked for this amount.
    """
    plan = plans.named(request.token)
    if plan is not None and isinstance(request, AuthorizeRequest):
        return _later_body(request, plan, account, return_url)
    found = _STORED.fullmatch(request.token)
    if found is None:
        return None
    exemption = request.exemption if isinstance(request, AuthorizeRequest) else ""
    body = _asked(request, account, return_url) | {
        "paymentMethod": {"type": found[1] or "scheme", "storedPaymentMethodId": found[3]},
        "shopperReference": found[2],
        "shopperInteraction": "ContAuth",
        "recurringProcessingModel": MODELS.get(exemption, "CardOnFile"),
    }
    more: dict[str, object] = {} if is_sale(request) else {"manualCapture": "true"}
    if isinstance(request, AuthorizeRequest) and not request.capture:
        more["authorisationType"] = "PreAuth"  # else it can never be raised
    if exemption in EXEMPTIONS:
        more["scaExemption"] = EXEMPTIONS[exemption]
    body["additionalData"] = more
    if not return_url or exemption in MODELS:
        body["authenticationData"] = {"attemptAuthentication": "never"}
    return body


def is_sale(request: AuthorizeRequest | VerifyRequest) -> bool:
    """Say whether the whole amount is to be captured by itself."""
    return isinstance(request, AuthorizeRequest) and request.capture


def _asked(request: AuthorizeRequest | VerifyRequest, account: str, return_url: str) -> dict[str, object]:
    """What stands in every POST /payments."""
    kind = "sale" if is_sale(request) else "authorize"
    body: dict[str, object] = {
        "merchantAccount": account,
        "amount": to_adyen(request.amount),
        "reference": mapping.reference_of(kind, request.idempotency_key),
        "merchantOrderReference": request.reference,
        "channel": "Web",
        "returnUrl": return_url or NOWHERE,
    }
    return body | ({"captureDelayHours": 0} if is_sale(request) else {})


def _later_body(
    request: AuthorizeRequest, plan: plans.Plan, account: str, return_url: str
) -> dict[str, object]:
    """A payment that the payer agrees with a lender on its page, who wants to be told what is sold."""
    return _asked(request, account, return_url) | {
        "paymentMethod": {"type": plan.name},
        "countryCode": plan.country,
        "shopperInteraction": "Ecommerce",
        "lineItems": mapping.line_items(request.amount, request.reference),
        "additionalData": {} if request.capture else {"manualCapture": "true"},
    }


@sensitive_variables()
def storing_body(secret: Mapping[str, str], code: str, account: str, shopper: str) -> dict[str, object]:
    """The JSON of POST /storedPaymentMethods.

    :raises ProviderRefused: Adyen is asked to store cards.
    """
    if "number" not in secret:
        raise ProviderRefused("Adyen is asked to store cards", provider_code="method_not_supported")
    method = {
        "type": "scheme",
        "number": secret["number"],
        "expiryMonth": secret["exp_month"].zfill(2),
        "expiryYear": secret["exp_year"],
    }
    method |= {"holderName": secret["holder"]} if secret.get("holder") else {}
    return {
        "merchantAccount": account,
        "shopperReference": shopper,
        "recurringProcessingModel": "CardOnFile",
        "paymentMethod": method | ({"cvc": code} if code else {}),
    }


def stored(body: Mapping[str, Any], shopper: str) -> str:
    """Our token of the method in the answer to POST /storedPaymentMethods.

    :raises Unanswered: there is none.
    """
    token = f"{PREFIX}{shopper}.{body.get('id')}"
    if not is_token(token):
        raise Unanswered("bad_body")
    return token
