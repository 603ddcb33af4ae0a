"""Lists by cursor: newest first, by the time-ordered key, so pages never skip or repeat when rows are added.

The cursor is the id of the last object seen. One that is malformed, or of another merchant, is 400.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.serializers import ErrorDetail

from ledger import ids
from ledger.errors import NotFound
from vendors.api.auth import principal_of

CURSOR: Final = "starting_after"
LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100
_NUMBER: Final = re.compile(r"[1-9]\d{0,2}", re.ASCII)


def page(
    request: Request,
    queryset: QuerySet[Any],
    *,
    prefix: str,
    render: Callable[[Any], dict[str, Any]],
    filters: tuple[str, ...] = (),
    key: str = "pk",
) -> dict[str, Any]:
    """Return one page: {"object", "data", "has_more", "next"}.

    `queryset` is the merchant's rows, filtered; the cursor need not pass the filter any more, but must be the
    merchant's. `filters` names the query parameters that the action has read itself, `key` the column of the
    public, time-ordered key where that is not the primary one.

    :raises ValidationError: unknown parameter, bad limit, or a cursor that is not there.
    """
    check_parameters(request, "limit", CURSOR, *filters)
    limit = limit_of(request)
    rows = queryset.order_by(f"-{key}")
    cursor = request.query_params.get(CURSOR)
    if cursor is not None:
        rows = rows.filter(**{f"{key}__lt": _cursor(request, queryset, prefix, key, cursor)})
    found = list(rows[: limit + 1])
    shown = found[:limit]
    has_more = len(found) > limit
    return {
        "object": "list",
        "data": [render(row) for row in shown],
        "has_more": has_more,
        "next": _next(request, ids.show(prefix, getattr(shown[-1], key))) if has_more else None,
    }


def first_page(
    request: Request, rows: Sequence[Any], *, prefix: str, render: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    """Return the first page of rows that are there already, the newest first, as `page` would.

    :raises ValidationError: unknown parameter, or bad limit.
    """
    check_parameters(request, "limit")
    limit = limit_of(request)
    shown, has_more = rows[:limit], len(rows) > limit
    return {
        "object": "list",
        "data": [render(row) for row in shown],
        "has_more": has_more,
        "next": _next(request, ids.show(prefix, shown[-1].pk)) if has_more else None,
    }


def check_parameters(request: Request, *known: str) -> None:
    """Refuse query parameters that the action does not know, and those that come twice.

    :raises ValidationError: naming them.
    """
    wrong = {
        name: [ErrorDetail("there is no such parameter, or it comes twice", code="unknown_field")]
        for name, values in request.query_params.lists()
        if name not in known or len(values) > 1
    }
    if wrong:
        raise ValidationError(wrong)


def limit_of(request: Request) -> int:
    """Return how many rows are asked for.

    :raises ValidationError: not a number from 1 to LIMIT_MAX.
    """
    text = request.query_params.get("limit", str(LIMIT_DEFAULT))
    if not _NUMBER.fullmatch(text) or int(text) > LIMIT_MAX:
        raise _bad("limit", f"must be a number from 1 to {LIMIT_MAX}")
    return int(text)


def _cursor(request: Request, queryset: QuerySet[Any], prefix: str, key: str, text: str) -> Any:
    try:
        value = ids.parse(prefix, text)
    except NotFound as error:
        raise _bad("starting_after", f"must be an id that begins with {prefix}_") from error
    own = queryset.model._default_manager.filter(
        **{key: value}, merchant_id=principal_of(request).merchant.pk
    )
    if not own.exists():
        raise _bad("starting_after", "must be the id of an object of an earlier page")
    return value


def _next(request: Request, cursor: str) -> str:
    parameters = {**request.query_params.dict(), "starting_after": cursor}
    return f"{request.path}?{urlencode(parameters)}"


def _bad(name: str, detail: str) -> ValidationError:
    return ValidationError({name: [ErrorDetail(detail, code="invalid_parameter")]})
