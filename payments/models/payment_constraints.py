"""What PostgreSQL refuses of a payment's row, whoever writes it: numbers once, amounts that nest (I-20), and
what may not be under way together."""

from typing import Final

from django.db import models
from django.db.models import F, Q

CONSTRAINTS: Final[list[models.BaseConstraint]] = [
    models.UniqueConstraint(fields=["merchant", "number"], name="payments_payment_number"),
    models.UniqueConstraint(
        fields=["merchant", "merchant_reference"],
        condition=Q(merchant_reference__isnull=False),
        name="payments_payment_merchant_reference",
    ),
    models.CheckConstraint(
        condition=Q(amount_minor__gt=0) & Q(currency__regex=r"^[A-Z]{3}$"),
        name="payments_payment_amount_positive",
    ),
    models.CheckConstraint(
        condition=Q(authorized_minor__gte=0, authorized_minor__lte=F("amount_minor")),
        name="payments_payment_authorized_within_amount",
    ),
    models.CheckConstraint(
        condition=Q(captured_minor__gte=0, capturing_minor__gte=0)
        & Q(authorized_minor__gte=F("captured_minor") + F("capturing_minor")),
        name="payments_payment_captured_within_authorized",
    ),
    models.CheckConstraint(
        condition=Q(is_voiding=False) | Q(capturing_minor=0),
        name="payments_payment_void_excludes_capture",
    ),
    models.CheckConstraint(
        condition=Q(increasing_minor=0)
        | Q(increasing_minor__gt=0, is_voiding=False, capturing_minor=0, captured_minor=0),
        name="payments_payment_increase_excludes_others",
    ),
    models.CheckConstraint(
        condition=~Q(capture_method="scheduled") | Q(capture_at__isnull=False),
        name="payments_payment_capture_has_its_date",
    ),
    models.CheckConstraint(
        condition=Q(refunded_minor__gte=0, refunding_minor__gte=0, disputed_minor__gte=0)
        & Q(captured_minor__gte=F("refunded_minor") + F("refunding_minor") + F("disputed_minor")),
        name="payments_payment_refunded_within_captured",
    ),
]
