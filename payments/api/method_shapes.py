"""What controller 2 reads and writes: input serializers, shapes for the API document, examples, rendering."""

from typing import Any, Final

from rest_framework import serializers

from ledger import clock
from payments import states
from payments.api.renderings import instant
from payments.models import PaymentMethod
from payments.models.methods import ACCOUNT_TYPES, CRYPTO_NETWORKS, Verification
from payments.models.payment_choices import MethodType
from payments.services.methods.revealing_methods import Revealed
from vendors.api.fields import (
    FlagField,
    MetadataField,
    PublicIdField,
    StrictSerializer,
    TextField,
    WholeNumberField,
    WordField,
)
from vendors.api.openapi import page_of
from vendors.api.preconditions import etag, tagged

WALLETS: Final = ("apple_pay", "google_pay", "paypal")
PLANS: Final = ("affirm", "afterpay", "klarna", "paypal_later")
ENCRYPTED_MAX: Final = 4_096
WAYS: Final = (Verification.ZERO_AMOUNT.value, Verification.MICRO_DEPOSITS.value)
TOLD_STATUSES: Final = (states.PENDING, states.VERIFIED, states.FAILED)


class DetailsInput(StrictSerializer):
    """An account in clear; which fields belong to which type is told in docs/encrypting-cards.md."""

    holder = TextField(70, required=False)
    iban = TextField(42, required=False)
    mandate_reference = TextField(35, required=False)
    routing_number = TextField(9, required=False)
    account_number = TextField(42, required=False)
    account_type = WordField(ACCOUNT_TYPES, required=False)
    bic = TextField(11, required=False)
    network = WordField(CRYPTO_NETWORKS, required=False)
    address = TextField(100, required=False)


class ProviderTokenInput(StrictSerializer):
    """A method that a provider holds: its token, and what may be shown of it."""

    provider = TextField(32, pattern="[a-z0-9_]+")
    token = TextField(255)
    brand = TextField(32, required=False)
    last4 = TextField(4, pattern="[A-Za-z0-9]{4}", required=False)
    exp_month = WholeNumberField(minimum=1, maximum=12, required=False)
    exp_year = WholeNumberField(minimum=2000, maximum=2100, required=False)
    wallet = WordField(WALLETS, required=False)
    plan = WordField(PLANS, required=False)
    instalments = WholeNumberField(minimum=2, maximum=36, required=False)


class AddMethod(StrictSerializer):
    """A new payment method: exactly one of `encrypted`, `details` and `provider_token`."""

    customer_id = TextField(100)
    type = WordField(MethodType.values)
    encrypted = TextField(
        ENCRYPTED_MAX, required=False, help_text="What the customer's browser encrypted for us (ev1.…)."
    )
    details = DetailsInput(required=False)
    provider_token = ProviderTokenInput(required=False)
    default = FlagField(required=False, help_text="Make it the customer's default; the first one always is.")
    verify = FlagField(required=False, help_text="Ask the customer's bank at once, reserving nothing.")
    metadata = MetadataField(required=False)


class ChangeVerification(StrictSerializer):
    """Start a verification (pending), tell the deposits' amounts, or tell the outcome of your own checks."""

    status = WordField(TOLD_STATUSES)
    verification = WordField(WAYS, required=False)
    amounts = serializers.ListField(
        child=WholeNumberField(minimum=1, maximum=99), min_length=2, max_length=2, required=False
    )
    reason = TextField(300, required=False)


class Detokenize(StrictSerializer):
    """Which method, for whose key, and why."""

    payment_method = PublicIdField("pm")
    public_key = TextField(88, help_text="A point of P-256, uncompressed, in base64url.")
    reason = TextField(300)


# --- shapes of answers ----------------------------------------------------------------------------------
class ExpiryShape(serializers.Serializer):
    """A card's last month."""

    month = serializers.IntegerField()
    year = serializers.IntegerField()


class VerificationShape(serializers.Serializer):
    """How it was, or is being, verified, and why it failed."""

    method = serializers.ChoiceField([value for value in Verification.values if value], allow_null=True)
    code = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    wrong_amounts = serializers.IntegerField()
    verified_at = serializers.DateTimeField(allow_null=True)


class MethodShape(serializers.Serializer):
    """A payment method, as far as it may be shown."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["payment_method"])
    customer_id = serializers.CharField()
    type = serializers.ChoiceField(MethodType.values)
    status = serializers.ChoiceField(states.PAYMENT_METHOD_STATUSES)
    default = serializers.BooleanField()
    token = serializers.CharField(allow_null=True)
    fingerprint = serializers.CharField(allow_null=True)
    brand = serializers.CharField(allow_null=True)
    last4 = serializers.CharField(allow_null=True)
    bin = serializers.CharField(allow_null=True)
    expiry = ExpiryShape(allow_null=True)
    expired = serializers.BooleanField()
    holder = serializers.CharField(allow_null=True)
    country = serializers.CharField(allow_null=True)
    institution = serializers.CharField(allow_null=True)
    details = serializers.DictField(child=serializers.CharField())
    verification = VerificationShape()
    metadata = serializers.DictField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    removed_at = serializers.DateTimeField(allow_null=True)


class RevealedShape(serializers.Serializer):
    """What a method stands for, encrypted for the key that was given (rv1.…)."""

    object = serializers.ChoiceField(["detokenized"])
    payment_method = serializers.CharField()
    token = serializers.CharField()
    encrypted = serializers.CharField()


MethodPage = page_of(MethodShape, "PaymentMethodPage")


def rendered(row: PaymentMethod) -> dict[str, Any]:
    """Return a payment method as merchants see it."""
    return {
        "id": row.public_id,
        "object": "payment_method",
        "customer_id": row.customer_ref,
        "type": row.kind,
        "status": row.state,
        "default": row.is_default,
        "token": row.vault_token or None,
        "fingerprint": row.fingerprint or None,
        "brand": row.brand or None,
        "last4": row.last4 or None,
        "bin": row.bin or None,
        "expiry": {"month": row.exp_month, "year": row.exp_year} if row.exp_year else None,
        "expired": row.is_expired(clock.now()),
        "holder": row.holder or None,
        "country": row.country or None,
        "institution": row.institution or None,
        "details": row.details,
        "verification": {
            "method": row.verification or None,
            "code": row.verification_code or None,
            "reason": row.reason or None,
            "wrong_amounts": row.verification_tries,
            "verified_at": instant(row.verified_at),
        },
        "metadata": row.metadata,
        "created_at": instant(row.created_at),
        "removed_at": instant(row.removed_at),
    }


def tag(row: PaymentMethod) -> str:
    """Return the entity tag of a payment method as merchants see it; that it has lapsed changes no row."""
    return etag(row.public_id, row.version, "expired" if row.is_expired(clock.now()) else "")


shown: Final = tagged(rendered, tag)


def revealed(row: Revealed) -> dict[str, Any]:
    """Return what was handed out."""
    return {
        "object": "detokenized",
        "payment_method": row.method.public_id,
        "token": row.method.vault_token,
        "encrypted": row.encrypted,
    }


# --- examples -------------------------------------------------------------------------------------------
ADD_EXAMPLE: Final = {
    "customer_id": "carla",
    "type": "card",
    "encrypted": "ev1.vek_01kagm3c8qf3p8w0t5y5r4d2ne.BG3x….9s0C….Zm9v…",
    "verify": True,
}

METHOD_EXAMPLE: Final = {
    "id": "pm_01kagm3c8qf3p8w0t5y5r4d2ne",
    "object": "payment_method",
    "customer_id": "carla",
    "type": "card",
    "status": "verified",
    "default": True,
    "token": "tok_mfrggzdfmztwq2lknnwg23tpobyxe43u",
    "fingerprint": "fpr_orsxg5bnmzuw4z3fojyhe2lo",
    "brand": "visa",
    "last4": "4242",
    "bin": "42424242",
    "expiry": {"month": 12, "year": 2030},
    "expired": False,
    "holder": "Carla Jung",
    "country": None,
    "institution": None,
    "details": {},
    "verification": {
        "method": "zero_amount",
        "code": None,
        "reason": None,
        "wrong_amounts": 0,
        "verified_at": "2026-11-21T09:00:01.000Z",
    },
    "metadata": {},
    "created_at": "2026-11-21T09:00:00.000Z",
    "removed_at": None,
}

REVEALED_EXAMPLE: Final = {
    "object": "detokenized",
    "payment_method": METHOD_EXAMPLE["id"],
    "token": METHOD_EXAMPLE["token"],
    "encrypted": "rv1.BCqB….p0aT….c2Vj…",
}


def method_example(**changes: Any) -> dict[str, Any]:
    """Return the example method with some fields changed."""
    return {**METHOD_EXAMPLE, **changes}
