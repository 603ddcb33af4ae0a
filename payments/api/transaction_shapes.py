"""What controller 3 reads and writes: input serializers, shapes for the API document, and examples."""

from typing import Any, Final

from rest_framework import serializers

from payments.api.payment_shapes import MoneyShape, usd
from payments.api.refund_shapes import RefundAccountInput
from payments.states import PAYMENT_TRANSACTION_STATUSES
from vendors.api.fields import AmountField, MetadataField, PublicIdField, StrictSerializer, TextField
from vendors.api.openapi import page_of


class CreateTransaction(StrictSerializer):
    """A vendor's share of a payment that is not yet authorized."""

    payment_id = PublicIdField("pay")
    vendor_id = PublicIdField("vnd")
    amount = AmountField(help_text="Minor units of the payment's currency.")


class CompleteTransaction(StrictSerializer):
    """The gateway's reference that proves it."""

    gateway_reference = TextField(max_length=100)


class RefundTransaction(StrictSerializer):
    """How much of the share to give back."""

    amount = AmountField(required=False, help_text="All that can still be refunded when absent.")
    reason = TextField(max_length=300, required=False)
    merchant_reference = TextField(max_length=100, required=False)
    account = RefundAccountInput(
        required=False,
        help_text="Where the money goes: required for payments by wire and check, refused for all others.",
    )
    metadata = MetadataField(required=False)


class CommissionShape(serializers.Serializer):
    """The commission of a share: the rule's rate, frozen when the share was made, and what came of it."""

    rate_bps = serializers.IntegerField(help_text="Hundredths of a percent.")
    fixed = MoneyShape()
    total = MoneyShape()
    captured = MoneyShape()
    given_back = MoneyShape()


class TransactionShape(serializers.Serializer):
    """One vendor's share of a payment."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["payment_transaction"])
    status = serializers.ChoiceField(PAYMENT_TRANSACTION_STATUSES)
    payment_id = serializers.CharField()
    payment_number = serializers.CharField()
    order_id = serializers.CharField()
    customer_id = serializers.CharField()
    vendor_id = serializers.CharField()
    amount = MoneyShape()
    captured = MoneyShape()
    refunded = MoneyShape()
    refundable = MoneyShape()
    disputed = MoneyShape(help_text="Withdrawn by disputes and not given back.")
    net = MoneyShape(
        help_text="What the vendor has of it: captured, less refunded and disputed, less the commission kept."
    )
    commission = CommissionShape()
    provider = serializers.CharField()
    gateway_reference = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    captured_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)


TransactionPage = page_of(TransactionShape, "TransactionPage")

CREATE_EXAMPLE: Final = {
    "payment_id": "pay_01kagm3c8qf3p8w0t5y5r4d2ne",
    "vendor_id": "vnd_01kagm0xj7f0w9r7s5m3d2k8ha",
    "amount": 3000,
}

TRANSACTION_EXAMPLE: Final = {
    "id": "ptx_01kagm3c8qf3p8w0t5y5r4d2nf",
    "object": "payment_transaction",
    "status": "pending",
    "payment_id": "pay_01kagm3c8qf3p8w0t5y5r4d2ne",
    "payment_number": "PAY-2026-000123",
    "order_id": "order-1001",
    "customer_id": "carla",
    "vendor_id": "vnd_01kagm0xj7f0w9r7s5m3d2k8ha",
    "amount": usd(3000),
    "captured": usd(0),
    "refunded": usd(0),
    "refundable": usd(0),
    "disputed": usd(0),
    "net": usd(0),
    "commission": {
        "rate_bps": 1000,
        "fixed": usd(0),
        "total": usd(300),
        "captured": usd(0),
        "given_back": usd(0),
    },
    "provider": "velocitypay",
    "gateway_reference": None,
    "reason": None,
    "created_at": "2026-11-21T09:00:00.000Z",
    "captured_at": None,
    "closed_at": None,
}


def transaction_example(**changes: Any) -> dict[str, Any]:
    """Return the example share with some fields changed."""
    return {**TRANSACTION_EXAMPLE, **changes}
