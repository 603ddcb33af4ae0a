"""Merchant: the business that calls the API; the tenant to which every other row belongs."""

from uuid import UUID

from django.db import models
from django.db.models.functions import Now

from ledger.errors import Forbidden, Invalid, NotFound
from ledger.ids import show, uuid7


class MerchantNotFound(NotFound):
    """No such merchant."""

    code = "merchant_not_found"


class MerchantInactive(Forbidden):
    """The merchant may not act now."""

    code = "merchant_inactive"
    advice = "Ask the platform why; what was begun before is finished."


class BadNoticeAddress(Invalid):
    """Not an address to which mail can be sent."""

    code = "notice_address_invalid"
    advice = "Give one address such as payments@shop.example, or none."


class Mode(models.TextChoices):
    """Whether money is pretended or real."""

    SANDBOX = "sandbox", "Sandbox"
    LIVE = "live", "Live"


class CaptureMethod(models.TextChoices):
    """When an authorized payment is captured, unless the payment says otherwise."""

    AUTOMATIC = "automatic", "Automatic"
    MANUAL = "manual", "Manual"


class CommissionOnReturn(models.TextChoices):
    """What becomes of the commission on money that goes back by a refund or a dispute."""

    GIVEN_BACK = "given_back", "Given back to the vendor"
    KEPT = "kept", "Kept"


class DisputeBearer(models.TextChoices):
    """Who bears what a dispute takes."""

    VENDORS = "vendors", "The vendors, each by its share"
    MERCHANT = "merchant", "The merchant alone"


class Merchant(models.Model):
    """A tenant: its mode, whether it may act, and its defaults.

    `refund_approval_above` maps a currency to the amount in minor units above which a refund needs a second
    person; a currency that is not in it needs none. `refund_senior_above` is the amount above which that
    person must be a senior one.
    """

    PREFIX = "mer"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    mode = models.CharField(max_length=8, choices=Mode, default=Mode.SANDBOX)
    is_active = models.BooleanField(default=True)
    refund_approval_above = models.JSONField(default=dict, blank=True)
    refund_senior_above = models.JSONField(default=dict, blank=True)
    commission_on_return = models.CharField(
        max_length=12, choices=CommissionOnReturn, default=CommissionOnReturn.GIVEN_BACK
    )
    dispute_bearer = models.CharField(max_length=12, choices=DisputeBearer, default=DisputeBearer.VENDORS)
    capture_method = models.CharField(
        max_length=10, choices=CaptureMethod, default=CaptureMethod.AUTOMATIC, verbose_name="default capture"
    )
    notice_address = models.EmailField(max_length=254, blank=True)  # where notices go by mail; none without
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(mode__in=Mode.values), name="vendors_merchant_mode_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        return show(self.PREFIX, self.id)

    @property
    def merchant_id(self) -> UUID:
        """Itself: the audit log names the merchant of what was acted upon."""
        return self.id
