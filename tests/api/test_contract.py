"""The sponsor's contract and the API document: every path answers, every operation is described whole."""

import csv
import re
from typing import Any

import pytest
from django.urls import resolve
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from config import api
from tests.kit.shared import shared_file

METHODS = {"get", "post", "put", "patch", "delete"}
WHOLE = r"/api/v1/(payments|payment-methods|vault|payment-webhooks|refunds|accounts|transfers|holds|fx)/"
BUILT = {
    "PaymentMethodController": 9,
    "PaymentController": 12,
    "PaymentTransactionController": 9,
    "RefundController": 9,
    "PaymentWebhookController": 8,
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The API document, as it is served."""
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def contract(controllers: dict[str, int]) -> list[tuple[str, str, str]]:
    with shared_file("contract/endpoints.tsv").open() as file:
        found = list(csv.DictReader(file, delimiter="\t"))
    return [
        (row["controller"], row["method"], row["path"]) for row in found if row["controller"] in controllers
    ]


def snake(path: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: "_" + match.group(1).lower(), path)


class TestContract:
    def test_every_path_answers_with_and_without_the_slash(self) -> None:
        rows = contract(BUILT)
        assert len(rows) == sum(BUILT.values())
        for _, method, path in rows:
            filled = re.sub(r"\{(\w+)\}", "x", path)
            for form in (filled.rstrip("/"), filled.rstrip("/") + "/"):
                actions = resolve(form).func.actions
                assert method.lower() in actions, f"{method} {form}"

    def test_words_are_not_taken_for_ids(self) -> None:
        for _, method, path in contract(BUILT):
            action = resolve(re.sub(r"\{(\w+)\}", "x", path)).func.actions[method.lower()]
            row = next(
                route for route in api.ROUTES
                if (api.PREFIX + route.path, action) == (snake(path), route.actions.get(method.lower()))
            )  # fmt: skip
            assert row.path

    def test_the_document_has_the_contracts_own_form_of_each_path(self, document: dict[str, Any]) -> None:
        described = operations(document)
        for _, method, path in contract(BUILT):
            assert f"{method} {snake(path)}" in described


class TestDocument:
    def test_is_valid_openapi_3_1(self, document: dict[str, Any]) -> None:
        assert document["openapi"].startswith("3.1")
        validate_schema(document)

    def test_every_operation_has_a_summary_and_an_id_of_its_own(self, document: dict[str, Any]) -> None:
        described = operations(document)
        ids = [operation["operationId"] for operation in described.values()]
        assert len(ids) == len(set(ids))
        assert not [name for name, operation in described.items() if not operation.get("summary")]

    def test_every_operation_of_payments_and_refunds_is_described_whole(
        self, document: dict[str, Any]
    ) -> None:
        ours = {
            name: operation
            for name, operation in operations(document).items()
            if re.search(
                r"/api/v1/(payments|payment-methods|vault|payment-webhooks|refunds|accounts|transfers|holds|fx)/",
                name,
            )
        }
        assert len(ours) >= sum(BUILT.values())
        lacking = [f"{name}: {what}" for name, operation in ours.items() for what in _lacks(operation)]
        assert not lacking, "\n".join(lacking)


def _lacks(operation: dict[str, Any]) -> list[str]:
    lacks = [] if operation.get("description") else ["no description"]
    body = operation.get("requestBody")
    if body and not body["content"]["application/json"].get("examples"):
        lacks.append("no example of the request")
    for status, answer in operation["responses"].items():
        for kind, content in answer["content"].items():
            if not content.get("examples"):
                lacks.append(f"no example of {status}")
            if kind == "application/problem+json":
                codes = {example["value"]["code"] for example in content["examples"].values()}
                lacks += [
                    f"{status}: {code} is not named" for code in codes if code not in answer["description"]
                ]
    statuses = operation["responses"].keys()
    lacks += [f"no answer {status}" for status in ("401", "403", "429") if status not in statuses]
    return lacks
