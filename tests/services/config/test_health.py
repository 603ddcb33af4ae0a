"""Health: the process, and its readiness with figures."""

import pytest
from django.db import DatabaseError

from config import health
from ledger import clock
from ledger.models import OutboxMessage
from payments.models import ProviderWebhook
from tests.factories import payments as rows
from tests.factories.vendors import create_merchant


def test_healthz_asks_nothing_else(client):
    answer = client.get("/healthz")  # without database access in this test
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"


@pytest.mark.django_db
def test_readyz_gives_figures(client):
    # What other tests have left undelivered is not this test's matter (undone with the test).
    OutboxMessage.objects.filter(sent_at=None).update(sent_at=clock.now())
    ProviderWebhook.objects.filter(state="received").update(apply_at=clock.now())
    answer = client.get("/readyz")
    assert answer.status_code == 200, answer.content
    parts = answer.json()["parts"]
    assert parts["database"]["ok"]
    assert parts["broker"]["ms"] < 1000
    assert parts["callbacks"]["late_seconds"] < 60


@pytest.mark.django_db
def test_callbacks_that_nobody_applies_make_it_503(client):
    row = rows.webhook_about(rows.captured_payment(create_merchant()), state="received")
    assert row.apply_at < clock.now()
    part = client.get("/readyz").json()["parts"]["callbacks"]
    assert (part["ok"], part["late_seconds"] > 60) == (False, True)


@pytest.mark.django_db
def test_a_dead_broker_makes_it_503(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["broker"] == {"ok": False, "error": "ConnectionError"}


@pytest.mark.django_db
def test_a_dead_database_makes_it_503(client, monkeypatch):
    def refuse():
        raise DatabaseError("gone")

    monkeypatch.setattr(health.connection, "cursor", refuse)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["database"]["ok"] is False
