"""Adyen's words for a no -> our canonical codes (docs.adyen.com, "Refusal reasons", read 2026-11-21).

An answer has the number and the words, a webhook only the words; both are read. What is not listed is the
generic decline, with Adyen's word kept beside it: a refusal is a no whatever its reason.
"""

import re
from typing import Final

GENERIC: Final = "do_not_honor"

# number: (Adyen's words, ours)
REASONS: Final = {
    "2": ("Refused", GENERIC),
    "3": ("Referral", "call_issuer"),
    "4": ("Acquirer Error", "system_malfunction"),
    "5": ("Blocked Card", "restricted_card"),
    "6": ("Expired Card", "expired_card"),
    "7": ("Invalid Amount", "amount_invalid"),
    "8": ("Invalid Card Number", "invalid_number"),
    "9": ("Issuer Unavailable", "issuer_unavailable"),
    "10": ("Not supported", "card_not_supported"),
    "11": ("3D Not Authenticated", "authentication_failed"),
    "12": ("Not enough balance", "insufficient_funds"),
    "14": ("Acquirer Fraud", "suspected_fraud_issuer"),
    "15": ("Cancelled", "authentication_failed"),
    "16": ("Shopper Cancelled", "authentication_failed"),
    "17": ("Invalid Pin", "pin_invalid"),
    "18": ("Pin tries exceeded", "pin_tries_exceeded"),
    "19": ("Pin validation not possible", "pin_invalid"),
    "20": ("FRAUD", "suspected_fraud_issuer"),
    "21": ("Not Submitted", "system_malfunction"),
    "22": ("FRAUD-CANCELLED", "suspected_fraud_issuer"),
    "23": ("Transaction Not Permitted", "not_permitted_cardholder"),
    "24": ("CVC Declined", "cvc_mismatch"),
    "25": ("Restricted Card", "restricted_card"),
    "26": ("Revocation Of Auth", "authorization_revoked"),
    "27": ("Declined Non Generic", GENERIC),
    "28": ("Withdrawal amount exceeded", "limit_exceeded"),
    "29": ("Withdrawal count exceeded", "limit_exceeded"),
    "31": ("Issuer Suspected Fraud", "suspected_fraud_issuer"),
    "32": ("AVS Declined", "avs_mismatch"),
    "33": ("Card requires online pin", "pin_invalid"),
    "34": ("No checking account available on Card", "no_such_account"),
    "35": ("No savings account available on Card", "no_such_account"),
    "36": ("Mobile pin required", "pin_invalid"),
    "37": ("Contactless fallback", "card_not_supported"),
    "38": ("Authentication required", "authentication_required"),
    "39": ("RReq not received from DS", "authentication_failed"),
    "40": ("Current AID is in Penalty Box", "issuer_unavailable"),
    "41": ("CVM Required Restart Payment", "authentication_required"),
    "42": ("3DS Authentication Error", "authentication_failed"),
    "43": ("Online PIN required", "pin_invalid"),
    "44": ("Try another interface", "card_not_supported"),
    "45": ("Chip downgrade mode", "card_not_supported"),
    "46": (
        "Transaction blocked by Adyen to prevent excessive retry fees",
        "previously_declined_do_not_retry",
    ),
}
# What modifications fail with, in the words of their webhooks.
MODIFICATIONS: Final = {
    "insufficient balance on payment": "amount_invalid",
    "transaction hasn't been captured, refund not possible": "amount_invalid",
    "transaction not found": "token_problem",
    "already cancelled": "authorization_revoked",
    "transaction already captured": "amount_invalid",
    "authorisation expired": "authorization_revoked",
    "capture failed": "system_malfunction",
    "refund failed": "no_such_account",
    "offer closed": "authentication_failed",  # nobody finished it
}


def canonical(code: str, words: str) -> str:
    """Our code for Adyen's number, or for its words where there is no number."""
    if code in REASONS:
        return REASONS[code][1]
    return _BY_WORDS.get(_plain(words), GENERIC)


def _plain(words: str) -> str:
    return re.sub(r"\s+", " ", words).strip().casefold()


_BY_WORDS: Final = {_plain(words): ours for words, ours in REASONS.values()} | MODIFICATIONS
