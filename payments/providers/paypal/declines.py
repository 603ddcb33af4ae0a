"""PayPal's issues that are a no -> canonical reasons (declines.py of the house).

An issue that stands here is the word of PayPal, of the payer's bank or of an account's rules; nothing
happened. What stands neither here nor in LOOK is our own mistake: refused as wrong.
"""

from typing import Final

GENERIC: Final = "do_not_honor"

ISSUES: Final = {
    # the payer and what stands behind the wallet
    "ALIAS_DECLINED_BY_PROCESSOR": GENERIC,
    "CARD_BRAND_NOT_SUPPORTED": "card_not_supported",
    "CARD_EXPIRED": "expired_card",
    "CREDIT_CARD_REFUSED": GENERIC,
    "DECLINED_DUE_TO_RELATED_TXN": GENERIC,
    "DOMESTIC_TRANSACTION_REQUIRED": "not_permitted_cardholder",
    "INSTRUMENT_DECLINED": GENERIC,
    "INSUFFICIENT_FUNDS": "insufficient_funds",
    "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED": "previously_declined_do_not_retry",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED": "no_such_account",
    "PAYER_ACCOUNT_RESTRICTED": "restricted_card",
    "PAYER_CANNOT_PAY": GENERIC,
    "PAYMENT_SOURCE_CANNOT_BE_USED": "card_not_supported",
    "PAYMENT_SOURCE_DECLINED_BY_PROCESSOR": GENERIC,
    "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING": GENERIC,
    "REFERENCED_CARD_EXPIRED": "expired_card",
    "TRANSACTION_LIMIT_EXCEEDED": "limit_exceeded",
    # PayPal's own judgment
    "COMPLIANCE_VIOLATION": "security_violation",
    "TRANSACTION_REFUSED": GENERIC,
    "TRANSACTION_BLOCKED_BY_PAYEE": "risk_blocked_by_us",
    "PAYEE_BLOCKED_TRANSACTION": "risk_blocked_by_us",
    # our account at PayPal
    "PAYEE_ACCOUNT_LOCKED_OR_CLOSED": "invalid_merchant",
    "PAYEE_ACCOUNT_NOT_VERIFIED": "invalid_merchant",
    "PAYEE_ACCOUNT_RESTRICTED": "invalid_merchant",
    "TRANSACTION_RECEIVING_LIMIT_EXCEEDED": "invalid_merchant",
    # a reservation that is no more
    "AUTHORIZATION_DENIED": "authorization_revoked",
    "AUTHORIZATION_EXPIRED": "authorization_revoked",
    # refunds
    "CAPTURE_FULLY_REFUNDED": "duplicate",
    "MAX_NUMBER_OF_REFUNDS_EXCEEDED": "limit_exceeded",
    "PARTIAL_REFUND_NOT_ALLOWED": "amount_invalid",
    "PENDING_CAPTURE": GENERIC,
    "REFUND_FAILED_INSUFFICIENT_FUNDS": "insufficient_funds",
    "REFUND_NOT_ALLOWED": GENERIC,
    "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK": "duplicate",
    "REFUND_TIME_LIMIT_EXCEEDED": "authorization_revoked",
    "TRANSACTION_DISPUTED": "duplicate",
    # what ended an order that nobody paid
    "ORDER_EXPIRED": "authentication_failed",
    "ORDER_GIVEN_UP": "authentication_failed",
    "ORDER_GONE": "authentication_failed",
    # how an object itself says no
    "AUTHORIZATION.DENIED": GENERIC,
    "AUTHORIZATION.EXPIRED": "authorization_revoked",
    "AUTHORIZATION.VOIDED": "authorization_revoked",
    "CAPTURE.DECLINED": GENERIC,
    "CAPTURE.FAILED": "system_malfunction",
    "REFUND.CANCELLED": GENERIC,
    "REFUND.FAILED": "no_such_account",
}

LOOK: Final = frozenset(
    {
        "ACTION_DOES_NOT_MATCH_INTENT",
        "DUPLICATE_REQUEST_ID",
        "ORDER_ALREADY_AUTHORIZED",
        "ORDER_ALREADY_CAPTURED",
        "ORDER_ALREADY_COMPLETED",
        "ORDER_COMPLETED_OR_VOIDED",
        "ORDER_COMPLETION_IN_PROGRESS",
        "PREVIOUSLY_VOIDED",
        "PREVIOUS_REQUEST_IN_PROGRESS",
    }
)
"""Issues that say that something stands there already: what it is must be looked at."""

ASK_PAYER: Final = frozenset({"ORDER_NOT_APPROVED", "PAYER_ACTION_REQUIRED"})
"""Issues of a completion that send the payer to PayPal's page (again)."""


def canonical(issue: str) -> str:
    """Our code for one of PayPal's."""
    return ISSUES.get(issue, GENERIC)
