"""The smallest valid payments in any state, made through `record` alone: no provider is asked.

Amounts are minor units of USD unless told otherwise. For the real way in, with a provider, see
`payments.services`; these are for tests of what comes after.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ledger.actors import SYSTEM
from ledger.ids import uuid7
from ledger.locks import phase
from ledger.money import Money
from ledger.recording import record
from payments import locks, news, numbers, posting_rules
from payments.models import Payment, PaymentTransaction, ProviderOperation, ProviderWebhook
from payments.posting_rules import ShareCapture
from payments.rules.capture_division import Part
from vendors.models import Merchant, Vendor

AT: Final = datetime(2026, 1, 15, 12, tzinfo=UTC)


def create_payment(
    merchant: Merchant,
    *,
    amount: int = 10_000,
    currency: str = "USD",
    shares: Sequence[tuple[Vendor, int, int]] = (),
    edge: str = "create",
    at: datetime = AT,
    **fields: Any,
) -> Payment:
    """Make a payment (created, or `edge="open_review"`); `shares` are (vendor, amount, commission)."""
    number = numbers.take(merchant.pk, numbers.PAYMENT, at)
    values: dict[str, Any] = {
        "order_ref": "order-1",
        "customer_ref": "carla",
        "capture_method": "manual",
        "method_type": "card",
        "method_token": "vpt_test",
        "provider": "velocitypay",
        "expires_at": at + timedelta(days=1),
        **fields,
    }
    payment = Payment(
        merchant=merchant, number=number, currency=currency, amount_minor=amount, created_at=at, **values
    )
    rows = [
        PaymentTransaction(
            merchant=merchant, payment=payment, vendor=vendor, position=position, currency=currency,
            amount_minor=share, commission_minor=commission, created_at=at,
        )
        for position, (vendor, share, commission) in enumerate(shares)
    ]  # fmt: skip
    with phase(), record(payment, *rows, actor=SYSTEM, at=at) as entry:
        getattr(payment, edge)()
        entry.announce(news.of_payment(payment))
        for row in rows:
            row.create()
            entry.announce(news.of_share(row), subject=row)
    payment.share_rows, payment.is_processing = rows, False
    return payment


def create_operation(payment: Payment, kind: str, leg: str, **fields: Any) -> ProviderOperation:
    """Make an operation of a payment: one that has succeeded, unless told otherwise."""
    values: dict[str, Any] = {
        "amount_minor": payment.amount_minor,
        "idempotency_key": f"op_{uuid7().hex}",
        "created_at": AT,
        "sent_at": AT,
        "tries": 1,
        "outcome": "approved",
        "provider_reference": f"{kind}_{uuid7().hex}",
        "concluded_at": AT,
        **fields,
    }
    return ProviderOperation.objects.create(
        merchant_id=payment.merchant_id, kind=kind, subject_type="payment", subject_id=payment.pk, leg=leg,
        payment=payment, provider=payment.provider, currency=payment.currency, **values,
    )  # fmt: skip


def authorize_payment(payment: Payment, at: datetime = AT) -> Payment:
    """Note an authorization of the whole amount, as if the provider had answered."""
    with phase():
        locked = locks.payment(payment.merchant_id, payment.pk)
        reference = locked.provider_reference or f"auth_{uuid7().hex}"
        create_operation(locked, "authorize", "authorize", provider_reference=reference)
        with record(locked, actor=SYSTEM, at=at) as entry:
            locked.authorize(locked.amount, reference, at, at + timedelta(days=7))
            entry.announce(news.of_payment(locked))
    return locked


def capture_payment(payment: Payment, *, fee: int = 0, at: datetime = AT) -> Payment:
    """Take the whole authorization, with its postings, as if the provider had answered."""
    with phase():
        locked = locks.payment(payment.merchant_id, payment.pk)
        shares = locks.shares(payment.pk)
        with record(locked, actor=SYSTEM, at=at) as entry:
            reserved = locked.reserve_capture(locked.capturable, is_final=False)
            entry.announce(news.of_payment(locked))
        leg = f"capture:{locked.capture_count}"
        create_operation(locked, "capture", leg, request={"reserved_minor": reserved.minor}, fee_minor=fee)
        captures = [ShareCapture(share, Part(share.amount, share.commission)) for share in shares]
        own = locked.amount - sum((share.amount for share in shares), Money.zero(locked.currency))
        legs = posting_rules.captured(locked, captures, own, Money(fee, locked.currency))
        with record(locked, *shares, actor=SYSTEM, at=at) as entry:
            locked.capture(reserved, reserved, at)
            entry.post(legs, step=leg)
            entry.announce(news.of_payment(locked))
            for share in shares:
                share.capture(share.amount, share.commission, at)
                entry.announce(news.of_share(share), subject=share)
    locked.share_rows, locked.is_processing = shares, False
    return locked


def captured_payment(merchant: Merchant, *, fee: int = 0, at: datetime = AT, **options: Any) -> Payment:
    """Make a payment and take it whole; options as for `create_payment`."""
    payment = create_payment(merchant, at=at, **options)
    authorize_payment(payment, at)
    return capture_payment(payment, fee=fee, at=at)


def webhook_about(payment: Payment, *, state: str = "failed", **fields: Any) -> ProviderWebhook:
    """Make a genuine message about a payment's last operation, or a named one: received, or a dead letter."""
    fields.setdefault("operation", payment.operations.order_by("created_at", "pk").last())
    webhook = ProviderWebhook(
        merchant_id=payment.merchant_id, provider=payment.provider,
        event_id=f"evt_{uuid7().hex}", event_type="capture.succeeded", body=b"{}", is_verified=True,
        subject=f"op_{uuid7().hex}", **fields,
    )  # fmt: skip
    webhook.receive(AT)
    webhook.save(force_insert=True)
    if state == "failed":
        webhook.fail("no operation of ours has this key", AT)
        webhook.save()
    return webhook
