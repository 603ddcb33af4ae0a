"""Why a payment was declined, in our words: code -> what to tell the payer, and when a retry may help.

Two independent axes (features.md 5.1): *now*, in the same checkout, and *later*, by the merchant or by
dunning. The advice never says fraud, lost or stolen to the person at the till.
"""

from dataclasses import dataclass
from enum import StrEnum


class RetryNow(StrEnum):
    """Whether another try within the same checkout makes sense, and where."""

    NO = "no"
    SAME = "same"
    OTHER = "other"
    ANY = "any"
    CHALLENGE = "challenge"


class RetryLater(StrEnum):
    """Whether a later try without the payer makes sense, and when."""

    NEVER = "never"
    NO = "no"
    AFTER_HOUR = "after_hour"
    AFTER_DAY = "after_day"
    PAY_DAY = "pay_day"
    FEW = "few"
    AFTER_UPDATE = "after_update"
    WITH_PAYER = "with_payer"


@dataclass(frozen=True, slots=True)
class Decline:
    """One canonical reason; `is_hard` means: never try this method again by ourselves."""

    code: str
    advice: str
    retry_now: RetryNow
    retry_later: RetryLater

    @property
    def is_hard(self) -> bool:
        return self.retry_later is RetryLater.NEVER


_GENERIC = "The payment was declined. Please use another payment method."
_BANK = "The payment was declined. Please contact your bank or use another payment method."
_AGAIN = "The payment could not be processed. Please try again in a moment."
_N, _L = RetryNow, RetryLater

_ROWS = (
    Decline("insufficient_funds", "The account does not have enough funds. Please use another method.",
            _N.NO, _L.PAY_DAY),
    Decline("limit_exceeded", "The card's limit is reached. Please use another card or try tomorrow.",
            _N.NO, _L.AFTER_DAY),
    Decline("do_not_honor", _BANK, _N.OTHER, _L.FEW),
    Decline("issuer_unavailable", _AGAIN, _N.ANY, _L.AFTER_HOUR),
    Decline("system_malfunction", _AGAIN, _N.ANY, _L.AFTER_HOUR),
    Decline("suspected_fraud_issuer", _GENERIC, _N.CHALLENGE, _L.NO),
    Decline("authentication_required", "Your bank asks you to confirm this payment.",
            _N.CHALLENGE, _L.WITH_PAYER),
    Decline("authentication_failed", "Your bank could not confirm that it is you. Please try again.",
            _N.NO, _L.NO),
    Decline("invalid_number", "Please check the card number.", _N.NO, _L.NO),
    Decline("expired_card", "The card has expired. Please use another card.", _N.NO, _L.AFTER_UPDATE),
    Decline("cvc_mismatch", "Please check the security code of the card.", _N.NO, _L.NO),
    Decline("avs_mismatch", "Please check the billing address.", _N.NO, _L.NO),
    Decline("pin_invalid", "The PIN is not right.", _N.NO, _L.NO),
    Decline("pin_tries_exceeded", _BANK, _N.NO, _L.NO),
    Decline("lost_card", _GENERIC, _N.NO, _L.NEVER),
    Decline("stolen_card", _GENERIC, _N.NO, _L.NEVER),
    Decline("pickup_card", _GENERIC, _N.NO, _L.NEVER),
    Decline("restricted_card", "This card cannot be used here. Please use another card.", _N.NO, _L.NEVER),
    Decline("not_permitted_cardholder", "This card does not allow this payment. Please use another card.",
            _N.OTHER, _L.NEVER),
    Decline("no_such_issuer", "Please check the card number or use another card.", _N.NO, _L.AFTER_UPDATE),
    Decline("no_such_account", "The account does not exist or is closed. Please use another payment method.",
            _N.NO, _L.AFTER_UPDATE),
    Decline("invalid_merchant", _GENERIC, _N.OTHER, _L.NO),
    Decline("stop_payment", _BANK, _N.NO, _L.NEVER),
    Decline("authorization_revoked", _BANK, _N.NO, _L.NEVER),
    Decline("recurring_cancelled", _BANK, _N.NO, _L.NEVER),
    Decline("duplicate", "This payment was made already.", _N.NO, _L.NO),
    Decline("amount_invalid", "This amount cannot be paid with this card.", _N.NO, _L.NO),
    Decline("card_not_supported", "This card is not accepted. Please use another payment method.",
            _N.OTHER, _L.NO),
    Decline("token_problem", _AGAIN, _N.SAME, _L.NO),
    Decline("security_violation", _GENERIC, _N.NO, _L.NO),
    Decline("call_issuer", _BANK, _N.NO, _L.FEW),
    Decline("not_paid_in_time", "The payment did not arrive in time. Please pay again.",
            _N.ANY, _L.WITH_PAYER),
    Decline("partial_approval", "Only a part of the amount is available on this card.", _N.NO, _L.NO),
    Decline("risk_blocked_by_us", _GENERIC, _N.NO, _L.NO),
    Decline("psp_config", _AGAIN, _N.OTHER, _L.NO),
    Decline("timeout_unknown", "We are still waiting for your bank's answer. Please do not pay again.",
            _N.NO, _L.NO),
    Decline("previously_declined_do_not_retry", _GENERIC, _N.NO, _L.NEVER),
)  # fmt: skip

DECLINES = {row.code: row for row in _ROWS}


def decline(code: str) -> Decline:
    """The row of a canonical code.

    :raises KeyError: not canonical (a defect: a mapping may only name canonical codes).
    """
    return DECLINES[code]
