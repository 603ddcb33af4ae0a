"""From the card to the vendor's bank line on one page, through the real network and its bank.

And every page of the rows that such a day leaves behind.
"""

from datetime import UTC, datetime, timedelta
from uuid import uuid5

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from ledger.actors import SYSTEM
from ledger.admin.base import ViewOnlyAdmin
from ledger.ids import uuid7
from ledger.money import Money
from payments.services.payments import authorizing, creating
from tests.admin.test_view_only import APPS
from tests.kit import settling
from tests.kit.queries import statements

MONDAY = datetime(2026, 3, 2, 18, tzinfo=UTC)


@pytest.fixture
def settled(northwind, ada, own_network):
    """Ada sold for 100.00 EUR and gave 21.00 back with the merchant; she is paid and the bank shows it."""
    kept = settling.sell(own_network, ada, Money(10_000, "EUR"), MONDAY, own=500)
    settling.refund(kept, MONDAY, 2_100)
    settling.pay(settling.settle(ada, "EUR", MONDAY), MONDAY)
    own_network.close_day("2026-03-02")
    settling.fetch(northwind, MONDAY + timedelta(hours=4))
    return kept


def test_the_whole_story_is_told(root, settled):
    address = reverse("admin:payments_payment_change", args=[settled.pk])
    root.get(address)
    with statements() as found:
        page = root.get(address).content.decode()
    story = page.partition("The whole story")[2]
    told = [
        "Authorize: 105.00 EUR asked of velocitypay",
        "Capture 1: Approved",
        "Refund: Approved",
        "reckoned with Ada",
        "of its net 72.00 EUR",
        "72.00 EUR to Ada",
        "The bank shows the payout",
        "The bank shows the capture 1",
        "line 1 of statement",
    ]
    assert [sentence for sentence in told if sentence not in story] == []
    assert in_order(
        story, "Created", "Score 0 of 1000", "Authorize: 105.00", "Authorize: Approved", "Authorized"
    )
    assert in_order(
        story, "Capture 1: Approved", "Captured", "Refund: Approved", "Completed", "reckoned with"
    )
    assert len(found) <= 20, len(found)


def test_an_operation_whose_key_is_derived_stands_before_what_it_caused(root, own_network, ada):
    whose = {"merchant_id": ada.merchant_id, "actor": SYSTEM, "at": MONDAY}
    payment = creating.create(payment_id=uuid7(), wanted=settling.wanted(own_network, ada), **whose)
    authorizing.authorize(payment_id=payment.pk, operation_id=uuid5(payment.pk, "authorize"), **whose)
    page = root.get(reverse("admin:payments_payment_change", args=[payment.pk])).content.decode()
    story = page.partition("The whole story")[2]
    assert in_order(story, "Created", "Authorize: 10.00", "Authorize: Approved", "Authorized")


def in_order(text: str, *marks: str) -> bool:
    """Whether titles stand one after the other."""
    places = [text.index(f">{mark}") if f">{mark}" in text else text.index(mark) for mark in marks]
    return places == sorted(places)


def test_every_row_of_the_day_has_its_page(root, settled):
    for app in APPS:
        for model in apps.get_app_config(app).get_models():
            if not isinstance(admin.site._registry.get(model), ViewOnlyAdmin):
                continue
            names = (model._meta.app_label, model._meta.model_name)
            assert root.get(reverse("admin:{}_{}_changelist".format(*names))).status_code == 200
            for row in model._default_manager.order_by("-pk")[:2]:
                address = reverse("admin:{}_{}_change".format(*names), args=[row.pk])
                assert root.get(address).status_code == 200, address
