"""The API document against itself: requests made from it, in process, never meet a server error.

Schemathesis makes bodies, parameters and headers that fit the document and such that do not. Every answer
must be one that the document names, of its shape. The short run is part of the fast suite; the long one is
marked slow.
"""

from typing import Any

import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application
from ledger import clock
from ledger.money import Money
from tests.factories import payments as rows
from tests.factories import vendors as factory
from tests.kit import fx
from tests.kit.network import Network
from vendors.models import Merchant

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SHORT, LONG = 4, 400
PATHS = r"^/api/v1/(payments|payment-webhooks|refunds|accounts|transfers|holds|fx)/"


# The document is made when the tests are collected: one test for each operation of it.
schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
schema.app = application
OPERATIONS = [
    pytest.param(found.ok(), id=found.ok().label)
    for found in schema.include(path_regex=PATHS).get_all_operations()
]


@pytest.fixture
def authorization(northwind: Merchant, network: Network) -> str:
    """A key with every scope of a merchant who has one captured payment."""
    fx.two_sources(clock.now())
    fx.fund(northwind.pk, Money(1_000_000, "USD"))
    rows.captured_payment(northwind, shares=((factory.create_vendor(northwind, "Ada"), 6_000, 600),))
    return f"Bearer {factory.create_api_key(northwind)[1]}"


def fuzz(operation: Any, authorization: str, examples: int) -> None:
    """Send requests that fit the document, then such that do not; each answer must be a documented one."""
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def run(case: Any) -> None:
            headers = {"Authorization": authorization}
            case.call_and_validate(headers=headers, checks=CHECKS)

        run()


@pytest.mark.django_db(transaction=True)
class TestDocumentedRequests:
    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_some_meet_no_server_error(self, operation: Any, authorization: str) -> None:
        fuzz(operation, authorization, SHORT)

    @pytest.mark.slow
    @pytest.mark.timeout(1200)
    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_many_meet_no_server_error(self, operation: Any, authorization: str) -> None:
        fuzz(operation, authorization, LONG)
