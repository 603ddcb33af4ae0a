"""What lists of shares, refunds and disputes are narrowed by: when they were created, currency, status."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from payments.api import payment_filters
from vendors.api.base import MerchantViewSet
from vendors.api.books.shapes import asked_for
from vendors.api.fields import CurrencyField, InstantField, WordField
from vendors.api.openapi import query_text

Row = TypeVar("Row", bound=Model)

NAMES: Final = payment_filters.NAMES[:3]
NAMES_WITH_STATUS: Final = (*NAMES, "status")
PARAMETERS: Final = payment_filters.PARAMETERS[:3]
_CONDITIONS: Final = dict(
    zip(NAMES_WITH_STATUS, ("created_at__gte", "created_at__lt", "currency", "state"), strict=True)
)


def status_parameter(statuses: Sequence[str]) -> OpenApiParameter:
    """Describe the filter by status."""
    return query_text("status", "With this status.", statuses)


def narrowed(request: Request, rows: "QuerySet[Row]", statuses: Sequence[str] = ()) -> "QuerySet[Row]":
    """Return the rows that the query parameters leave; by status too where `statuses` are given.

    :raises ValidationError: one of them is not of its form.
    """
    known: dict[str, Any] = {
        "created_from": InstantField(), "created_to": InstantField(), "currency": CurrencyField(),
    }  # fmt: skip
    if statuses:
        known["status"] = WordField(statuses)
    conditions = {_CONDITIONS[name]: value for name, value in asked_for(request, **known).items()}
    return rows.filter(**conditions)


def page(
    view: MerchantViewSet,
    rows: "QuerySet[Row]",
    statuses: Sequence[str] = (),
    *,
    prefix: str,
    render: Callable[[Row], dict[str, Any]],
) -> HttpResponse:
    """Return a page of the rows that the query parameters leave; by status too where `statuses` are given.

    :raises ValidationError: one of them is not of its form.
    """
    names = NAMES_WITH_STATUS if statuses else NAMES
    return view.page(narrowed(view.request, rows, statuses), prefix=prefix, render=render, filters=names)
