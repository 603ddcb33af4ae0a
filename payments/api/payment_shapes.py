"""What controller 1 reads and writes: input serializers, shapes for the API document, and examples."""

from ipaddress import ip_address
from typing import Any, Final

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers

from payments.models.payment_choices import (
    CAPTURE_METHODS_ASKED,
    Authentication,
    CaptureMethod,
    Exemption,
    LiabilityShift,
    MethodType,
)
from payments.providers.declines import RetryLater, RetryNow
from payments.rules.share_division import WEIGHT_MAX
from payments.states import PAYMENT_STATUSES, PAYMENT_TRANSACTION_STATUSES
from vendors.api.fields import (
    AmountField,
    FlagField,
    InstantField,
    MetadataField,
    MoneyField,
    PublicIdField,
    StrictSerializer,
    TextField,
    WholeNumberField,
    WordField,
)
from vendors.api.openapi import page_of

SPLIT_MAX: Final = 100


class IpField(TextField):
    """An IPv4 or IPv6 address."""

    default_error_messages = {"address": "must be an IP address"}

    def __init__(self, **options: Any) -> None:
        super().__init__(45, **options)

    def to_internal_value(self, data: Any) -> str:
        try:
            return str(ip_address(super().to_internal_value(data)))
        except ValueError:
            self.fail("address")
            raise


class SplitInput(StrictSerializer):
    """One vendor's share of a new payment."""

    vendor_id = PublicIdField("vnd")
    amount = AmountField(required=False, help_text="Minor units of the payment's currency.")
    weight = WholeNumberField(
        minimum=1, maximum=WEIGHT_MAX, required=False,
        help_text="In the place of an amount: lines with weights divide all that the amounts leave.",
    )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("amount" in attrs) == ("weight" in attrs):
            raise serializers.ValidationError({"amount": ["give either an amount or a weight"]})
        return attrs


class MethodInput(StrictSerializer):
    """What the customer pays with: a token made by the network's own form, never a card number."""

    type = WordField(MethodType.values)
    token = TextField(max_length=100)


class MethodField(serializers.Field):
    """A stored method by its id (`pm_…`), or what the customer pays with just now."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._stored, self._given = PublicIdField("pm"), MethodInput()

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, str):
            return {"id": self._stored.run_validation(data)}
        values: dict[str, Any] = self._given.run_validation(data)
        return values

    def to_representation(self, value: Any) -> Any:
        return value


class MethodSchema(OpenApiSerializerFieldExtension):
    """An id, or an object."""

    target_class = "payments.api.payment_shapes.MethodField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        given = auto_schema.resolve_serializer(MethodInput(), direction).ref
        stored = {"type": "string", "pattern": "^pm_[0-9a-hjkmnp-tv-z]{26}$"}
        return {"oneOf": [stored, given], "description": "A stored method's id, or a provider's token."}


class CustomerInput(StrictSerializer):
    """What is known of the customer at this moment; it helps the fraud screening."""

    email = TextField(max_length=254, required=False)
    ip = IpField(required=False)
    country = TextField(2, pattern="[A-Z]{2}", required=False)


class CreatePayment(StrictSerializer):
    """A new payment."""

    amount = MoneyField()
    order_id = TextField(max_length=100)
    customer_id = TextField(max_length=100)
    payment_method = MethodField()
    capture_method = WordField([method.value for method in CAPTURE_METHODS_ASKED], required=False)
    vendor_split = SplitInput(many=True, required=False, max_length=SPLIT_MAX)  # type: ignore[call-arg]
    merchant_reference = TextField(max_length=100, required=False)
    description = TextField(max_length=500, required=False)
    metadata = MetadataField(required=False)
    customer = CustomerInput(required=False)
    confirm = FlagField(required=False, help_text="Pay in the same request.")
    capture_at = InstantField(required=False, help_text="When to capture, with capture_method scheduled.")
    scheduled_date = InstantField(required=False, help_text="When to pay; the payment waits until then.")
    return_url = TextField(
        500,
        required=False,
        pattern=r"(https://|http://(localhost|127\.0\.0\.1)[:/])[!-~]+",
        help_text="Where the customer goes after a challenge.",
    )
    exemption = WordField(Exemption.values, required=False, help_text="Why no challenge should be needed.")


class CapturePayment(StrictSerializer):
    """How much to take."""

    amount = AmountField(required=False, help_text="All that is left when absent.")
    final = FlagField(required=False, help_text="Give the rest up; nothing more is captured.")


class IncreasePayment(StrictSerializer):
    """How much more to reserve."""

    amount = AmountField()


class Reason(StrictSerializer):
    """Why."""

    reason = TextField(max_length=300)


class OptionalReason(StrictSerializer):
    """Why, if you like."""

    reason = TextField(max_length=300, required=False)


class Nothing(StrictSerializer):
    """An empty object, or no body."""


# --- shapes of answers ----------------------------------------------------------------------------------
class MoneyShape(serializers.Serializer):
    """An amount in whole minor units with its ISO 4217 currency."""

    amount = serializers.IntegerField()
    currency = serializers.CharField()


class PaymentMethodShape(serializers.Serializer):
    """What the customer pays with, as far as it may be shown."""

    id = serializers.CharField(allow_null=True, help_text="The stored method, when it is one.")
    type = serializers.ChoiceField(MethodType.values)
    brand = serializers.CharField(allow_null=True)
    last4 = serializers.CharField(allow_null=True)


class SplitLineShape(serializers.Serializer):
    """One vendor's share of a payment."""

    id = serializers.CharField()
    vendor_id = serializers.CharField()
    amount = MoneyShape()
    commission = MoneyShape()
    captured = MoneyShape()
    refunded = MoneyShape()
    status = serializers.ChoiceField(PAYMENT_TRANSACTION_STATUSES)


class DeclineShape(serializers.Serializer):
    """Why the provider said no, and what may be done: now by the customer, later by the merchant alone."""

    code = serializers.CharField(help_text="Our own word for the reason, the same at every provider.")
    message = serializers.CharField()
    advice = serializers.CharField(help_text="What to tell the customer.")
    retry_later = serializers.BooleanField(help_text="Whether a later try without the customer may help.")
    retry_now = serializers.ChoiceField(
        [one.value for one in RetryNow],
        help_text="Another try in the same checkout: no; at the same provider; at another; at any; "
        "or after the customer's authentication (challenge).",
    )
    retry_when = serializers.ChoiceField(
        [one.value for one in RetryLater], help_text="When a later try may help."
    )
    retry_at = serializers.DateTimeField(
        allow_null=True,
        help_text="From when a later try makes sense and the card schemes allow it; null: it makes none.",
    )


class FraudShape(serializers.Serializer):
    """What the screening said."""

    decision = serializers.CharField(allow_null=True)
    level = serializers.CharField(allow_null=True)
    reasons = serializers.ListField(child=serializers.JSONField())


class NextActionShape(serializers.Serializer):
    """What the customer must do now: go to `url`, from where the provider sends them to `return_url`, or
    pay as `instructions` say.
    """

    type = serializers.ChoiceField(["redirect_to_url", "show_instructions"])
    url = serializers.CharField(allow_null=True)
    instructions = serializers.DictField(child=serializers.CharField(), allow_null=True)
    return_url = serializers.CharField(allow_null=True)
    expires_at = serializers.DateTimeField()


class AuthenticationShape(serializers.Serializer):
    """What became of the customer's authentication, and who bears a dispute for fraud."""

    result = serializers.ChoiceField(Authentication.values, allow_null=True)
    liability_shift = serializers.ChoiceField(LiabilityShift.values, allow_null=True)
    exemption = serializers.ChoiceField(Exemption.values, allow_null=True)


class PaymentShape(serializers.Serializer):
    """A payment."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["payment"])
    number = serializers.CharField()
    status = serializers.ChoiceField(PAYMENT_STATUSES)
    next_action = NextActionShape(allow_null=True)
    amount = MoneyShape()
    authorized = MoneyShape()
    capturable = MoneyShape(help_text="What may be captured now.")
    captured = MoneyShape()
    refunded = MoneyShape()
    refundable = MoneyShape(help_text="Captured, and neither refunded, promised to a refund, nor disputed.")
    disputed = MoneyShape(help_text="Withdrawn by disputes and not given back.")
    order_id = serializers.CharField()
    customer_id = serializers.CharField()
    payment_method = PaymentMethodShape()
    authentication = AuthenticationShape(allow_null=True)
    capture_method = serializers.ChoiceField(CaptureMethod.values)
    capture_at = serializers.DateTimeField(allow_null=True)
    scheduled_date = serializers.DateTimeField(allow_null=True)
    vendor_split = SplitLineShape(many=True)
    decline = DeclineShape(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    fraud = FraudShape()
    provider = serializers.CharField()
    provider_reference = serializers.CharField(allow_null=True)
    merchant_reference = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_null=True)
    metadata = serializers.DictField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    authorized_at = serializers.DateTimeField(allow_null=True)
    captured_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(
        allow_null=True, help_text="When it was completed, cancelled, failed, rejected, reversed or lapsed."
    )


PaymentPage = page_of(PaymentShape, "PaymentPage")


# --- examples -------------------------------------------------------------------------------------------
def usd(minor: int) -> dict[str, Any]:
    """Return an example amount."""
    return {"amount": minor, "currency": "USD"}


CREATE_EXAMPLE: Final = {
    "amount": usd(4999),
    "order_id": "order-1001",
    "customer_id": "carla",
    "payment_method": {"type": "card", "token": "vpt_4242424242424242"},
    "capture_method": "manual",
    "vendor_split": [
        {"vendor_id": "vnd_01kagm0xj7f0w9r7s5m3d2k8ha", "amount": 3000},
        {"vendor_id": "vnd_01kagm0xj7f0w9r7s5m3d2k8hb", "amount": 1500},
    ],
    "metadata": {"basket": "7"},
}

PAYMENT_EXAMPLE: Final = {
    "id": "pay_01kagm3c8qf3p8w0t5y5r4d2ne",
    "object": "payment",
    "number": "PAY-2026-000123",
    "status": "authorized",
    "next_action": None,
    "amount": usd(4999),
    "authorized": usd(4999),
    "capturable": usd(4999),
    "captured": usd(0),
    "refunded": usd(0),
    "refundable": usd(0),
    "disputed": usd(0),
    "order_id": "order-1001",
    "customer_id": "carla",
    "payment_method": {"id": None, "type": "card", "brand": "visa", "last4": "4242"},
    "authentication": None,
    "capture_method": "manual",
    "capture_at": None,
    "scheduled_date": None,
    "vendor_split": [
        {
            "id": "ptx_01kagm3c8qf3p8w0t5y5r4d2nf",
            "vendor_id": "vnd_01kagm0xj7f0w9r7s5m3d2k8ha",
            "amount": usd(3000),
            "commission": usd(300),
            "captured": usd(0),
            "refunded": usd(0),
            "status": "pending",
        }
    ],
    "decline": None,
    "reason": None,
    "fraud": {"decision": "approve", "level": "LOW", "reasons": []},
    "provider": "velocitypay",
    "provider_reference": "auth_9f2c",
    "merchant_reference": None,
    "description": None,
    "metadata": {"basket": "7"},
    "created_at": "2026-11-21T09:00:00.000Z",
    "authorized_at": "2026-11-21T09:00:01.000Z",
    "captured_at": None,
    "expires_at": "2026-11-28T09:00:01.000Z",
    "closed_at": None,
}


def payment_example(**changes: Any) -> dict[str, Any]:
    """Return the example payment with some fields changed."""
    return {**PAYMENT_EXAMPLE, **changes}


DECLINE_EXAMPLE: Final = {
    "code": "insufficient_funds",
    "message": "There is not enough money on the account.",
    "advice": "Tell the customer; try again in some days.",
    "retry_later": True,
    "retry_now": "no",
    "retry_when": "pay_day",
    "retry_at": "2026-02-01T10:00:00.000Z",
}
