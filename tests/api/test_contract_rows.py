"""Controllers 1, 2, 3, 4 and 11 of the sponsor's contract: every row answers as it is described.

The rows stand in `tests/kit/contract`. Here each is called over HTTP; its answer is held against the API
document, against what the row says, and against what every row must do. A row of the contract that is not in
the table fails, and so does the absence of the contract itself: this file is what "done" means.
"""

import csv
import re
from typing import Any

import pytest
from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator

from ledger.ids import show, uuid7
from tests.factories import vendors as factory
from tests.kit.api_client import FRESH, MerchantClient
from tests.kit.checkout import Till
from tests.kit.contract import (
    NOWHERE,
    Call,
    Row,
    Scene,
    get,
    methods,
    payments,
    refunds,
    transactions,
    webhooks,
)
from tests.kit.contract.document import unlike, whole
from tests.kit.shared import ROOT
from tests.kit.shop import Shop
from vendors import scopes
from vendors.models import Merchant, Vendor

pytestmark = pytest.mark.django_db

ROWS = [*payments.ROWS, *methods.ROWS, *transactions.ROWS, *refunds.ROWS, *webhooks.ROWS]
EACH = pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
CASES = [
    pytest.param(row, stage, id=f"{row.name}: {name}")
    for row in ROWS
    for name, stage in {"good": row.stage, **row.others}.items()
]


@pytest.fixture
def scene(shop: Shop, northwind: Merchant, ada: Vendor, bruno: Vendor) -> Scene:
    return Scene(shop, Till(shop.client, northwind), northwind, ada, bruno)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The API document, strict: every object has all its properties and no others."""
    found: dict[str, Any] = whole(SchemaGenerator().get_schema(request=None, public=True))
    return found


def send(
    row: Row, call: Call, client: MerchantClient, *, query: str = "", key: str | None = FRESH
) -> HttpResponse:
    path = row.path.format(**call.names) + (f"?{query}" if query else "")
    if row.method == "GET":
        return client.get(path)
    return client.send(row.method, path, call.body, key=key if row.key else None)


def data(response: HttpResponse) -> list[str]:
    assert response.status_code == 200, response.content[:500]
    return [found["id"] for found in response.json()["data"]]


def snake(path: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: "_" + match.group(1).lower(), path)


def test_every_row_of_the_contract_is_in_the_table() -> None:
    found = [parent / "shared/contract/endpoints.tsv" for parent in ROOT.parents]
    path = next((path for path in found if path.is_file()), None)
    assert path is not None, (
        "THE CONTRACT IS ABSENT: ../shared/contract/endpoints.tsv is not beside this checkout"
    )
    ours = {row.controller for row in ROWS}
    with path.open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["controller"] in ours]
    wanted = sorted((row["controller"], f"{row['method']} {row['path']}") for row in rows)
    assert sorted((row.controller, row.name) for row in ROWS) == wanted
    assert len(wanted) == 47


class TestAnswers:
    @pytest.mark.parametrize(("row", "stage"), CASES)
    def test_as_described(self, scene: Scene, document: dict[str, Any], row: Row, stage: Any) -> None:
        call = stage(scene)
        response = send(row, call, scene.shop.client)
        assert response.status_code == call.status, response.content[:800]
        body = response.json()
        assert unlike(document, row.method, snake(row.path), call.status, body) == []
        for path, value in call.says.items():
            told = get(body, path)
            assert value(told) if callable(value) else told == value, f"{path} is {told!r}"
        if call.rows is not None:
            _pages(row, call, scene, body)


def _pages(row: Row, call: Call, scene: Scene, body: dict[str, Any]) -> None:
    """A list: all of it, page by page, narrowed by everything it can be narrowed by."""
    client = scene.shop.client
    assert [found["id"] for found in body["data"]] == call.rows
    assert (body["object"], body["has_more"], body["next"]) == ("list", False, None)
    first = send(row, call, client, query="limit=1").json()
    assert ([found["id"] for found in first["data"]], first["has_more"]) == (call.rows[:1], True)
    assert data(client.get(first["next"])) == call.rows[1:]
    for query in row.keeps:
        assert data(send(row, call, client, query=query)) == call.rows, query
        paged = send(row, call, client, query=f"limit=1&{query}").json()
        assert data(client.get(paged["next"])) == call.rows[1:], query
    for query in row.drops:
        assert data(send(row, call, client, query=query)) == [], query
    for query in ("limit=0", "limit=101", "colour=red", "starting_after=x", *row.wrong):
        refused = send(row, call, client, query=query)
        assert refused.status_code == 400, query
        assert refused.json()["param"] == query.partition("=")[0]


@EACH
def test_refuses_by_name_does_nothing_then_and_repeats_its_answer(scene: Scene, row: Row) -> None:
    call, client, key = row.stage(scene), scene.shop.client, uuid7().hex
    _by_who_asks(row, call, scene.northwind)
    _by_what_is_sent(row, call, client)
    first = send(row, call, client, key=key)
    assert first.status_code == call.status, first.content[:500]  # none of those did anything
    if row.key:
        _by_its_key(row, call, client, key, first)


def _by_who_asks(row: Row, call: Call, merchant: Merchant) -> None:
    """Nobody, a key that lacks the scope, another merchant: his object is like one that is nowhere."""
    lacking = MerchantClient(factory.create_api_key(merchant, sorted(scopes.SCOPES - {row.scope}))[1])
    for client, status, code in (
        (MerchantClient(None), 401, "not_authenticated"), (lacking, 403, "scope_missing"),
    ):  # fmt: skip
        refused = send(row, call, client)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    if not call.names:
        return
    southwind = MerchantClient(factory.create_api_key(factory.create_merchant("Southwind"))[1])
    nowhere = {name: _nowhere(name, value) for name, value in call.names.items()}
    for names in (call.names, nowhere):
        answer = send(row, Call(names, call.body), southwind)
        if row.missing:
            assert (answer.status_code, answer.json()["code"]) == (404, row.missing), answer.content
        else:
            assert data(answer) == []


def _by_what_is_sent(row: Row, call: Call, client: MerchantClient) -> None:
    """Every bad field is named, with advice; a body that is not strict JSON is refused."""
    for change, param in row.bad:
        refused = send(row, Call(call.names, {**(call.body or {}), **change}), client)
        assert refused.status_code == 400, (change, refused.content[:300])
        body = refused.json()
        assert (body["param"], bool(body["advice"])) == (param, True), (change, body)
        assert param in [error["param"] for error in body["errors"]]
    for raw in (b"[]", b"{", b'{"a": 1, "a": 2}') if row.bad else ():
        assert send(row, Call(call.names, raw), client).status_code == 400


def _by_its_key(row: Row, call: Call, client: MerchantClient, key: str, first: HttpResponse) -> None:
    """The same key has the same answer, byte for byte, and no other request; some cannot do without."""
    again = send(row, call, client, key=key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again["Idempotency-Replayed"] == "true"
    other = send(row, Call(call.names, {**(call.body or {}), "reason": "another"}), client, key=key)
    reused, unread = (422, "idempotency_key_reused"), (400, "unknown_field")
    assert (other.status_code, other.json()["code"]) in (reused, unread)
    if row.key == "required":
        keyless = send(row, call, client, key=None)
        assert (keyless.status_code, keyless.json()["code"]) == (400, "idempotency_key_missing")


def _nowhere(name: str, value: str) -> str:
    prefix, has_id, _ = value.partition("_")
    if has_id and len(value) == len(show(prefix, uuid7())):
        return f"{prefix}_{NOWHERE}"
    return value if name in ("methodType", "status") else "nowhere"
