"""The desk of routing: a merchant's policy, why a provider was chosen, cards that are forbidden."""

import json

import pytest
from django.urls import reverse

from ledger import clock
from ledger.models import AuditRecord
from payments.models import ProviderOperation, RetryStanding, RoutingPolicy
from tests.factories import payments as rows

pytestmark = pytest.mark.django_db

ROUTE = {
    "provider": "stripe", "why": "the best score", "policy_version": 3, "weights": {"cost": 100},
    "health": "shared", "arm": None,
    "candidates": [
        {"provider": "stripe", "score": 812, "parts": dict.fromkeys(
            ("success_rate", "cost", "latency", "features", "load"), 812)},
        {"provider": "velocitypay", "score": 700, "down": "its health probe failed", "parts": dict.fromkeys(
            ("success_rate", "cost", "latency", "features", "load"), 700)},
    ],
    "excluded": {"paypal": "neither has the method nor can be given it"},
}  # fmt: skip


@pytest.fixture
def standing(northwind) -> RetryStanding:
    return RetryStanding.objects.create(
        merchant=northwind, method_key="k" * 32, brand="visa", last4="9987", declined=[clock.now()],
        code="lost_card", is_never=True, reason="lost_card: the issuer will never approve this card",
        updated_at=clock.now(),
    )  # fmt: skip


def act(row, name: str, desk: str = "") -> str:
    return reverse(f"admin:payments_{desk or row._meta.model_name}_act_{name}", args=[row.pk])


def policy(**content) -> str:
    return json.dumps(content)


class TestPolicies:
    def test_are_written_with_a_reason_by_those_who_may(self, sign_in, northwind):
        told = {"content": policy(attempts_max=2), "reason": "a second try is enough", "after_version": 0}
        address = act(northwind, "write_policy", "routedmerchant")
        for role in ("support", "auditor", "risk"):
            assert sign_in(role).post(address, told).status_code == 403
        finance = sign_in("finance")
        assert finance.post(address, told).status_code == 302
        row = RoutingPolicy.objects.get(merchant=northwind)
        assert (row.version, row.content, row.reason) == (1, {"attempts_max": 2}, told["reason"])
        assert AuditRecord.objects.filter(action="routing_policy.written", object_id=row.public_id).exists()
        shown = finance.get(reverse("admin:payments_routedmerchant_change", args=[northwind.pk]))
        assert "a second try is enough" in shown.content.decode()

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("{", "this is not JSON"),
            ("[]", "a policy is a JSON object"),
            (policy(wieghts={}), "policy.wieghts"),
        ],
    )
    def test_that_cannot_be_read_are_refused_by_their_place(self, sign_in, northwind, content, said):
        answer = sign_in("finance").post(
            act(northwind, "write_policy", "routedmerchant"),
            {"content": content, "reason": "a try", "after_version": 0},
        )
        assert answer.status_code == 422
        assert said in answer.content.decode()
        assert not RoutingPolicy.objects.filter(merchant=northwind).exists()

    def test_are_written_after_the_version_that_was_looked_at(self, sign_in, northwind):
        finance, address = sign_in("finance"), act(northwind, "write_policy", "routedmerchant")
        opened = finance.get(address).context["form"]
        assert opened["after_version"].value() == 0
        told = {"content": policy(attempts_max=2), "reason": "a second try", "after_version": 0}
        assert finance.post(address, told).status_code == 302
        late = finance.post(address, {**told, "content": policy(attempts_max=4), "reason": "an older page"})
        assert late.status_code == 422
        assert "Look at the newest version, then write yours again." in late.content.decode()
        assert finance.post(address, {"content": "{}", "reason": "no version"}).status_code == 422
        row = RoutingPolicy.objects.get(merchant=northwind)
        assert (row.version, row.content) == (1, {"attempts_max": 2})
        opened = finance.get(address).context["form"]  # what holds is what is changed
        assert (opened["after_version"].value(), json.loads(opened["content"].value())) == (1, row.content)


class TestShowing:
    def test_an_operation_tells_why_its_provider(self, root, northwind):
        payment = rows.create_payment(northwind)
        operation: ProviderOperation = rows.create_operation(payment, "authorize", "authorize", route=ROUTE)
        page = root.get(reverse("admin:payments_provideroperation_change", args=[operation.pk]))
        shown = page.content.decode()
        for words in ("Why this provider", "812", "its health probe failed", "policy version 3"):
            assert words in shown

    def test_forbidden_cards_are_listed_and_let_go_with_a_reason(self, sign_in, standing):
        finance = sign_in("finance")
        shown = finance.get(reverse("admin:payments_retrystanding_changelist") + "?limit=never")
        assert "visa 9987" in shown.content.decode()
        assert sign_in("support").post(act(standing, "lift"), {"reason": "they called"}).status_code == 403
        assert finance.post(act(standing, "lift"), {"reason": "the issuer called"}).status_code == 302
        standing.refresh_from_db()
        assert (standing.is_never, standing.declined) == (False, [])
