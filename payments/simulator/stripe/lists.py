"""Reading: objects by id, lists (newest first, by parent and time), search by metadata, expansion."""

import re
import sqlite3
from typing import Any

from payments.simulator import objects
from payments.simulator.objects import Body, Record
from payments.simulator.stripe import books, forms
from payments.simulator.stripe.books import Page
from payments.simulator.stripe.desk import Desk, Done
from payments.simulator.stripe.errors import StripeRefused
from payments.simulator.stripe.forms import Params

EXPANSIONS_MAX = 4
PARENTS = {
    "payment_intent": (),
    "setup_intent": ("customer", "payment_method"),
    "customer": (),
    "payment_method": ("customer",),
    "charge": ("payment_intent",),
    "refund": ("charge", "payment_intent"),
    "dispute": ("charge", "payment_intent"),
    "balance_transaction": ("source",),
    "payout": (),
    "event": (),
}
PLURALS = {"balance_transaction": "balance_transactions", "dispute": "disputes", "event": "events"}
_QUERY = re.compile(r"""metadata\[["']([^"']{1,40})["']\]:["']([^"']{1,500})["']""")


def retrieve(desk: Desk, kind: str, object_id: str) -> Done:
    """GET /v1/{kind}s/{id}."""
    return Done(200, desk.get(kind, object_id).body)


def listed(desk: Desk, kind: str, params: Params) -> Done:
    """GET /v1/{kind}s: `limit`, `starting_after`, `created[gte|lte]`, the parents of the kind, `type`; and
    for balance transactions the `payout` that paid them out.
    """
    own = ("payout",) if kind == "balance_transaction" else ()
    forms.known(params, (*PARENTS[kind], *own, "limit", "starting_after", "created", "type", "expand"))
    limit = forms.integer(params, "limit", 10)
    if not 1 <= limit <= books.PAGE_MAX:
        raise StripeRefused(400, "parameter_invalid_integer", "limit is 1 to 100", param="limit")
    created = forms.mapping(params, "created")
    wanted = Page(
        limit,
        forms.text(params, "starting_after", ""),
        forms.integer(created, "gte") if "gte" in created else None,
        forms.integer(created, "lte") + 1 if "lte" in created else None,
    )
    parents = _parents(desk, kind, params)
    payout = desk.get("payout", forms.text(params, "payout"), "payout").id if "payout" in params else ""
    found, has_more = (
        ([], False) if parents == [""] else books.page(desk.connection, kind, wanted, parents, payout)
    )
    rows = [record.body for record in found if params.get("type") in (None, record.body.get("type"))]
    return _list(kind, rows, has_more)


def search(desk: Desk, params: Params) -> Done:
    """GET /v1/payment_intents/search: `metadata["name"]:"value"`; it lags behind, as Stripe's does."""
    forms.known(params, ("query", "limit", "page", "expand"))
    query = _QUERY.fullmatch(forms.text(params, "query").strip())
    if query is None:
        raise StripeRefused(400, "", "The sandbox searches by one metadata term", param="query")
    until = desk.now - desk.rules.search_lag_seconds
    found = objects.labelled(desk.connection, "payment_intent", query[1], query[2], until)
    rows: list[Body] = [record.body for record in found]
    url = "/v1/payment_intents/search"
    body = {"object": "search_result", "url": url, "has_more": False, "next_page": None, "data": rows}
    return Done(200, body)


def expanded(connection: sqlite3.Connection, body: Body, params: Params) -> Body:
    """The body with the ids that `expand` names replaced by their objects.

    :raises StripeRefused: deeper than four levels.
    """
    paths = params.get("expand") or []
    for path in paths if isinstance(paths, list) else [paths]:
        parts = str(path).split(".")
        if len(parts) > EXPANSIONS_MAX:
            raise StripeRefused(400, "", "You cannot expand more than 4 levels", param="expand")
        body = _expand(connection, body, parts)
    return body


def _expand(connection: sqlite3.Connection, value: Any, parts: list[str], *, is_source: bool = False) -> Any:
    if isinstance(value, list):
        return [_expand(connection, one, parts) for one in value]
    if not isinstance(value, dict) or not parts:
        return value
    name, rest = parts[0], parts[1:]
    if name not in value and is_source:
        return value  # of the many kinds that a source may be, not all have every part
    if name not in value:
        raise StripeRefused(400, "", f"This property cannot be expanded ({name}).", param="expand")
    inner = value[name]
    if isinstance(inner, str):
        row = connection.execute("SELECT kind FROM object WHERE id = ?", (inner,)).fetchone()
        inner = books.get(connection, row["kind"], inner).body if row else inner
    return {**value, name: _expand(connection, inner, rest, is_source=name == "source")}


def _parents(desk: Desk, kind: str, params: Params) -> list[str]:
    """The ids whose children are asked for; [""] when a parent has none of them."""
    given = {name: forms.text(params, name) for name in PARENTS[kind] if name in params}
    if not given:
        return []
    if "payment_intent" in given and kind in ("refund", "dispute"):
        intent = given["payment_intent"]
        found: list[Record] = objects.of_parent(desk.connection, "charge", intent)
        return [charge.id for charge in found] or [""]
    return list(given.values())


def _list(kind: str, rows: list[Body], has_more: bool) -> Done:
    url = f"/v1/{PLURALS.get(kind, f'{kind}s')}"
    return Done(200, {"object": "list", "url": url, "has_more": has_more, "data": rows})
