"""What controller 10 reads and writes: input serializers, shapes for the API document, and examples."""

from typing import Any, Final

from rest_framework import serializers

from settlements.states import BatchState, PayoutState
from vendors.api.fields import AmountField, CurrencyField, DayField, PublicIdField, StrictSerializer
from vendors.api.openapi import page_example, page_of

VENDOR_ID: Final = "vnd_01kagm3c8qf3p8w0t5y5r4d2ne"


class CreateSettlement(StrictSerializer):
    """Close a settlement of all that is pending for a vendor in a currency."""

    vendor_id = PublicIdField("vnd")
    currency = CurrencyField()
    business_date = DayField(required=False, help_text="The day it belongs to; today (UTC) when absent.")


class CommissionQuery(StrictSerializer):
    """A sale to preview."""

    vendor_id = PublicIdField("vnd")
    amount = AmountField()
    currency = CurrencyField()


class AmountShape(serializers.Serializer):
    """An amount in whole minor units with its ISO 4217 currency; it may be negative."""

    amount = serializers.IntegerField()
    currency = serializers.CharField()


class PayoutShape(serializers.Serializer):
    """A bank transfer to the vendor; `id` is the EndToEndId on the bank's statement."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["payout"])
    status = serializers.ChoiceField(PayoutState.values)
    attempt = serializers.IntegerField()
    amount = AmountShape()
    account_last4 = serializers.CharField()
    provider = serializers.CharField()
    provider_reference = serializers.CharField(allow_null=True)
    failure_code = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)


class SettlementShape(serializers.Serializer):
    """A settlement: net = gross - commission - refunds + other - recovered."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["settlement"])
    number = serializers.CharField()
    status = serializers.ChoiceField(BatchState.values)
    vendor_id = serializers.CharField()
    business_date = serializers.DateField()
    sequence = serializers.IntegerField(help_text="Counts the settlements of one day, from 1.")
    gross = AmountShape()
    commission = AmountShape()
    refunds = AmountShape()
    other = AmountShape()
    recovered = AmountShape(help_text="What the vendor owed from earlier refunds and pays back now.")
    net = AmountShape()
    items = serializers.IntegerField()
    payout = PayoutShape(allow_null=True, help_text="The last payout, when there is one.")
    created_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)


class OpenReckoningShape(serializers.Serializer):
    """What a settlement closed now would say."""

    gross = AmountShape()
    commission = AmountShape()
    refunds = AmountShape()
    other = AmountShape()
    recovered = AmountShape()
    net = AmountShape()
    items = serializers.IntegerField()


class CurrencyInfoShape(serializers.Serializer):
    """Where a vendor's money of one currency is."""

    currency = serializers.CharField()
    open = OpenReckoningShape()
    available = AmountShape(help_text="Settled, not yet sent.")
    in_transit = AmountShape(help_text="Sent or paid, not yet on the bank's statement.")
    paid = AmountShape(help_text="Shown by the bank's statements, in all.")
    receivable = AmountShape(help_text="What the vendor owes.")
    last_settlement_id = serializers.CharField(allow_null=True)


class SettlementInfoShape(serializers.Serializer):
    """A vendor's settlements at a glance."""

    object = serializers.ChoiceField(["settlement_info"])
    vendor_id = serializers.CharField()
    vendor_status = serializers.CharField()
    currencies = CurrencyInfoShape(many=True)


class CommissionPreviewShape(serializers.Serializer):
    """What the platform would keep of a sale now."""

    object = serializers.ChoiceField(["commission_preview"])
    vendor_id = serializers.CharField()
    amount = AmountShape()
    commission = AmountShape()
    net = AmountShape()
    rate_bps = serializers.IntegerField()
    fixed = AmountShape()
    rule_id = serializers.CharField(allow_null=True)


SettlementPage = page_of(SettlementShape, "SettlementPage")


def eur(minor: int) -> dict[str, Any]:
    """Return an example amount."""
    return {"amount": minor, "currency": "EUR"}


CREATE_EXAMPLE: Final = {"vendor_id": VENDOR_ID, "currency": "EUR", "business_date": "2026-11-21"}
PAYOUT_EXAMPLE: Final = {
    "id": "po_01kagm5d0zkd3v6v1e7f5w8m2q",
    "object": "payout",
    "status": "paid",
    "attempt": 1,
    "amount": eur(81_000),
    "account_last4": "3000",
    "provider": "velocitypay",
    "provider_reference": "trf_5d1a8f0b2c3d4e5f60718293",
    "failure_code": None,
    "created_at": "2026-11-21T23:10:00.000Z",
    "paid_at": "2026-11-21T23:10:00.412Z",
}
SETTLEMENT_EXAMPLE: Final = {
    "id": "set_01kagm4x3hcm8gk0b8a5e4f7zt",
    "object": "settlement",
    "number": "SET-2026-000017",
    "status": "closed",
    "vendor_id": VENDOR_ID,
    "business_date": "2026-11-21",
    "sequence": 1,
    "gross": eur(100_000),
    "commission": eur(9_000),
    "refunds": eur(10_000),
    "other": eur(0),
    "recovered": eur(0),
    "net": eur(81_000),
    "items": 37,
    "payout": None,
    "created_at": "2026-11-21T23:05:00.000Z",
    "paid_at": None,
}
PAID_EXAMPLE: Final = {
    **SETTLEMENT_EXAMPLE,
    "status": "paid",
    "payout": PAYOUT_EXAMPLE,
    "paid_at": PAYOUT_EXAMPLE["paid_at"],
}
PAYING_EXAMPLE: Final = {
    **SETTLEMENT_EXAMPLE,
    "status": "paying",
    "payout": {**PAYOUT_EXAMPLE, "status": "created", "provider_reference": None, "paid_at": None},
}
FAILED_EXAMPLE: Final = {
    **SETTLEMENT_EXAMPLE,
    "payout": {**PAYOUT_EXAMPLE, "status": "failed", "failure_code": "account_closed", "paid_at": None},
}
INFO_EXAMPLE: Final = {
    "object": "settlement_info",
    "vendor_id": VENDOR_ID,
    "vendor_status": "active",
    "currencies": [
        {
            "currency": "EUR",
            "open": {
                "gross": eur(5_000),
                "commission": eur(500),
                "refunds": eur(0),
                "other": eur(0),
                "recovered": eur(0),
                "net": eur(4_500),
                "items": 2,
            },
            "available": eur(0),
            "in_transit": eur(81_000),
            "paid": eur(240_000),
            "receivable": eur(0),
            "last_settlement_id": "set_01kagm4x3hcm8gk0b8a5e4f7zt",
        }
    ],
}
COMMISSION_EXAMPLE: Final = {
    "object": "commission_preview",
    "vendor_id": VENDOR_ID,
    "amount": eur(10_000),
    "commission": eur(1_250),
    "net": eur(8_750),
    "rate_bps": 1250,
    "fixed": eur(0),
    "rule_id": "01938d5b-9a1e-7b42-8a53-7d4f0e1c2b3a",
}
PAGE_EXAMPLE: Final = page_example(SETTLEMENT_EXAMPLE)
