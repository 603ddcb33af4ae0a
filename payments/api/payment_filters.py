"""What every list of payments can be narrowed by: when they were created, currency, method, capture.

A payment's id is made before the payment is, at most as long before as a request may be completed late. So a
period bounds the ids too, and a page is read from the index of the merchant's payments at the right place.
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from payments.models import Payment
from payments.models.payment_choices import CaptureMethod, MethodType
from payments.states import PAYMENT_STATUSES
from vendors.api.books.shapes import asked_for
from vendors.api.fields import CurrencyField, InstantField, WordField
from vendors.api.openapi import query_text

COMPLETED_LATE_AT_MOST: Final = timedelta(days=31)  # longer than an Idempotency-Key is kept
NAMES: Final = ("created_from", "created_to", "currency", "method", "capture_method")


def _parameter(name: str, text: str, form: Any = OpenApiTypes.STR) -> OpenApiParameter:
    return OpenApiParameter(name, form, OpenApiParameter.QUERY, description=text)


STATUS: Final = query_text("status", "With this status.", PAYMENT_STATUSES)
PARAMETERS: Final = (
    _parameter("created_from", "Created at this moment or later (RFC 3339).", OpenApiTypes.DATETIME),
    _parameter("created_to", "Created before this moment (RFC 3339).", OpenApiTypes.DATETIME),
    _parameter("currency", "In this currency (ISO 4217)."),
    _parameter("method", "Paid with this method.", {"type": "string", "enum": [*MethodType.values]}),
    _parameter(
        "capture_method", "Captured in this way.", {"type": "string", "enum": [*CaptureMethod.values]}
    ),
)


def narrowed(request: Request, rows: "QuerySet[Payment]") -> "QuerySet[Payment]":
    """Return the rows that the query parameters leave.

    :raises ValidationError: one of them is not of its form.
    """
    asked = asked_for(
        request,
        created_from=InstantField(),
        created_to=InstantField(),
        currency=CurrencyField(),
        method=WordField(MethodType.values),
        capture_method=WordField(CaptureMethod.values),
    )
    conditions: dict[str, Any] = {}
    if (begins := asked.get("created_from")) is not None:
        conditions |= {"created_at__gte": begins, "pk__gte": _first_id(begins - COMPLETED_LATE_AT_MOST)}
    if (ends := asked.get("created_to")) is not None:
        conditions |= {"created_at__lt": ends, "pk__lt": _first_id(ends + timedelta(seconds=1))}
    columns = {"currency": "currency", "method": "method_type", "capture_method": "capture_method"}
    conditions |= {column: asked[name] for name, column in columns.items() if name in asked}
    return rows.filter(**conditions)


def _first_id(at: datetime) -> UUID:
    """Return a bound below every time-ordered id (UUIDv7) of a moment and later."""
    return UUID(int=max(0, int(at.timestamp() * 1_000)) << 80)
