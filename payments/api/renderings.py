"""How payments, their vendors' shares and refunds look to merchants: plain dictionaries, built by hand.

Serializers describe these shapes in the OpenAPI document; rendering through them would cost a millisecond
a request. The rows come from selectors (or are locked in the phase) with what is read here loaded.
"""

from datetime import UTC, datetime
from typing import Any

from ledger.ids import show
from ledger.money import Money
from payments import selectors, states
from payments.models import Payment, PaymentTransaction, Refund
from payments.providers.declines import DECLINES, RetryLater, RetryNow


def payment(row: Payment) -> dict[str, Any]:
    """Return a payment as merchants see it, with its shares and why it was declined."""
    return {
        "id": row.public_id,
        "object": "payment",
        "number": row.number,
        "status": states.payment_status(
            row.state, is_processing=selectors.is_processing(row), is_voiding=row.is_voiding
        ),
        "next_action": next_action(row),
        "amount": _amount(row.amount_minor, row.currency),
        "authorized": _amount(row.authorized_minor, row.currency),
        "capturable": _capturable(row).as_json(),
        "captured": _amount(row.captured_minor, row.currency),
        "refunded": _amount(row.refunded_minor, row.currency),
        "refundable": row.refundable.as_json(),
        "disputed": _amount(row.disputed_minor, row.currency),
        "order_id": row.order_ref,
        "customer_id": row.customer_ref,
        "payment_method": {
            "id": show("pm", row.stored_method_id) if row.stored_method_id else None,
            "type": row.method_type,
            "brand": row.method_brand or None,
            "last4": row.method_last4 or None,
        },
        "authentication": authentication(row),
        "capture_method": row.capture_method,
        "capture_at": instant(row.capture_at),
        "scheduled_date": instant(row.scheduled_at),
        "vendor_split": [_split_line(share) for share in selectors.shares_of(row)],
        "decline": decline(row),
        "reason": row.reason or None,
        "fraud": {
            "decision": row.fraud_decision or None,
            "level": row.fraud_level or None,
            "reasons": row.fraud_reasons,
        },
        "provider": row.provider,
        "provider_reference": row.provider_reference or None,
        "merchant_reference": row.merchant_reference,
        "description": row.description or None,
        "metadata": row.metadata,
        "created_at": instant(row.created_at),
        "authorized_at": instant(row.authorized_at),
        "captured_at": instant(row.captured_at),
        "expires_at": instant(row.expires_at),
        "closed_at": instant(row.closed_at),
    }


def next_action(row: Payment) -> dict[str, Any] | None:
    """Return what the customer must do now, or nothing."""
    if row.state != states.REQUIRES_ACTION:
        return None
    return {
        "type": "redirect_to_url" if row.action_url else "show_instructions",
        "url": row.action_url or None,
        "instructions": row.action_instructions or None,
        "return_url": row.return_url or None,
        "expires_at": instant(row.expires_at),
    }


def authentication(row: Payment) -> dict[str, Any] | None:
    """Return what became of the customer's authentication, or nothing where nobody spoke of any."""
    if not (row.authentication or row.liability_shift or row.exemption):
        return None
    return {
        "result": row.authentication or None,
        "liability_shift": row.liability_shift or None,
        "exemption": row.exemption or None,
    }


def decline(row: Payment) -> dict[str, Any] | None:
    """Return why the provider said no, and what the merchant may do, or nothing."""
    if not row.decline_code:
        return None
    known = DECLINES.get(row.decline_code)
    may_retry = known is not None and known.retry_later not in (RetryLater.NO, RetryLater.NEVER)
    return {
        "code": row.decline_code,
        "message": row.decline_message or "The payment was declined.",
        "advice": known.advice if known is not None else "Please use another payment method.",
        "retry_later": may_retry and not row.decline_is_hard,
        "retry_now": known.retry_now.value if known is not None else RetryNow.NO.value,
        "retry_when": known.retry_later.value if known is not None else RetryLater.NO.value,
        "retry_at": instant(row.decline_retry_at),
    }


def transaction(row: PaymentTransaction) -> dict[str, Any]:
    """Return one vendor's share as merchants see it; its payment is loaded."""
    return {
        "id": row.public_id,
        "object": "payment_transaction",
        "status": row.state,
        "payment_id": row.payment.public_id,
        "payment_number": row.payment.number,
        "order_id": row.payment.order_ref,
        "customer_id": row.payment.customer_ref,
        "vendor_id": show("vnd", row.vendor_id),
        "amount": row.amount.as_json(),
        "captured": row.money(row.captured_minor).as_json(),
        "refunded": row.money(row.refunded_minor).as_json(),
        "refundable": row.money(row.refundable_minor).as_json(),
        "disputed": row.money(row.disputed_minor).as_json(),
        "net": row.net.as_json(),
        "commission": {
            "rate_bps": row.commission_rate_bps,
            "fixed": row.money(row.commission_fixed_minor).as_json(),
            "total": row.commission.as_json(),
            "captured": row.money(row.commission_captured_minor).as_json(),
            "given_back": row.commission_given_back.as_json(),
        },
        "provider": row.payment.provider,
        "gateway_reference": row.payment.provider_reference or None,
        "reason": row.reason or None,
        "created_at": instant(row.created_at),
        "captured_at": instant(row.captured_at),
        "closed_at": instant(row.closed_at),
    }


def refund(row: Refund) -> dict[str, Any]:
    """Return a refund as merchants see it; its payment and its shares are loaded."""
    return {
        "id": row.public_id,
        "object": "refund",
        "number": row.number,
        "status": row.state,
        "amount": row.amount.as_json(),
        "payment_id": row.payment.public_id,
        "payment_number": row.payment.number,
        "order_id": row.payment.order_ref,
        "customer_id": row.payment.customer_ref,
        "reason": row.reason or None,
        "vendor_split": [
            {
                "transaction_id": show("ptx", share.transaction_id),
                "vendor_id": show("vnd", share.transaction.vendor_id),
                "amount": share.amount.as_json(),
                "commission_back": share.commission_back.as_json(),
            }
            for share in selectors.refund_shares_of(row)
        ],
        "failure": _failure(row),
        "tries": row.tries,
        "decision_reason": row.decision_reason or None,
        "provider": row.provider,
        "provider_reference": row.provider_reference or None,
        "account": row.account_shown or None,
        "merchant_reference": row.merchant_reference,
        "metadata": row.metadata,
        "created_at": instant(row.created_at),
        "approved_at": instant(None if row.state == states.REJECTED else row.decided_at),
        "processed_at": instant(row.started_at),
        "closed_at": instant(row.closed_at),
    }


def instant(at: datetime | None) -> str | None:
    """Return an instant as RFC 3339 in UTC, to the millisecond."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _amount(minor: int, currency: str) -> dict[str, int | str]:
    """Return an amount that stands in a row as the API shows it, as `Money.as_json` does."""
    return {"amount": minor, "currency": currency}


def _capturable(row: Payment) -> Money:
    """Return what may still be captured: nothing once the rest is, or is being, given back."""
    may_be = row.state in states.RESERVED and not row.is_voiding
    return row.capturable if may_be else Money.zero(row.currency)


def _split_line(share: PaymentTransaction) -> dict[str, Any]:
    return {
        "id": share.public_id,
        "vendor_id": show("vnd", share.vendor_id),
        "amount": _amount(share.amount_minor, share.currency),
        "commission": _amount(share.commission_minor, share.currency),
        "captured": _amount(share.captured_minor, share.currency),
        "refunded": _amount(share.refunded_minor, share.currency),
        "status": share.state,
    }


def _failure(row: Refund) -> dict[str, str] | None:
    if not row.failure_code:
        return None
    return {"code": row.failure_code, "message": row.failure_message}
