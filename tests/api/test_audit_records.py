"""A merchant reads his own audit records, in pages and by filter; every look is a record itself."""

from datetime import timedelta

import pytest

from ledger import audit, clock
from ledger.actors import Actor
from ledger.locks import phase
from ledger.models import AuditRecord
from tests.factories import vendors as factory
from tests.kit.api_client import MerchantClient
from vendors.services import keys, onboarding, refusals

PATH = "/api/v1/audit-records"
IRENE = Actor("staff", "7", "irene", role="admin")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def suspended(northwind):
    """A vendor whom staff have suspended."""
    ada = factory.create_vendor(northwind, "Ada")
    onboarding.suspend_vendor(
        merchant_id=northwind.id, vendor_id=ada.id, reason="no goods", actor=IRENE, at=clock.now()
    )
    return ada


def test_tells_who_did_what_and_why_but_not_which_person(merchant_client, suspended):
    answer = merchant_client.get(f"{PATH}?object={suspended.public_id}&action=vendor.suspended")
    [row] = answer.json()["data"]
    assert (row["action"], row["reason"], row["object_id"]) == (
        "vendor.suspended",
        "no goods",
        suspended.public_id,
    )
    assert row["actor"] == {"kind": "staff", "id": None, "role": "admin"}
    assert (row["before"]["state"], row["after"]["state"], row["ip"]) == ("active", "suspended", None)
    assert merchant_client.get(f"{PATH}/{row['id']}").json() == row


def test_every_look_is_a_record_of_the_key_with_what_was_sought(merchant_client, northwind, suspended):
    merchant_client.get(f"{PATH}?object={suspended.public_id}")
    [row] = AuditRecord.objects.filter(merchant_id=northwind.id, action="audit.read")
    assert (row.actor_kind, row.role, row.object_id) == ("api_key", "sandbox key", "list")
    assert row.after == {"sought": {"object": suspended.public_id}}
    assert row.request_id
    [told] = merchant_client.get(f"{PATH}?action=audit.read&limit=1").json()["data"]
    assert told["after"] == row.after


def test_pages_follow_one_another(merchant_client, northwind):
    with phase():
        audit.record_many(
            audit.Act(IRENE, "thing.done", "things.thing", f"obj_{n}", clock.now(), northwind.id)
            for n in range(5)
        )
    seen, address = [], f"{PATH}?action=thing.done&limit=2"
    while address:
        page = merchant_client.get(address).json()
        seen += [row["object_id"] for row in page["data"]]
        address = page["next"]
    assert sorted(seen) == [f"obj_{n}" for n in range(5)]


def test_another_merchants_records_are_not_there(northwind, suspended):
    stranger = MerchantClient(factory.create_api_key(factory.create_merchant("Southwind"))[1])
    assert stranger.get(f"{PATH}?object={suspended.public_id}").json()["data"] == []
    row = AuditRecord.objects.filter(object_id=suspended.public_id).first()
    assert stranger.get(f"{PATH}/{row.public_id}").status_code == 404
    assert stranger.get(f"{PATH}/aud_nonsense").status_code == 404


def test_what_staff_decide_about_risk_is_not_told(merchant_client, northwind):
    with phase():
        audit.record_one(
            audit.Act(IRENE, "fraud_review.declined", "fraud.fraudreview", "rev_1", clock.now(), northwind.id)
        )
    assert merchant_client.get(f"{PATH}?object=rev_1").json()["data"] == []


def test_a_period_is_named_and_bounded(merchant_client, northwind):
    with phase():
        for days in (1, 45):
            at = clock.now() - timedelta(days=days)
            audit.record_one(audit.Act(IRENE, "thing.done", "things.thing", f"{days}", at, northwind.id))
    shown = merchant_client.get(f"{PATH}?action=thing.done").json()["data"]
    assert [row["object_id"] for row in shown] == ["1"]
    begins = (clock.now() - timedelta(days=60)).strftime("%Y-%m-%dT%H:%M:%SZ")
    shown = merchant_client.get(f"{PATH}?action=thing.done&from={begins}").json()["data"]
    assert {row["object_id"] for row in shown} == {"1", "45"}


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday", "from=2026-01-01", "from=2026-13-41T00:00:00Z", "from=2024-01-01T00:00:00Z",
        "from=1026-01-01T00:00:00Z", "from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", "to=nonsense",
        "object=", "outcome=maybe", "colour=red", "object=a&object=b",
    ],
)  # fmt: skip
def test_bad_parameters_are_named(merchant_client, query):
    answer = merchant_client.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json()["param"]) == (400, query.partition("=")[0])


def test_needs_the_scope_of_the_books(northwind):
    _, plaintext = keys.issue(northwind, ["payments:read"], actor=IRENE, at=clock.now())
    answer = MerchantClient(plaintext).get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    refused = AuditRecord.objects.filter(merchant_id=northwind.id, action="access.refused").first()
    assert refused.after == {"request": f"GET {PATH}"}


class TestRefusedKeys:
    def test_a_revoked_key_leaves_one_record_a_minute(self, northwind):
        key, plaintext = keys.issue(northwind, actor=IRENE, at=clock.now())
        keys.revoke(merchant_id=northwind.id, api_key_id=key.id, reason="lost", actor=IRENE, at=clock.now())
        for _ in range(3):
            assert MerchantClient(plaintext).get(PATH).status_code == 401
        [row] = AuditRecord.objects.filter(object_id=key.public_id, action="api_key.refused")
        assert (row.outcome, row.after, row.merchant_id) == ("refused", {"refused": "revoked"}, northwind.id)

    def test_an_unknown_key_is_refused_without_its_text(self, northwind, monkeypatch):
        monkeypatch.setattr(refusals, "_noted", {})  # another test's stranger may have come a moment ago
        stranger = "sk_live_000000000000_" + "y" * 43
        assert MerchantClient(stranger).get(PATH).status_code == 401
        rows = AuditRecord.objects.filter(action="api_key.refused", object_id="unknown")
        assert rows.exists()
        assert not [row for row in rows if stranger in str(row.__dict__)]
