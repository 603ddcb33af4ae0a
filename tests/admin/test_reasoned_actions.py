"""A reasoned action: permission, a reason, one service call, its audit record; refused otherwise."""

import pytest
from django.urls import reverse

from fraud.models import FraudReview
from ledger import clock
from ledger.actors import Actor
from ledger.ids import uuid7
from ledger.models import AuditRecord, Event, OutboxMessage
from payments.services.refunds import requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from vendors.models import ApiKey
from vendors.services import keys


def act(review, name: str) -> str:
    return reverse(f"admin:fraud_fraudreview_act_{name}", args=[review.pk])


def page(review) -> str:
    return reverse("admin:fraud_fraudreview_change", args=[review.pk])


class TestReview:
    @pytest.mark.parametrize(("name", "state"), [("approve", "approved"), ("decline", "declined")])
    def test_is_decided_with_a_reason_and_audited(self, sign_in, review, name, state):
        risk = sign_in("risk")
        assert act(review, name) in risk.get(page(review)).content.decode()
        assert risk.get(act(review, name)).status_code == 200
        answer = risk.post(act(review, name), {"reason": "  called the customer "})
        assert (answer.status_code, answer.url) == (302, page(review))
        review.refresh_from_db()
        assert (review.state, review.decided_by, review.reason) == (state, "risk", "called the customer")
        kept = AuditRecord.objects.get(object_id=review.public_id)
        assert (kept.action, kept.reason, kept.actor_label, kept.role) == (
            f"fraud_review.{state}", "called the customer", "risk", "risk",
        )  # fmt: skip

    def test_says_what_was_done(self, sign_in, review):
        answer = sign_in("risk").post(act(review, "approve"), {"reason": "called her"}, follow=True)
        assert "The review is approved; the payment goes on." in answer.content.decode()

    @pytest.mark.parametrize("reason", ["", "  ", "no", "x" * 1_001])
    def test_is_not_decided_without_a_reason(self, sign_in, review, reason):
        answer = sign_in("risk").post(act(review, "approve"), {"reason": reason})
        assert answer.status_code == 422
        assert FraudReview.objects.get(pk=review.pk).state == "open"
        assert not AuditRecord.objects.filter(object_id=review.public_id).exists()

    @pytest.mark.parametrize("role", ["support", "finance", "auditor", "admin"])
    def test_is_for_risk_alone(self, sign_in, review, role):
        client = sign_in(role)
        assert act(review, "approve") not in client.get(page(review)).content.decode()
        assert client.get(act(review, "approve")).status_code == 403
        assert client.post(act(review, "approve"), {"reason": "called her"}).status_code == 403
        assert FraudReview.objects.get(pk=review.pk).state == "open"

    def test_a_second_verdict_is_refused_in_words(self, sign_in, review):
        risk = sign_in("risk")
        risk.post(act(review, "approve"), {"reason": "called the customer"})
        answer = risk.post(act(review, "decline"), {"reason": "changed my mind"})
        assert answer.status_code == 422
        assert "a fraud review that is approved cannot decline" in answer.content.decode()
        assert act(review, "decline") not in risk.get(page(review)).content.decode()
        assert FraudReview.objects.get(pk=review.pk).state == "approved"

    def test_needs_the_token_of_the_form(self, sign_in, review):
        from django.test import Client

        risk = sign_in("risk")
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = risk.cookies
        assert strict.post(act(review, "approve"), {"reason": "called her"}).status_code == 403

    def test_of_a_review_that_is_not_there_is_not_found(self, sign_in, review):
        review.pk = "01890000-0000-7000-8000-000000000000"
        assert sign_in("risk").post(act(review, "approve"), {"reason": "called her"}).status_code == 404


def test_a_key_is_revoked_and_never_shown(sign_in, northwind, analyst_actor):
    key, secret = keys.issue(northwind, actor=analyst_actor, at=clock.now())
    admin = sign_in("admin")
    shown = admin.get(reverse("admin:vendors_apikey_change", args=[key.pk])).content.decode()
    assert secret not in shown
    assert bytes(key.secret_sha256).hex() not in shown
    admin.post(reverse("admin:vendors_apikey_act_revoke", args=[key.pk]), {"reason": "left on a laptop"})
    assert ApiKey.objects.get(pk=key.pk).revoked_at is not None
    assert AuditRecord.objects.filter(action="api_key.revoked", reason="left on a laptop").exists()


def test_a_dead_message_is_given_its_tries_again(sign_in, payment):
    event = Event.objects.filter(subject_id=payment.pk).first()
    message = OutboxMessage.objects.create(
        event=event, handler="nobody.hears", subject_id=payment.pk, sequence=99, due_at=clock.now(),
        dead_at=clock.now(), tries=12,
    )  # fmt: skip
    address = reverse("admin:ledger_outboxmessage_act_retry", args=[message.pk])
    assert sign_in("support").post(address, {"reason": "mended"}).status_code == 403
    assert sign_in("admin").post(address, {"reason": "the handler is mended"}).status_code == 302
    message.refresh_from_db()
    assert (message.dead_at, message.tries) == (None, 0)
    assert AuditRecord.objects.filter(action="outbox.retried", object_id=str(message.pk)).exists()


@pytest.mark.parametrize(("name", "state"), [("approve", "approved"), ("reject", "rejected")])
def test_a_refund_above_the_limit_is_decided_by_finance(sign_in, northwind, payment, name, state):
    northwind.refund_approval_above = {"USD": 1_000}
    northwind.save(update_fields=["refund_approval_above"])
    wish = RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=2_000, reason="broken cup")
    refund = requesting_refunds.request(
        merchant_id=northwind.pk, wish=wish, actor=Actor("api_key", "1"), at=clock.now()
    )
    address = reverse(f"admin:payments_refund_act_{name}", args=[refund.pk])
    assert sign_in("risk").post(address, {"reason": "the cup is broken"}).status_code == 403
    assert sign_in("finance").post(address, {"reason": "the cup is broken"}).status_code == 302
    refund.refresh_from_db()
    assert (refund.state, refund.decision_reason) == (state, "the cup is broken")
    assert AuditRecord.objects.filter(object_id=refund.public_id, reason="the cup is broken").exists()
