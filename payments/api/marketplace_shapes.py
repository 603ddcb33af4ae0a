"""What the controller of marketplace payments reads and writes, and how one looks."""

from typing import Any, Final

from rest_framework import serializers

from ledger.ids import show
from payments.api.payment_shapes import CustomerInput, MethodField, MoneyShape, usd
from payments.api.renderings import instant
from payments.models import Saga, SagaStep
from payments.models.payment_choices import Exemption
from payments.models.sagas import Direction, StepName
from payments.rules.share_division import WEIGHT_MAX
from payments.saga_selectors import in_order
from payments.states import SAGA_STATUSES, SAGA_STEP_STATUSES
from vendors.api.fields import (
    AmountField,
    MetadataField,
    MoneyField,
    PublicIdField,
    StrictSerializer,
    TextField,
    WholeNumberField,
    WordField,
)
from vendors.api.openapi import page_of

SELLERS_MAX: Final = 50


class SellerInput(StrictSerializer):
    """One seller's part: an amount, or a weight in what the amounts and the fee leave."""

    vendor_id = PublicIdField("vnd")
    amount = AmountField(required=False, help_text="Minor units of the payment's currency.")
    weight = WholeNumberField(minimum=1, maximum=WEIGHT_MAX, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("amount" in attrs) == ("weight" in attrs):
            raise serializers.ValidationError({"amount": ["give either an amount or a weight"]})
        return attrs


class CreateMarketplacePayment(StrictSerializer):
    """A buyer's payment to several sellers; parts and fee come to the whole amount."""

    amount = MoneyField()
    order_id = TextField(max_length=100)
    customer_id = TextField(max_length=100)
    payment_method = MethodField()
    sellers = SellerInput(many=True, min_length=1, max_length=SELLERS_MAX)  # type: ignore[call-arg]
    marketplace_fee = AmountField(
        required=False, help_text="Minor units that the marketplace keeps beside its commission."
    )
    merchant_reference = TextField(max_length=100, required=False)
    description = TextField(max_length=500, required=False)
    metadata = MetadataField(required=False)
    customer = CustomerInput(required=False)
    return_url = TextField(
        500,
        required=False,
        pattern=r"(https://|http://(localhost|127\.0\.0\.1)[:/])[!-~]+",
        help_text="Where the customer goes after a challenge.",
    )
    exemption = WordField(Exemption.values, required=False)


class StepShape(serializers.Serializer):
    """A step that does something, or that undoes it."""

    position = serializers.IntegerField()
    name = serializers.ChoiceField(StepName.values)
    direction = serializers.ChoiceField(Direction.values)
    status = serializers.ChoiceField(SAGA_STEP_STATUSES)
    vendor_id = serializers.CharField(allow_null=True)
    amount = MoneyShape()
    tries = serializers.IntegerField(help_text="How often it was refused.")
    note = serializers.CharField(allow_null=True, help_text="What came of it.")
    started_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)


class MarketplacePaymentShape(serializers.Serializer):
    """A buyer's payment to several sellers, and the steps by which it is carried out or undone."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["marketplace_payment"])
    status = serializers.ChoiceField(SAGA_STATUSES)
    payment_id = serializers.CharField()
    amount = MoneyShape()
    marketplace_fee = MoneyShape()
    fee_held = MoneyShape()
    allocated = MoneyShape()
    reason = serializers.CharField(allow_null=True)
    steps = StepShape(many=True)
    created_at = serializers.DateTimeField()
    deadline_at = serializers.DateTimeField(help_text="It is undone when it is not captured by then.")
    closed_at = serializers.DateTimeField(allow_null=True)


MarketplacePaymentPage = page_of(MarketplacePaymentShape, "MarketplacePaymentPage")

CREATE_EXAMPLE: Final = {
    "amount": usd(10_000),
    "order_id": "order-1001",
    "customer_id": "carla",
    "payment_method": {"type": "card", "token": "vpt_4242424242424242"},
    "sellers": [
        {"vendor_id": "vnd_01kagm0xj7f0w9r7s5m3d2k8ha", "weight": 2},
        {"vendor_id": "vnd_01kagm0xj7f0w9r7s5m3d2k8hb", "weight": 1},
    ],
    "marketplace_fee": 400,
}


def _step(position: int, name: str, amount: int, vendor_id: str | None = None) -> dict[str, Any]:
    return {
        "position": position,
        "name": name,
        "direction": "forward",
        "status": "planned",
        "vendor_id": vendor_id,
        "amount": usd(amount),
        "tries": 0,
        "note": None,
        "started_at": None,
        "closed_at": None,
    }


EXAMPLE: Final = {
    "id": "mkp_01kagm3c8qf3p8w0t5y5r4d2nf",
    "object": "marketplace_payment",
    "status": "running",
    "payment_id": "pay_01kagm3c8qf3p8w0t5y5r4d2ne",
    "amount": usd(10_000),
    "marketplace_fee": usd(400),
    "fee_held": usd(0),
    "allocated": usd(0),
    "reason": None,
    "steps": [
        _step(0, "authorize", 10_000),
        _step(1, "hold_fee", 400),
        _step(2, "allocate", 6_400, "vnd_01kagm0xj7f0w9r7s5m3d2k8ha"),
        _step(3, "allocate", 3_200, "vnd_01kagm0xj7f0w9r7s5m3d2k8hb"),
        _step(4, "capture", 10_000),
        _step(5, "prove", 10_000),
    ],
    "created_at": "2026-11-21T09:00:00.000Z",
    "deadline_at": "2026-11-28T09:00:00.000Z",
    "closed_at": None,
}


def example(**changes: Any) -> dict[str, Any]:
    """Return the example with some fields changed."""
    return {**EXAMPLE, **changes}


def marketplace_payment(row: Saga) -> dict[str, Any]:
    """Return a marketplace payment as merchants see it; its steps are loaded with it."""
    return {
        "id": row.public_id,
        "object": "marketplace_payment",
        "status": row.state,
        "payment_id": show("pay", row.payment_id),
        "amount": row.amount.as_json(),
        "marketplace_fee": row.money(row.fee_minor).as_json(),
        "fee_held": row.money(row.fee_held_minor).as_json(),
        "allocated": row.money(row.allocated_minor).as_json(),
        "reason": row.reason or None,
        "steps": [_step_of(row, step) for step in in_order(row.step_rows)],
        "created_at": instant(row.created_at),
        "deadline_at": instant(row.deadline_at),
        "closed_at": instant(row.closed_at),
    }


def _step_of(row: Saga, step: SagaStep) -> dict[str, Any]:
    return {
        "position": step.position,
        "name": step.name,
        "direction": step.direction,
        "status": step.state,
        "vendor_id": None if step.vendor_id is None else show("vnd", step.vendor_id),
        "amount": row.money(step.amount_minor).as_json(),
        "tries": step.tries,
        "note": step.note or None,
        "started_at": instant(step.started_at),
        "closed_at": instant(step.closed_at),
    }
