"""Controller: vendors. A marketplace takes its sellers in, looks at them and at what they are owed."""

from typing import Any, Final
from uuid import UUID

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from ledger import clock, ids
from ledger.errors import NotFound
from ledger.money import AMOUNT_MAX, BPS_WHOLE
from vendors import selectors
from vendors.api.base import MerchantViewSet
from vendors.api.fields import (
    CurrencyField,
    IbanField,
    MetadataField,
    StrictSerializer,
    TextField,
    WholeNumberField,
)
from vendors.api.openapi import (
    PAGE_PARAMETERS,
    Answer,
    Body,
    documented,
    page_example,
    page_of,
    path_id,
)
from vendors.models import Vendor
from vendors.models.vendors import VendorNotFound
from vendors.services import onboarding
from vendors.services.onboarding import (
    BadCommission,
    CommissionTerms,
    MerchantInactive,
    NewVendor,
    VendorExists,
)

TAG: Final = "vendors"
COUNTRY: Final = r"[A-Z]{2}"
ACCOUNT_SHOWN: Final = 4
EXAMPLE: Final = {
    "external_id": "seller-17",
    "name": "Ada's Books",
    "category": "books",
    "payout_destination": {"holder": "Ada Lovelace", "iban": "DE89370400440532013000", "country": "DE"},
    "commission": {"rate_bps": 1250, "fixed_minor": 30, "currency": "EUR"},
    "metadata": {"tier": "gold"},
}
ID: Final = path_id("id", "vnd", "The vendor")
SHOWN: Final = {
    "id": "vnd_01kagm3c8qf3p8w0t5y5r4d2ne",
    "object": "vendor",
    "external_id": "seller-17",
    "name": "Ada's Books",
    "category": "books",
    "status": "active",
    "payout_destination": {"holder": "Ada Lovelace", "account_last4": "3000", "country": "DE"},
    "metadata": {"tier": "gold"},
    "created_at": "2026-11-21T10:00:00.000000Z",
}
OWED: Final = {
    "object": "vendor_balance",
    "vendor_id": SHOWN["id"],
    "balances": [{"currency": "EUR", "pending": 12990, "available": 0, "receivable": 0}],
}


class PayoutDestinationIn(StrictSerializer):
    """Where a vendor's money goes."""

    holder = TextField(70)
    iban = IbanField()
    country = TextField(2, pattern=COUNTRY)


class CommissionIn(StrictSerializer):
    """What the platform keeps of the vendor's sales; a fixed part needs its currency."""

    rate_bps = WholeNumberField(minimum=0, maximum=BPS_WHOLE)
    fixed_minor = WholeNumberField(minimum=0, maximum=AMOUNT_MAX, required=False, default=0)
    currency = CurrencyField(required=False, default="")


class VendorIn(StrictSerializer):
    """A vendor to take in."""

    external_id = TextField(64)
    name = TextField(120)
    category = TextField(60, required=False, default="")
    payout_destination = PayoutDestinationIn()
    commission = CommissionIn(required=False, default=None)
    metadata = MetadataField(required=False, default=dict)


class PayoutDestinationOut(serializers.Serializer):
    """Where a vendor's money goes, with the end of the account only."""

    holder = serializers.CharField()
    account_last4 = serializers.CharField()
    country = serializers.CharField()


class VendorOut(serializers.Serializer):
    """A vendor."""

    id = serializers.CharField()
    object = serializers.CharField()
    external_id = serializers.CharField()
    name = serializers.CharField()
    category = serializers.CharField()
    status = serializers.CharField()
    payout_destination = PayoutDestinationOut()
    metadata = serializers.DictField(child=serializers.CharField())
    created_at = serializers.DateTimeField()


class CurrencyBalance(serializers.Serializer):
    """What a vendor is owed in one currency, in minor units."""

    currency = serializers.CharField()
    pending = serializers.IntegerField()
    available = serializers.IntegerField()
    receivable = serializers.IntegerField()


class VendorBalance(serializers.Serializer):
    """What a vendor is owed, per currency."""

    object = serializers.CharField()
    vendor_id = serializers.CharField()
    balances = CurrencyBalance(many=True)


VendorPage = page_of(VendorOut, "VendorPage")


class VendorViewSet(MerchantViewSet):
    """The merchant's vendors."""

    scopes = {
        "create": "vendors:write",
        "list": "vendors:read",
        "retrieve": "vendors:read",
        "balance": "vendors:read",
    }

    @documented(
        operation_id="vendors_create",
        tag=TAG,
        summary="Take a vendor in",
        description="A vendor of a sandbox merchant is active at once. The account is shown by its end only.",
        body=Body(VendorIn, EXAMPLE),
        answers={201: Answer(VendorOut, SHOWN, "The vendor.")},
        errors=[VendorExists, BadCommission, MerchantInactive],
        key="required",
    )
    def create(self, request: Request) -> HttpResponse:
        values = self.read(VendorIn)
        terms = values["commission"]
        new = NewVendor(
            external_id=values["external_id"],
            name=values["name"],
            category=values["category"],
            payout_destination=dict(values["payout_destination"]),
            commission=CommissionTerms(**terms) if terms else None,
            metadata=values["metadata"],
        )
        vendor = onboarding.create_vendor(
            merchant_id=self.merchant.pk,
            new=new,
            vendor_id=self.effect_id,
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(shown, 201),
        )
        return self.finish(vendor)

    @documented(
        operation_id="vendors_list",
        tag=TAG,
        summary="List vendors, newest first",
        description="All vendors of the merchant, by cursor.",
        answers={200: Answer(VendorPage, page_example(SHOWN), "One page.")},
        parameters=PAGE_PARAMETERS,
    )
    def list(self, request: Request) -> HttpResponse:
        return self.page(selectors.vendors(self.merchant.pk), prefix=Vendor.PREFIX, render=shown)

    @documented(
        operation_id="vendors_retrieve",
        tag=TAG,
        summary="Get a vendor",
        description="A vendor of another merchant is not found.",
        answers={200: Answer(VendorOut, SHOWN, "The vendor.")},
        errors=[VendorNotFound],
        parameters=[ID],
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        return self.reply(shown(selectors.vendor(self.merchant.pk, _key(id))))

    @documented(
        operation_id="vendors_balance",
        tag=TAG,
        summary="Get what a vendor is owed, per currency",
        description="Minor units; `pending` is not settled yet, `receivable` is what the vendor owes.",
        answers={200: Answer(VendorBalance, OWED, "The balances; none before the first sale.")},
        errors=[VendorNotFound],
        parameters=[ID],
    )
    def balance(self, request: Request, id: str) -> HttpResponse:
        vendor = selectors.vendor(self.merchant.pk, _key(id))
        found = selectors.vendor_balances(self.merchant.pk, vendor.pk)
        return self.reply(
            {
                "object": "vendor_balance",
                "vendor_id": vendor.public_id,
                "balances": [
                    {
                        "currency": owed.currency,
                        "pending": owed.pending.minor,
                        "available": owed.available.minor,
                        "receivable": owed.receivable.minor,
                    }
                    for owed in found
                ],
            }
        )


def shown(vendor: Vendor) -> dict[str, Any]:
    """Return a vendor as the API shows him."""
    destination = vendor.payout_destination
    return {
        "id": vendor.public_id,
        "object": "vendor",
        "external_id": vendor.external_id,
        "name": vendor.name,
        "category": vendor.category,
        "status": vendor.state,
        "payout_destination": {
            "holder": destination["holder"],
            "account_last4": destination["iban"][-ACCOUNT_SHOWN:],
            "country": destination["country"],
        },
        "metadata": vendor.metadata,
        "created_at": vendor.occurred_at,
    }


def _key(text: str) -> UUID:
    try:
        return ids.parse(Vendor.PREFIX, text)
    except NotFound as error:
        # The same answer as for an id that names nothing: nothing is learnt by guessing.
        raise VendorNotFound("the merchant has no such vendor", param="vendor_id") from error
