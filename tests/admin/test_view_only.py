"""Everything is visible and nothing is edited: every model of the house, by GET and by POST."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from ledger.admin.base import ViewOnlyAdmin
from ledger.models import ArchivedHour, ArchivedStream, AuditRecord, PostedFact, Posting, SealRecords

APPS = ("ledger", "vendors", "fraud", "payments", "subscriptions", "settlements")
# Keys of several columns Django's admin cannot address: postings and facts are shown with their entry,
# what left of streams, and of which hours, with its archive, the records of a block are looked at by
# verifications.
SHOWN_WITH_ANOTHER = {Posting, PostedFact, SealRecords, ArchivedStream, ArchivedHour}
MODELS = [
    model
    for app in APPS
    for model in apps.get_app_config(app).get_models()
    if model not in SHOWN_WITH_ANOTHER and model._meta.managed
]
REGISTERED = list(admin.site._registry)


def url(model, page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_model_of_the_house_is_visible(model):
    assert admin.site.is_registered(model)


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label)
class TestEveryPage:
    def test_lists_and_is_view_only_by_its_class(self, root, model):
        page = admin.site._registry[model]
        assert isinstance(page, ViewOnlyAdmin)
        assert (page.get_actions(None), page.list_editable) == ({}, ())
        query = "?q=nothing" if page.search_fields else ""
        assert root.get(url(model, "changelist") + query).status_code == 200

    def test_refuses_to_add_change_and_delete(self, root, model):
        row = model._default_manager.first()
        key = row.pk if row else "01890000-0000-7000-8000-000000000000"
        standing = model._default_manager.all()
        if model is AuditRecord:
            standing = standing.exclude(actor_label="root")  # what is tried here leaves records itself
        before = standing.count()
        assert root.get(url(model, "add")).status_code == 403
        assert root.post(url(model, "add"), {}).status_code == 403
        assert root.post(url(model, "change", key), {}).status_code == 403
        assert root.post(url(model, "delete", key), {"post": "yes"}).status_code == 403
        chosen = {"action": "delete_selected", "_selected_action": str(key)}
        assert root.post(url(model, "changelist"), chosen).status_code in {200, 403}
        assert standing.all().count() == before


def test_a_payment_is_not_changed_by_post(root, payment):
    address = url(type(payment), "change", payment.pk)
    assert root.get(address).status_code == 200
    assert root.post(address, {"amount_minor": "1", "state": "failed"}).status_code == 403
    assert root.post(url(type(payment), "delete", payment.pk), {"post": "yes"}).status_code == 403
    payment.refresh_from_db()
    assert (payment.amount_minor, payment.state) == (10_000, "captured")


def test_strangers_are_sent_to_the_door(client, payment):
    answer = client.get(url(type(payment), "change", payment.pk))
    assert (answer.status_code, answer.url.partition("?")[0]) == (302, "/admin/login/")


@pytest.mark.parametrize("key", ["nonsense", "01890000-0000-7000-8000-000000000000", "1"])
def test_what_is_not_there_is_not_found(root, payment, key):
    assert root.get(url(type(payment), "change", key)).status_code == 404
