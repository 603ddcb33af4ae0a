"""What controller 4 reads and writes: input serializers, shapes for the API document, and examples."""

from typing import Any, Final
from uuid import UUID

from rest_framework import serializers

from payments.api.payment_shapes import SPLIT_MAX, MoneyShape, usd
from payments.models.methods import ACCOUNT_TYPES
from payments.states import REFUND_STATUSES
from vendors.api.fields import AmountField, MetadataField, PublicIdField, StrictSerializer, TextField
from vendors.api.openapi import page_of


class RefundSplitInput(StrictSerializer):
    """What one vendor's share gives back."""

    transaction_id = PublicIdField("ptx")
    amount = AmountField(help_text="Minor units of the payment's currency.")


class RefundAccountInput(StrictSerializer):
    """The payer's account, for payments by wire and check: in euros an IBAN, in dollars a routing number and
    an account number, in other currencies its bank's BIC and an account number (or IBAN)."""

    holder = TextField(70, required=False)
    iban = TextField(42, required=False)
    routing_number = TextField(9, required=False)
    account_number = TextField(42, required=False)
    account_type = serializers.ChoiceField(ACCOUNT_TYPES, required=False)
    bic = TextField(11, required=False)


class CreateRefund(StrictSerializer):
    """A wish to give money back."""

    payment_id = PublicIdField("pay")
    amount = AmountField(required=False, help_text="When absent: the sum of the split, or all that is left.")
    reason = TextField(max_length=300, required=False)
    vendor_split = RefundSplitInput(  # type: ignore[call-arg]
        many=True,
        required=False,
        max_length=SPLIT_MAX,
        help_text="Which shares give how much; in proportion when absent. The merchant gives the rest.",
    )
    merchant_reference = TextField(max_length=100, required=False)
    account = RefundAccountInput(
        required=False,
        help_text="Where the money goes: required for payments by wire and check, refused for all others.",
    )
    metadata = MetadataField(required=False)


class AskAgain(StrictSerializer):
    """Why a refund is asked for again, and another account if the first was wrong."""

    reason = TextField(max_length=300)
    account = RefundAccountInput(
        required=False, help_text="Another account, for payments by wire and check; the first when absent."
    )


def amounts_by_share(split: list[dict[str, Any]]) -> dict[UUID, int]:
    """Return what each share gives, by share.

    :raises ValidationError: a share is named twice.
    """
    amounts = {line["transaction_id"]: line["amount"] for line in split}
    if len(amounts) < len(split):
        raise serializers.ValidationError({"vendor_split": ["a share is named twice"]})
    return amounts


class RefundShareShape(serializers.Serializer):
    """What one vendor gives back, and the commission returned to that vendor once the refund is completed."""

    transaction_id = serializers.CharField()
    vendor_id = serializers.CharField()
    amount = MoneyShape()
    commission_back = MoneyShape()


class FailureShape(serializers.Serializer):
    """Why the money was not given back."""

    code = serializers.CharField()
    message = serializers.CharField(allow_blank=True)


class RefundAccountShape(serializers.Serializer):
    """What may be shown of the account to which the money goes."""

    type = serializers.ChoiceField(["sepa", "ach", "wire"])
    country = serializers.CharField()
    last4 = serializers.CharField()


class RefundShape(serializers.Serializer):
    """A refund."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["refund"])
    number = serializers.CharField()
    status = serializers.ChoiceField(REFUND_STATUSES)
    amount = MoneyShape()
    payment_id = serializers.CharField()
    payment_number = serializers.CharField()
    order_id = serializers.CharField()
    customer_id = serializers.CharField()
    reason = serializers.CharField(allow_null=True)
    vendor_split = RefundShareShape(many=True)
    failure = FailureShape(allow_null=True)
    tries = serializers.IntegerField(help_text="1, and one more each time it was asked for again.")
    decision_reason = serializers.CharField(allow_null=True)
    provider = serializers.CharField()
    provider_reference = serializers.CharField(allow_null=True)
    account = RefundAccountShape(allow_null=True)
    merchant_reference = serializers.CharField(allow_null=True)
    metadata = serializers.DictField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    approved_at = serializers.DateTimeField(allow_null=True)
    processed_at = serializers.DateTimeField(allow_null=True, help_text="When the provider was asked for it.")
    closed_at = serializers.DateTimeField(allow_null=True)


RefundPage = page_of(RefundShape, "RefundPage")

CREATE_EXAMPLE: Final = {
    "payment_id": "pay_01kagm3c8qf3p8w0t5y5r4d2ne",
    "amount": 1000,
    "reason": "The scarf was torn.",
    "vendor_split": [{"transaction_id": "ptx_01kagm3c8qf3p8w0t5y5r4d2nf", "amount": 1000}],
}

REFUND_EXAMPLE: Final = {
    "id": "ref_01kagm9h2mfv7rdx3m3v4q8b1c",
    "object": "refund",
    "number": "REF-2026-000007",
    "status": "approved",
    "amount": usd(1000),
    "payment_id": "pay_01kagm3c8qf3p8w0t5y5r4d2ne",
    "payment_number": "PAY-2026-000123",
    "order_id": "order-1001",
    "customer_id": "carla",
    "reason": "The scarf was torn.",
    "vendor_split": [
        {
            "transaction_id": "ptx_01kagm3c8qf3p8w0t5y5r4d2nf",
            "vendor_id": "vnd_01kagm0xj7f0w9r7s5m3d2k8ha",
            "amount": usd(1000),
            "commission_back": usd(0),
        }
    ],
    "failure": None,
    "tries": 1,
    "decision_reason": None,
    "provider": "velocitypay",
    "provider_reference": None,
    "account": None,
    "merchant_reference": None,
    "metadata": {},
    "created_at": "2026-11-21T10:00:00.000Z",
    "approved_at": "2026-11-21T10:00:00.000Z",
    "processed_at": None,
    "closed_at": None,
}


def refund_example(**changes: Any) -> dict[str, Any]:
    """Return the example refund with some fields changed."""
    return {**REFUND_EXAMPLE, **changes}
