"""Few queries, and as many for twenty rows as for one: lists, pages, the index."""

import pytest
from django.contrib import admin
from django.urls import reverse

from fraud.services.screening import screen
from ledger.models import Event, JournalEntry
from tests.factories.fraud import screening_request
from tests.factories.vendors import create_vendor
from tests.kit.queries import statements

# A request's own: the session and the person who asks.
SIGNED_IN = 2


def sent(client, address: str) -> list[str]:
    with statements() as found:
        answer = client.get(address)
    assert answer.status_code == 200, answer.status_code
    return found.sent


def assert_within(found: list[str], budget: int) -> None:
    listed = "\n".join(f"  {number}. {sql[:220]}" for number, sql in enumerate(found, 1))
    assert len(found) <= budget + SIGNED_IN, (
        f"{len(found)} statements, {budget} + {SIGNED_IN} allowed:\n{listed}"
    )


LISTS = [
    ("payments_payment", 2),  # the rows; the currencies of the filter
    ("payments_paymenttransaction", 2),
    ("payments_provideroperation", 1),
    ("vendors_vendor", 1),
    ("fraud_fraudcheck", 1),
    ("fraud_fraudreview", 1),
    ("fraud_signal", 2),
    ("ledger_event", 1),
    ("ledger_journalentry", 1),
    ("ledger_account", 3),  # the rows; the currencies of the filter; the owners' names
    ("ledger_outboxmessage", 1),
]


@pytest.mark.parametrize(("page", "budget"), LISTS, ids=[page for page, _ in LISTS])
def test_a_list_asks_as_much_for_twenty_rows_as_for_one(root, northwind, payment, page, budget):
    address = reverse(f"admin:{page}_changelist")
    screen(screening_request(northwind.id, minor=1_000_001))
    root.get(address)  # what is remembered in the process is there now
    one = sent(root, address)
    fill(northwind, 20)
    twenty = sent(root, address)
    assert len(twenty) == len(one)
    assert_within(twenty, budget)


def fill(northwind, number: int) -> None:
    from tests.factories.payments import captured_payment

    ada = create_vendor(northwind)
    for _ in range(number):
        captured_payment(northwind, shares=[(ada, 5_000, 500)])
        screen(screening_request(northwind.id, minor=1_000_001, is_anonymous=True))


def test_the_story_of_a_payment_asks_as_much_however_long_it_is(root, northwind, payment):
    from tests.factories.payments import captured_payment

    vendors = [create_vendor(northwind) for _ in range(20)]
    long = captured_payment(northwind, amount=40_000, shares=[(one, 2_000, 200) for one in vendors])
    addresses = [reverse("admin:payments_payment_change", args=[one.pk]) for one in (payment, long)]
    root.get(addresses[0])
    short_story, long_story = (sent(root, address) for address in addresses)
    assert len(short_story) == len(long_story)
    assert_within(long_story, 13)


def test_a_review_s_page_is_within_its_budget(root, review):
    address = reverse("admin:fraud_fraudreview_change", args=[review.pk])
    root.get(address)
    assert_within(sent(root, address), 2)


def test_an_entry_s_page_is_within_its_budget(root, payment):
    entry = JournalEntry.objects.get(source_id=payment.pk)
    address = reverse("admin:ledger_journalentry_change", args=[entry.pk])
    assert_within(sent(root, address), 4)  # the entry; its postings; the owners' names; the events


def test_an_event_s_page_is_within_its_budget(root, payment):
    event = Event.objects.filter(subject_id=payment.pk).first()
    assert_within(sent(root, reverse("admin:ledger_event_change", args=[event.pk])), 2)


def test_the_index_is_within_its_budget(root, payment, review):
    root.get("/admin/")
    assert_within(sent(root, "/admin/"), 12)


def test_somebody_with_a_role_costs_two_more_for_permissions(sign_in, payment):
    auditor = sign_in("auditor")
    address = reverse("admin:payments_paymenttransaction_changelist")
    auditor.get(address)
    assert_within(sent(auditor, address), 2 + 2)


def test_no_filter_scans_a_table_for_its_values():
    for page in admin.site._registry.values():
        for chosen in page.list_filter:
            if isinstance(chosen, str):
                column = page.opts.get_field(chosen)
                kind = admin.FieldListFilter._field_list_filters
                found = next(made for test, made in kind if test(column))
                assert found is not admin.AllValuesFieldListFilter, f"{page.opts.label}: {chosen}"
