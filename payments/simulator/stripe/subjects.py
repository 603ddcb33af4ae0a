"""What a request is about, as fault scripts and test cards see it (faults.Subject)."""

import re
import sqlite3

from payments.simulator.errors import Refused
from payments.simulator.faults import Subject
from payments.simulator.stripe import books, cards, debits, forms
from payments.simulator.stripe.forms import Params

CONFIRMED = ("/v1/payment_intents", "/v1/setup_intents")
_IN_PATH = re.compile(r"/v1/payment_intents/(pi_\w+)/\w+")
_IN_QUERY = re.compile(r"""["'](op_[^"']+)["']$""")


def of_write(connection: sqlite3.Connection, operation: str, path: str, params: Params, key: str) -> Subject:
    """The subject of a POST: the card decides by the intent's charge, or by the token that is sent."""
    if not operation or (path in CONFIRMED and params.get("confirm") != "true"):
        return Subject("", key)  # a fault waits for the request that may move money
    reference = forms.mapping(params, "metadata").get("reference", "")
    in_path = _IN_PATH.fullmatch(path)
    intent_id = in_path[1] if in_path else params.get("payment_intent", "")
    token = params.get("payment_method") or _sent_token(params)
    scenario = _of_token(connection, str(token)) if token else ""
    try:
        intent = books.get(connection, "payment_intent", str(intent_id))
    except Refused:
        return Subject(operation, key, str(reference), str(token), scenario)
    reference = reference or intent.body["metadata"].get("reference", "")
    method = str(token) or intent.body["payment_method"] or ""
    if not scenario and method:
        scenario = _of_token(connection, method)
    return Subject(operation, key, str(reference), method, scenario)


def of_read(connection: sqlite3.Connection, kind: str, object_id: str, params: Params) -> Subject:
    """The subject of a GET: `find`, with the key that a search names or the reference of the object read."""
    in_query = _IN_QUERY.search(str(params.get("query", "")))
    intent_id = object_id if kind == "payment_intent" else str(params.get("payment_intent", ""))
    try:
        metadata = books.get(connection, "payment_intent", intent_id).body["metadata"]
    except Refused:
        metadata = {}
    return Subject("find", in_query[1] if in_query else "", str(metadata.get("reference", "")))


def _sent_token(params: Params) -> str:
    sent = forms.mapping(forms.mapping(params, "payment_method_data"), "card")
    return str(sent.get("token", ""))


def _of_token(connection: sqlite3.Connection, token: str) -> str:
    static = cards.of_token(token) or debits.BY_TOKEN.get(token)
    if static:
        return static.name
    row = connection.execute("SELECT kind FROM object WHERE id = ?", (token,)).fetchone()
    return str(books.get(connection, row["kind"], token).private.get("scenario", "")) if row else ""
