"""The refund desk: what failed is asked for again by two persons, and a provider's new word is accepted."""

import pytest
from django.urls import reverse

from ledger import clock
from ledger.actors import SYSTEM, provider_actor
from ledger.ids import uuid7
from payments.models import ProviderOperation, Refund
from payments.providers.outcomes import Approved, Declined
from payments.services.calls import operations
from payments.services.refunds import refunding, requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish

VELOCITY = provider_actor("velocitypay")


@pytest.fixture
def refund(payment) -> Refund:
    """A refund that its provider refused."""
    whose = {"merchant_id": payment.merchant_id, "actor": SYSTEM, "at": clock.now()}
    wish = RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=1_000)
    asked = requesting_refunds.request(wish=wish, **whose)
    operation = refunding._claim(payment.merchant_id, asked.pk, uuid7(), SYSTEM, clock.now())
    told = Declined("no_such_account", "closed", None, is_hard=True)
    return operations.conclude(operation, told, actor=VELOCITY, at=clock.now())


def act(row, name: str) -> str:
    return reverse(f"admin:payments_{row._meta.model_name}_act_{name}", args=[row.pk])


def page(row) -> str:
    return reverse(f"admin:payments_{row._meta.model_name}_change", args=[row.pk])


def test_asking_again_takes_two_persons(sign_in, refund):
    assert sign_in("auditor").post(act(refund, "ask_again"), {"reason": "open again"}).status_code == 403
    grace = sign_in("finance")
    assert act(refund, "ask_again") in grace.get(page(refund)).content.decode()
    assert grace.post(act(refund, "ask_again"), {"reason": "open again"}).status_code == 302
    refund.refresh_from_db()
    assert (refund.state, refund.tries) == ("requested", 2)
    refused = grace.post(act(refund, "approve"), {"reason": "mine"})
    assert refused.status_code == 403 or "may not decide" in refused.content.decode()
    other = sign_in("finance", "support")
    assert other.post(act(refund, "approve"), {"reason": "looked at it"}).status_code == 302
    refund.refresh_from_db()
    assert refund.state == "approved"
    assert act(refund, "ask_again") not in other.get(page(refund)).content.decode()


def test_a_provider_that_gave_it_back_after_all_is_believed_with_a_reason(sign_in, refund):
    operation = ProviderOperation.objects.get(subject_id=refund.pk)
    yes = Approved("re_1", refund.amount, refund.amount.zero("USD"))
    operations.conclude(operation, yes, actor=VELOCITY, at=clock.now())
    found = operation.contradictions.get()
    finance = sign_in("finance")
    shown = finance.get(page(found)).content.decode()
    assert act(found, "accept") in shown
    assert refund.number in shown
    assert act(refund, "ask_again") not in finance.get(page(refund)).content.decode()
    assert finance.post(act(found, "accept"), {"reason": "in their books"}).status_code == 302
    refund.refresh_from_db()
    operation.refresh_from_db()
    assert (refund.state, operation.is_open) == ("processing", True)
    assert finance.post(act(found, "accept"), {"reason": "twice"}).status_code == 422


def test_of_a_refund_that_cannot_be_asked_about_the_page_says_where_to_look(root, refund, rails):
    assert "Where to look" not in root.get(page(refund)).content.decode()
    operation = ProviderOperation.objects.get(subject_id=refund.pk)
    ProviderOperation.objects.filter(pk=operation.pk).update(provider="adyen")
    shown = root.get(page(refund)).content.decode()
    assert "Where to look" in shown
    assert f"a reference that ends in {operation.idempotency_key}" in shown
