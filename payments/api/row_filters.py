"""What every list of refunds and disputes can be narrowed by: when they were created, and currency."""

from typing import Any, Final, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.request import Request

from payments.api import payment_filters
from vendors.api.books.shapes import asked_for
from vendors.api.fields import CurrencyField, InstantField

Row = TypeVar("Row", bound=Model)

NAMES: Final = payment_filters.NAMES[:3]
PARAMETERS: Final = payment_filters.PARAMETERS[:3]
_CONDITIONS: Final = dict(zip(NAMES, ("created_at__gte", "created_at__lt", "currency"), strict=True))


def narrowed(request: Request, rows: "QuerySet[Row]") -> "QuerySet[Row]":
    """Return the rows that the query parameters leave.

    :raises ValidationError: one of them is not of its form.
    """
    asked = asked_for(
        request, created_from=InstantField(), created_to=InstantField(), currency=CurrencyField()
    )
    conditions: dict[str, Any] = {_CONDITIONS[name]: value for name, value in asked.items()}
    return rows.filter(**conditions)
