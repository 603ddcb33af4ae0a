"""Filters of lists that never scan a table for the values it holds.

Django's own filter for a text column asks for its distinct values: a scan of all payments for each page. The
values here are known beforehand: a machine's states, the chart's codes, the kinds that are registered.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from ledger.models import Account
from ledger.states import Machine

Values = Iterable[str] | Callable[[], Iterable[str]]


def one_of(field: str, values: Values, title: str = "") -> type[admin.SimpleListFilter]:
    """Return a filter of a column by values known beforehand, or told by a function when asked."""

    class OneOf(admin.SimpleListFilter):
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            known = values() if callable(values) else values
            return [(value, value.replace("_", " ")) for value in known]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            return queryset.filter(**{field: self.value()}) if self.value() else queryset

    OneOf.title = title or field.replace("_", " ")
    return OneOf


def state_of(model: type[Model]) -> type[admin.SimpleListFilter]:
    """Return a filter by the states of a model's machine."""
    machine: Machine = model._meta.get_field("state").machine  # type: ignore[union-attr]
    return one_of("state", machine.states())


def _currencies() -> list[str]:
    # Whatever moved has an account, and there are few accounts beside what they hold.
    return sorted(Account.objects.values_list("currency", flat=True).distinct())


currency = one_of("currency", _currencies)
"""A filter by the currencies that the books know."""
