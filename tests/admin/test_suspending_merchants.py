"""Staff suspend and reinstate a merchant: with a reason, the right to it, and a record of it."""

import pytest
from django.test import Client
from django.urls import reverse

from ledger.models import AuditRecord
from tests.factories import vendors as factory
from tests.kit.api_cases import problem
from tests.kit.api_client import MerchantClient
from vendors.models import Merchant

pytestmark = pytest.mark.django_db


def act(merchant: Merchant, name: str) -> str:
    return reverse(f"admin:vendors_merchant_act_{name}", args=[merchant.pk])


def test_a_suspended_merchant_is_refused_until_he_is_reinstated(sign_in, northwind: Merchant) -> None:
    client: Client = sign_in("risk")
    merchant = MerchantClient(factory.create_api_key(northwind)[1])
    page = client.post(act(northwind, "suspend"), {"reason": "test cards"}, follow=True).content.decode()
    assert "no payment takes money" in page
    assert act(northwind, "reinstate") in page
    assert act(northwind, "suspend") not in page
    assert 'house-badge-bad">suspended' in page
    assert "test cards" in page  # who did it, when and why, on the merchant's own page
    problem(merchant.get("/api/v1/refunds/status/approved"), 403, "merchant_inactive")
    client.post(act(northwind, "reinstate"), {"reason": "it was a drill"})
    assert merchant.get("/api/v1/refunds/status/approved").status_code == 200
    told = AuditRecord.objects.filter(object_id=northwind.public_id, role="risk").order_by("id")
    assert list(told.values_list("action", "reason", "role")) == [
        ("merchant.suspended", "test cards", "risk"),
        ("merchant.reinstated", "it was a drill", "risk"),
    ]


@pytest.mark.parametrize("role", ["support", "auditor", "finance"])
def test_is_refused_to_others(sign_in, northwind: Merchant, role: str) -> None:
    assert sign_in(role).post(act(northwind, "suspend"), {"reason": "test cards"}).status_code == 403
    northwind.refresh_from_db()
    assert northwind.is_active
