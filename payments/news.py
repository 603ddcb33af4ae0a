"""Pure: the payloads of this floor's events. They are public and frozen: fields are added, never removed.

Amounts are minor units beside one `currency`. No token, no card data beyond brand and last four, no address.
"""

from collections.abc import Mapping
from typing import Any

from ledger.ids import show
from payments.models import (
    BankFile,
    Dispute,
    Payment,
    PaymentMethod,
    PaymentTransaction,
    Refund,
    Saga,
    SagaStep,
)
from payments.providers.outcomes import INSTALMENT_COUNT, PLAN


def of_payment(payment: Payment, **more: Any) -> dict[str, Any]:
    """Return what an event says of a payment, with the facts of the step (`more`)."""
    return {
        "id": payment.public_id,
        "number": payment.number,
        "state": payment.state,
        "order_id": payment.order_ref,
        "customer_id": payment.customer_ref,
        "merchant_reference": payment.merchant_reference,
        "currency": payment.currency,
        "amount_minor": payment.amount_minor,
        "authorized_minor": payment.authorized_minor,
        "captured_minor": payment.captured_minor,
        "refunded_minor": payment.refunded_minor,
        "method": {
            "type": payment.method_type,
            "brand": payment.method_brand,
            "last4": payment.method_last4,
        },
        "provider": payment.provider,
        "provider_reference": payment.provider_reference,
        **more,
    }


def of_plan(details: Mapping[str, str]) -> dict[str, str]:
    """Return how the payer pays later, as far as the provider tells it: plan, number of instalments."""
    return {name: details[name] for name in (PLAN, INSTALMENT_COUNT) if name in details}


def of_share(share: PaymentTransaction, **more: Any) -> dict[str, Any]:
    """Return what an event says of one vendor's share."""
    return {
        "id": share.public_id,
        "payment_id": show("pay", share.payment_id),
        "vendor_id": show("vnd", share.vendor_id),
        "state": share.state,
        "currency": share.currency,
        "amount_minor": share.amount_minor,
        "captured_minor": share.captured_minor,
        "refunded_minor": share.refunded_minor,
        "commission_minor": share.commission_minor,
        "commission_captured_minor": share.commission_captured_minor,
        **more,
    }


def of_refund(refund: Refund, payment: Payment, **more: Any) -> dict[str, Any]:
    """Return what an event says of a refund."""
    return {
        "id": refund.public_id,
        "number": refund.number,
        "state": refund.state,
        "payment_id": payment.public_id,
        "order_id": payment.order_ref,
        "customer_id": payment.customer_ref,
        "merchant_reference": refund.merchant_reference,
        "currency": refund.currency,
        "amount_minor": refund.amount_minor,
        "reason": refund.reason,
        "failure_code": refund.failure_code,
        "tries": refund.tries,
        "provider": refund.provider,
        "provider_reference": refund.provider_reference,
        **more,
    }


def of_dispute(dispute: Dispute, payment: Payment, **more: Any) -> dict[str, Any]:
    """Return what an event says of a dispute."""
    return {
        "id": dispute.public_id,
        "number": dispute.number,
        "state": dispute.state,
        "response": dispute.response,
        "payment_id": payment.public_id,
        "order_id": payment.order_ref,
        "customer_id": payment.customer_ref,
        "scheme": dispute.scheme,
        "reason_code": dispute.reason_code,
        "category": dispute.category,
        "currency": dispute.currency,
        "amount_minor": dispute.amount_minor,
        "withheld_minor": dispute.withheld_minor,
        "fee_minor": dispute.fee_minor,
        "due_at": None if dispute.due_at is None else dispute.due_at.isoformat(),
        "provider": dispute.provider,
        "provider_reference": dispute.provider_reference,
        **more,
    }


def of_bank_file(file: BankFile, **more: Any) -> dict[str, Any]:
    """Return what an event says of a file that goes to a bank."""
    return {
        "id": file.public_id,
        "state": file.state,
        "rail": file.rail,
        "number": file.number,
        "direction": file.direction,
        "currency": file.currency,
        "entry_count": file.entry_count,
        "total_minor": file.total_minor,
        "due_date": file.due_date.isoformat(),
        "bank_reference": file.bank_reference,
        **more,
    }


def of_method(method: PaymentMethod, **more: Any) -> dict[str, Any]:
    """Return what an event says of a payment method: nothing that opens it, nothing that names its holder."""
    return {
        "id": method.public_id,
        "state": method.state,
        "customer_id": method.customer_ref,
        "type": method.kind,
        "is_default": method.is_default,
        "brand": method.brand,
        "last4": method.last4,
        "fingerprint": method.fingerprint,
        "verification": method.verification,
        "verification_code": method.verification_code,
        **more,
    }


def of_saga(saga: Saga, **more: Any) -> dict[str, Any]:
    """Return what an event says of a marketplace payment."""
    return {
        "id": saga.public_id,
        "state": saga.state,
        "payment_id": show("pay", saga.payment_id),
        "currency": saga.currency,
        "amount_minor": saga.amount_minor,
        "fee_minor": saga.fee_minor,
        "fee_held_minor": saga.fee_held_minor,
        "allocated_minor": saga.allocated_minor,
        **more,
    }


def of_saga_step(step: SagaStep, **more: Any) -> dict[str, Any]:
    """Return what an event says of a step of a marketplace payment."""
    return {
        "id": step.public_id,
        "saga_id": show("mkp", step.saga_id),
        "state": step.state,
        "name": step.name,
        "direction": step.direction,
        "position": step.position,
        "vendor_id": None if step.vendor_id is None else show("vnd", step.vendor_id),
        "amount_minor": step.amount_minor,
        "tries": step.tries,
        "note": step.note,
        **more,
    }
