"""The Explain page: a tree of plain details, linked from every page whose object is explained."""

import re

import pytest
from django.urls import reverse

from ledger.explain import registry
from ledger.models import Account, JournalEntry
from payments.models import ProviderOperation
from tests.kit.queries import statements

pytestmark = pytest.mark.django_db


def page(client, ref, status=200):
    answer = client.get(f"/admin/books/explain/{ref}/")
    assert answer.status_code == status
    return answer.content.decode()


def test_shows_verdict_tree_and_ends(root, payment):
    text = page(root, payment.public_id)
    assert "explained</span>" in text
    assert text.count("<details") >= 3
    assert "house-badge-good" in text
    assert "provider&#x27;s answer" in text
    assert 'id="pay_' in text


def test_each_node_stands_once_and_is_linked_where_it_comes_again(root, payment):
    clearing = Account.objects.get(merchant_id=payment.merchant_id, code="provider_fees")
    text = page(root, clearing.public_id)
    anchors = re.findall(r'<li id="([^"]+)"', text)
    assert len(anchors) == len(set(anchors))
    for again in re.findall(r'href="#([^"]+)"', text):
        if "_" in again:
            assert again in anchors


def test_says_what_is_not_explained_and_why(root, payment):
    capture = ProviderOperation.objects.get(payment=payment, kind="capture")
    ProviderOperation.objects.filter(pk=capture.pk).update(provider_reference="")
    text = page(root, payment.public_id)
    assert "not explained</span>" in text
    assert "the provider gave no reference for it" in text


@pytest.mark.parametrize(
    "name", ["payments_payment", "payments_provideroperation", "ledger_journalentry", "ledger_account"]
)
def test_every_page_of_an_object_leads_there(root, payment, name):
    row = {
        "payments_payment": payment,
        "payments_provideroperation": ProviderOperation.objects.filter(payment=payment).first(),
        "ledger_journalentry": JournalEntry.objects.get(source_id=payment.pk),
        "ledger_account": Account.objects.filter(merchant_id=payment.merchant_id).first(),
    }[name]
    text = root.get(reverse(f"admin:{name}_change", args=[row.pk])).content.decode()
    assert f'href="/admin/books/explain/{registry.ref_of(row)}/"' in text


def test_amounts_of_the_story_lead_to_their_postings(root, payment):
    text = root.get(reverse("admin:payments_payment_change", args=[payment.pk])).content.decode()
    links = re.findall(r'href="/admin/books/explain/(jnl_\w{26}\.\d+)/"', text)
    assert len(links) == len(set(links)) > 5
    assert "posting" in page(root, links[0])


def test_any_id_can_be_asked_for(root, payment):
    assert root.get("/admin/books/explain/").status_code == 200
    asked = root.get("/admin/books/explain/", {"id": f" {payment.public_id} "})
    assert (asked.status_code, asked["Location"]) == (302, f"/admin/books/explain/{payment.public_id}/")
    for unknown in ("nothing", "pay_01kagm3c8qf3p8w0t5y5r4d2ne", "acc_0"):
        page(root, unknown, 404)
    assert root.get("/admin/books/explain/", {"id": "a/b"}).status_code == 404


def test_is_for_those_who_see_the_books(sign_in, payment):
    page(sign_in("auditor"), payment.public_id)
    page(sign_in("support"), payment.public_id, 403)


def test_costs_the_same_for_a_long_story_as_for_a_short_one(root, northwind, payment):
    from tests.factories.payments import captured_payment
    from tests.factories.vendors import create_vendor

    vendors = [create_vendor(northwind) for _ in range(15)]
    long = captured_payment(northwind, amount=40_000, shares=[(one, 2_000, 200) for one in vendors])
    page(root, payment.public_id)
    counts = []
    for row in (payment, long):
        with statements() as sent:
            page(root, row.public_id)
        counts.append(len(sent))
    assert counts[0] == counts[1] <= 20
