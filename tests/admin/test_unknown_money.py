"""The desk of unknown money: what is held or contradicted, and what people may do about it, with a reason."""

import pytest
from django.urls import reverse

from ledger import clock, ids
from ledger.actors import provider_actor
from ledger.money import Money
from payments.models import BankFileEntry, Contradiction, ProviderOperation
from payments.providers import registry
from payments.providers.base import Capability
from payments.providers.outcomes import Approved
from payments.providers.requests import again_key, capture_key
from payments.services.calls import operations
from tests.factories import payments as rows

DESK = "/admin/money/unknown/"


@pytest.fixture
def held(payment) -> ProviderOperation:
    return rows.create_operation(
        rows.create_payment(payment.merchant), "authorize", "authorize", outcome="mismatch",
        concluded_at=None, ask_at=None,
    )  # fmt: skip


@pytest.fixture
def contradiction(payment) -> Contradiction:
    operation = rows.create_operation(payment, "capture", "capture:x", outcome="declined")
    yes = Approved("x_1", Money(10_000, "USD"), Money(0, "USD"))
    operations.conclude(operation, yes, actor=provider_actor("velocitypay"), at=clock.now())
    return operation.contradictions.get()


def act(row, name: str) -> str:
    return reverse(f"admin:payments_{row._meta.model_name}_act_{name}", args=[row.pk])


def page(row) -> str:
    return reverse(f"admin:payments_{row._meta.model_name}_change", args=[row.pk])


def test_the_desk_shows_what_is_held_or_contradicted_and_nothing_else(root, payment, held, contradiction):
    over = rows.create_operation(payment, "void", "void:over")
    shown = root.get(DESK, follow=True).content.decode()
    for row, is_shown in ((held, True), (contradiction.operation, True), (over, False)):
        assert (row.public_id in shown) == is_shown
    assert 'house-badge-bad">contradicted' in shown
    figure = root.get("/admin/").content.decode()
    assert "operations contradicted by their provider" in figure


def test_where_a_provider_cannot_be_asked_the_page_says_where_to_look(root, payment, held, rails):
    assert "Where to look" not in root.get(page(held)).content.decode()  # VelocityPay can be asked
    lost = rows.create_operation(
        payment, "refund", "refund:x", outcome="unknown", concluded_at=None, ask_at=None,
        provider_reference="QFQTPCQ8HXSKGK82",
    )  # fmt: skip
    ProviderOperation.objects.filter(pk=lost.pk).update(provider="adyen")
    shown = root.get(page(lost)).content.decode()
    assert "Where to look" in shown
    assert f"a reference that ends in {lost.idempotency_key}" in shown
    assert "RefundedReversed" in shown
    assert "QFQTPCQ8HXSKGK82" in shown


def test_who_cannot_be_asked_says_where_to_look(rails):
    asked = {name: registry.where_to_look(name, "refund", "op_" + "0" * 26) for name in registry.names()}
    for name, words in asked.items():
        can_be_asked = Capability.FIND_BY_KEY in registry.provider(name).capabilities
        assert bool(words) is not can_be_asked, name
    assert {"adyen", "ach", "sepa", "credit_gbp", "wire", "check"} <= {name for name in asked if asked[name]}


def test_a_sale_by_file_is_looked_for_by_the_name_of_its_entry(root, northwind, rails):
    """Its capture has no entry of its own: it goes by the sale's."""
    paid = rails.pay(rails.method(northwind, "sepa"), 1_000)
    rails.day("sepa")
    entry = BankFileEntry.objects.get(operation__payment=paid)
    for operation in ProviderOperation.objects.filter(payment=paid, kind__in=("authorize", "capture")):
        assert entry.end_to_end in root.get(page(operation)).content.decode(), operation.kind


@pytest.mark.parametrize("name", ["adyen", "ach", "credit_gbp", "wire"])
def test_what_came_of_another_request_is_looked_for_by_that(rails, name):
    key = ids.show("op", ids.uuid7())
    done_again = registry.where_to_look(name, "refund", again_key(key))
    assert done_again == registry.where_to_look(name, "refund", key)
    taken, sold = (registry.where_to_look(name, kind, made) for kind, made in (
        ("capture", capture_key(key)), ("authorize", key),
    ))  # fmt: skip
    assert taken == sold


def test_strangers_do_not_see_it(client):
    assert client.get(DESK).status_code == 302
    assert "/login" in client.get(DESK).url


def test_a_held_operation_is_asked_again_with_a_reason(sign_in, held):
    for role in ("support", "risk", "auditor", "admin"):
        assert sign_in(role).post(act(held, "ask_again"), {"reason": "it is up again"}).status_code == 403
    assert sign_in("finance").post(act(held, "ask_again"), {"reason": "it is up again"}).status_code == 302
    held.refresh_from_db()
    assert held.ask_at is not None


def test_that_it_never_happened_is_not_said_by_one_person(sign_in, held):
    grace = sign_in("finance")
    assert grace.post(act(held, "propose_not_done"), {"reason": "not in their books"}).status_code == 302
    shown = grace.get(page(held)).content.decode()
    assert act(held, "confirm_not_done") in shown
    assert act(held, "propose_not_done") not in shown
    refused = grace.post(act(held, "confirm_not_done"), {"reason": "not in their books"})
    assert refused.status_code == 422
    assert "a second person must decide" in refused.content.decode()
    assert (
        sign_in("finance", "support")
        .post(act(held, "confirm_not_done"), {"reason": "looked at it too"})
        .status_code
        == 302
    )
    held.refresh_from_db()
    assert (held.outcome, held.is_open) == ("declined", False)


def test_a_contradiction_says_what_can_be_done_and_is_closed_with_a_reason(sign_in, contradiction):
    finance = sign_in("finance")
    shown = finance.get(page(contradiction)).content.decode()
    assert "no: the payment is captured, and nothing more can be captured" in shown
    assert act(contradiction, "accept") not in shown
    refused = finance.post(act(contradiction, "accept"), {"reason": "they say so"})
    assert refused.status_code == 422
    assert finance.post(act(contradiction, "close"), {"reason": "refunded there"}).status_code == 302
    contradiction.refresh_from_db()
    assert (contradiction.state, contradiction.decided_by) == ("closed", "finance")
    assert contradiction.operation.public_id not in finance.get(DESK, follow=True).content.decode()
