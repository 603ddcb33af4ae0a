"""Bank debits at Stripe (`us_bank_account` for ACH, `sepa_debit`): what is asked for and told. Pure.

A debit is taken in one call and known days later: the intent is `processing` until the bank has paid
(`succeeded`) or returned it (`requires_payment_method`). The payer's mandate is given offline, by the word of
the merchant with whom the customer agreed. An account in the United States that nobody verified is first
verified by its holder, on Stripe's page, with the small deposits that Stripe makes.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from payments.providers.outcomes import RequiresAction

TYPES: Final = {"ach": "us_bank_account", "sepa": "sepa_debit"}
OURS: Final = {theirs: ours for ours, theirs in TYPES.items()}
MANDATE: Final = {"customer_acceptance": {"type": "offline"}}
VERIFY: Final = "verify_with_microdeposits"
VERIFY_WITHIN: Final = timedelta(
    days=10
)  # then Stripe gives the payment up (docs.stripe.com/payments/ach-direct-debit)

Body = Mapping[str, Any]


def intent_params(method_type: str) -> dict[str, Any]:
    """What an intent needs besides for a debit; `capture_method` manual does not exist for it."""
    named = TYPES[method_type]
    params: dict[str, Any] = {"payment_method_types": [named], "mandate_data": MANDATE}
    if named == "us_bank_account":
        options = {"mandate_options": {"collection_method": "paper"}, "verification_method": "automatic"}
        params["payment_method_options"] = {named: options}
    return params


def details(charge: Body) -> dict[str, str]:
    """What a charge tells of the account that it drew on; empty where it drew on none."""
    method, named = _method(charge)
    account = method.get(named)
    if named not in OURS or not isinstance(account, dict):
        return {}
    told = {name: account.get(name) for name in ("last4", "fingerprint", "country")}
    told["brand"] = account.get("bank_name")
    kept = {name: text[:64] for name, text in told.items() if isinstance(text, str) and text}
    return {"type": OURS[named]} | kept


def return_code(body: Body) -> str:
    """Why the bank sent the debit of an intent back, as its charge says; empty where no charge tells it."""
    charge = body.get("latest_charge")
    if not isinstance(charge, dict) or _method(charge)[1] not in OURS:
        return ""
    code = charge.get("failure_code")
    return code if isinstance(code, str) else ""


def _method(charge: Body) -> tuple[Body, str]:
    """What a charge was made to, and its type; nothing where it does not say."""
    method = charge.get("payment_method_details")
    named = method.get("type") if isinstance(method, dict) else None
    return (method, named) if isinstance(method, dict) and isinstance(named, str) else ({}, "")


def verification(body: Body) -> RequiresAction | None:
    """The page on which the holder verifies the account of an intent; None where that is not asked."""
    action = body.get("next_action")
    wanted = action.get(VERIFY) if isinstance(action, dict) else None
    url = wanted.get("hosted_verification_url") if isinstance(wanted, dict) else None
    if not isinstance(url, str):
        return None
    created = body.get("created")
    until = None
    if type(created) is int and 0 < created < 1 << 40:
        until = datetime.fromtimestamp(created, UTC) + VERIFY_WITHIN
    return RequiresAction(url, str(body["id"]), until)
