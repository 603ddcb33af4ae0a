"""The API document against itself: requests made from it, in process, never meet a server error.

Schemathesis makes bodies, parameters and headers that fit the document and such that do not. Every answer
must be one that the document names, of its shape. The short run is part of the fast suite; the long one is
marked slow.
"""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application
from tests.factories import payments as rows
from tests.factories import vendors as factory
from tests.kit.network import Network
from vendors.models import Merchant

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SHORT, LONG = 8, 400


@pytest.fixture
def wsgi_schema(network: Network) -> Any:
    """The document of the running application."""
    return schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)


schema = schemathesis.pytest.from_fixture("wsgi_schema").include(path_regex=r"^/api/v1/(payments|refunds)/")


@pytest.fixture
def authorization(northwind: Merchant) -> str:
    """A key with every scope of a merchant who has one captured payment."""
    rows.captured_payment(northwind, shares=((factory.create_vendor(northwind, "Ada"), 6_000, 600),))
    return f"Bearer {factory.create_api_key(northwind)[1]}"


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.django_db(transaction=True)
@schema.parametrize()
@_settings(SHORT)
def test_some_requests_meet_no_server_error(case: Any, authorization: str) -> None:
    case.call_and_validate(headers={"Authorization": authorization}, checks=CHECKS)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@schema.parametrize()
@_settings(LONG)
def test_many_requests_meet_no_server_error(case: Any, authorization: str) -> None:
    case.call_and_validate(headers={"Authorization": authorization}, checks=CHECKS)
