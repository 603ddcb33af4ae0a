"""What every controller must refuse and repeat, as classes to inherit from (ten lines a controller).

A test class writes `request_of(client, **options)`, which sends the request in question;
`refused_scopes` are the scopes of a key that may not do it.
"""

from typing import Any

import pytest
from django.http import HttpResponse

from tests.factories import vendors as factory
from tests.kit.api_client import MerchantClient
from vendors.models import Merchant


def code_of(response: HttpResponse) -> tuple[int, str]:
    """Return the status and the code of a problem."""
    assert response["Content-Type"] == "application/problem+json", response.content[:300]
    return response.status_code, response.json()["code"]


def problem(response: HttpResponse, status: int, code: str) -> dict[str, Any]:
    """Return a problem's body, which must have this status and code."""
    assert code_of(response) == (status, code), response.content[:300]
    body: dict[str, Any] = response.json()
    return body


class _Case:
    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        """Send the request that the case is about; `options` (key=…) go to the client."""
        raise NotImplementedError


@pytest.mark.django_db
class AnonymousIsRefused(_Case):
    """Without a key, with a wrong key: 401."""

    def test_refuses_a_caller_without_a_key(self) -> None:
        assert code_of(self.request_of(MerchantClient(None))) == (401, "not_authenticated")

    def test_refuses_a_key_that_is_not_ours(self) -> None:
        stranger = MerchantClient("sk_test_000000000000_" + "x" * 43)
        assert code_of(self.request_of(stranger)) == (401, "authentication_failed")


@pytest.mark.django_db
class WrongScopeIsRefused(_Case):
    """With a key of the merchant that lacks the scope: 403."""

    refused_scopes: list[str] = ["books:read"]

    def test_refuses_a_key_without_the_scope(self, northwind: Merchant) -> None:
        key = factory.create_api_key(northwind, self.refused_scopes)[1]
        assert code_of(self.request_of(MerchantClient(key))) == (403, "scope_missing")


@pytest.mark.django_db
class OtherTenantIsHidden(_Case):
    """With the key of another merchant: 404, as for an id that names nothing."""

    def test_another_merchants_object_is_not_found(self) -> None:
        southwind = factory.create_merchant("Southwind")
        response = self.request_of(MerchantClient(factory.create_api_key(southwind)[1]))
        assert response.status_code == 404, response.content[:300]
        assert response.json()["code"].endswith("not_found")


@pytest.mark.django_db
class IdempotentReplay(_Case):
    """The same request again has the same answer, byte for byte; without a key it is refused."""

    def effects(self) -> int:
        """Count what the request makes."""
        raise NotImplementedError

    def test_repeats_its_answer_and_not_its_effect(self, merchant_client: MerchantClient) -> None:
        first = self.request_of(merchant_client, key="the-same-key")
        assert first.status_code < 300, first.content[:300]
        assert "Idempotency-Replayed" not in first.headers
        made = self.effects()
        again = self.request_of(merchant_client, key="the-same-key")
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again["Idempotency-Replayed"] == "true"
        assert self.effects() == made

    def test_refuses_to_run_without_a_key(self, merchant_client: MerchantClient) -> None:
        made = self.effects()
        assert code_of(self.request_of(merchant_client, key=None)) == (400, "idempotency_key_missing")
        assert self.effects() == made
