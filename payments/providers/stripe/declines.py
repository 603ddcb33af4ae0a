"""Stripe's words for a no -> our canonical codes (docs.stripe.com/declines/codes, /error-codes, /refunds).

Stripe adds codes without notice, and a card_error is a no whatever its code: what is not listed is the
generic decline, with Stripe's word kept beside it.
"""

from typing import Final

GENERIC: Final = "do_not_honor"

CODES: Final = {
    "amount_too_large": "amount_invalid",
    "amount_too_small": "amount_invalid",
    "approve_with_id": "issuer_unavailable",
    "authentication_not_handled": "authentication_failed",
    "authentication_required": "authentication_required",
    "call_issuer": "call_issuer",
    "capture_charge_authorization_expired": "authorization_revoked",
    "card_declined": GENERIC,
    "card_not_supported": "card_not_supported",
    "card_velocity_exceeded": "limit_exceeded",
    "card_decline_rate_limit_exceeded": "previously_declined_do_not_retry",
    "currency_not_supported": "card_not_supported",
    "do_not_honor": "do_not_honor",
    "do_not_try_again": "recurring_cancelled",
    "duplicate_transaction": "duplicate",
    "expired_card": "expired_card",
    "fraudulent": "suspected_fraud_issuer",
    "generic_decline": GENERIC,
    "highest_risk_level": "suspected_fraud_issuer",
    "incorrect_address": "avs_mismatch",
    "incorrect_cvc": "cvc_mismatch",
    "incorrect_number": "invalid_number",
    "incorrect_pin": "pin_invalid",
    "incorrect_zip": "avs_mismatch",
    "insufficient_funds": "insufficient_funds",
    "invalid_account": "no_such_account",
    "invalid_amount": "amount_invalid",
    "invalid_cvc": "cvc_mismatch",
    "invalid_expiry_month": "expired_card",
    "invalid_expiry_year": "expired_card",
    "invalid_number": "invalid_number",
    "invalid_pin": "pin_invalid",
    "issuer_not_available": "issuer_unavailable",
    "lost_card": "lost_card",
    "merchant_blacklist": "suspected_fraud_issuer",
    "new_account_information_available": "no_such_account",
    "no_action_taken": GENERIC,
    "not_permitted": "invalid_merchant",
    "offline_pin_required": "pin_invalid",
    "online_or_offline_pin_required": "pin_invalid",
    "payment_intent_authentication_failure": "authentication_failed",
    "pickup_card": "pickup_card",
    "pin_try_exceeded": "pin_tries_exceeded",
    "previously_declined_do_not_retry": "previously_declined_do_not_retry",
    "processing_error": "system_malfunction",
    "reenter_transaction": "system_malfunction",
    "restricted_card": "restricted_card",
    "revocation_of_all_authorizations": "authorization_revoked",
    "revocation_of_authorization": "authorization_revoked",
    "security_violation": "security_violation",
    "service_not_allowed": "not_permitted_cardholder",
    "stolen_card": "stolen_card",
    "stop_payment_order": "stop_payment",
    "testmode_decline": GENERIC,
    "transaction_not_allowed": "not_permitted_cardholder",
    "try_again_later": "system_malfunction",
    "withdrawal_count_limit_exceeded": "limit_exceeded",
    # why banks send debits back (docs.stripe.com/payments/ach-direct-debit, /sepa-debit: failures)
    "account_closed": "no_such_account",
    "account_frozen": "do_not_honor",
    "bank_account_restricted": "do_not_honor",
    "bank_account_unusable": "no_such_account",
    "bank_ownership_changed": "no_such_account",
    "branch_does_not_exist": "no_such_issuer",
    "charge_exceeds_source_limit": "limit_exceeded",
    "charge_exceeds_transaction_limit": "limit_exceeded",
    "charge_exceeds_weekly_limit": "limit_exceeded",
    "could_not_process": "system_malfunction",
    "debit_not_authorized": "authorization_revoked",
    "incorrect_account_holder_name": "no_such_account",
    "invalid_account_number": "no_such_account",
    "invalid_currency": "card_not_supported",
    "no_account": "no_such_account",
    "payment_method_microdeposit_failed": "authentication_failed",
    "payment_method_microdeposit_verification_timeout": "authentication_failed",
    "recipient_deceased": "no_such_account",
    "refer_to_customer": "stop_payment",
    # of lenders and other methods that redirect
    "payment_method_customer_decline": "authentication_failed",
    "payment_method_not_available": "system_malfunction",
    "payment_method_provider_decline": GENERIC,
    "payment_method_provider_timeout": "system_malfunction",
    # what refunds fail with
    "charge_for_pending_refund_disputed": "duplicate",
    "expired_or_canceled_card": "no_such_account",
    "lost_or_stolen_card": "no_such_account",
    # what ended an intent that nobody authorized
    "abandoned": "authentication_failed",
    "automatic": "authentication_failed",
    "requested_by_customer": "authentication_failed",
}


def canonical(code: str) -> str:
    """Our code for one of Stripe's."""
    return CODES.get(code, GENERIC)
