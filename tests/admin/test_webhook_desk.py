"""The desk of incoming messages: what came, what was tried, what it concluded; and what staff may do."""

import json

import pytest
from django.urls import reverse

from ledger.models import AuditRecord
from payments.models import ProviderWebhook
from tests.factories import payments as rows


@pytest.fixture
def dead(payment) -> ProviderWebhook:
    row = rows.webhook_about(payment)
    row.headers = {"webhook-id": "evt_7", "webhook-signature": "v1,c2VjcmV0IG1hdGVyaWFs"}
    row.body = json.dumps({"id": "evt_7", "card": {"number": "4242424242424242"}}).encode()
    row.attempts = [{"at": "2026-11-21T09:00:00.000+00:00", "result": "no operation of ours has this key"}]
    row.save()
    return row


def page(row) -> str:
    return reverse("admin:payments_providerwebhook_change", args=[row.pk])


def act(row, name: str) -> str:
    return reverse(f"admin:payments_providerwebhook_act_{name}", args=[row.pk])


def state(row) -> str:
    return ProviderWebhook.objects.values_list("state", flat=True).get(pk=row.pk)


def test_a_message_shows_everything_but_its_secrets(root, dead):
    shown = root.get(page(dead)).content.decode()
    for text in ("evt_7", "no operation of ours has this key", "Tries", "As received", dead.public_id):
        assert text in shown
    assert "c2VjcmV0IG1hdGVyaWFs" not in shown
    assert "4242424242424242" not in shown


@pytest.mark.parametrize(
    "query", ["state=failed", "provider=velocitypay", "is_verified__exact=1", "q=evt_no"]
)
def test_the_list_is_filtered_and_searched(root, dead, query):
    shown = root.get(reverse("admin:payments_providerwebhook_changelist") + f"?{query}").content.decode()
    assert (dead.event_id in shown) == (query != "q=evt_no")


def test_it_is_found_by_the_provider_s_id(root, dead):
    address = reverse("admin:payments_providerwebhook_changelist")
    assert dead.event_id in root.get(f"{address}?q={dead.event_id}").content.decode()


@pytest.mark.parametrize(("name", "after"), [("retry_all", "received"), ("ignore", "ignored")])
def test_staff_act_with_a_reason(sign_in, dead, name, after):
    for role in ("support", "risk", "auditor"):
        assert sign_in(role).post(act(dead, name), {"reason": "looked into it"}).status_code == 403
    assert state(dead) == "failed"
    admin = sign_in("admin")
    assert admin.post(act(dead, name), {"reason": ""}).status_code == 422
    assert admin.post(act(dead, name), {"reason": "looked into it"}).status_code == 302
    assert state(dead) == after
    assert AuditRecord.objects.filter(object_id=dead.public_id, reason="looked into it").exists()


def test_a_retry_that_cannot_be_says_so(sign_in, payment):
    row = rows.webhook_about(payment, state="received")
    ProviderWebhook.objects.filter(pk=row.pk).update(lease_until="2099-01-01T00:00:00Z")
    answer = sign_in("finance").post(act(row, "retry"), {"reason": "it is late"})
    assert answer.status_code == 422
    assert "is being applied" in answer.content.decode()
