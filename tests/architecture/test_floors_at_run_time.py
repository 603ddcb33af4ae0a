"""What the import check cannot see: foreign keys by name, events by name, what the admin allows."""

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import RequestFactory

from config.celery import QUEUES
from ledger import jobs, outbox
from ledger.states import Machine

FLOORS = {
    "ledger": 1, "vendors": 2, "fraud": 3, "payments": 4, "subscriptions": 5, "settlements": 5, "config": 6,
}  # fmt: skip
OURS = [model for model in apps.get_models() if model._meta.app_label in FLOORS]


def test_foreign_keys_point_down():
    """A table of a lower floor that points up would make the floors depend on each other."""
    upward = [
        f"{model._meta.label}.{field.name} -> {field.related_model._meta.label}"
        for model in OURS
        for field in model._meta.get_fields()
        if field.many_to_one
        and field.concrete
        and field.related_model._meta.app_label in FLOORS
        and field.related_model._meta.app_label != model._meta.app_label
        and FLOORS[field.related_model._meta.app_label] >= FLOORS[model._meta.app_label]
    ]
    assert not upward


def test_every_event_that_is_heard_is_one_that_some_machine_makes():
    made = {edge.event for machine in Machine.registry.values() for edge in machine.edges.values()}
    assert outbox.heard_types() - made == set()


def test_every_kind_of_job_runs_on_a_known_queue():
    assert {kind.name: kind.queue for kind in jobs.kinds.values() if kind.queue not in QUEUES} == {}


def test_nobody_adds_changes_or_deletes_in_the_admin():
    """Not even a superuser: what staff do is a reasoned action."""
    request = RequestFactory().get("/admin/")
    request.user = User(username="root", is_staff=True, is_superuser=True)
    pages = [admin.site._registry[model] for model in OURS if model in admin.site._registry]
    loose = [
        page
        for page in pages
        if page.has_add_permission(request)
        or page.has_change_permission(request)
        or page.has_delete_permission(request)
    ]
    assert not loose


def test_every_table_that_moves_money_knows_its_merchant():
    """Law 6: a row without a merchant cannot be hidden from the others."""
    floors = ("payments", "settlements", "subscriptions", "fraud")
    without = {
        model._meta.label
        for model in OURS
        if model._meta.app_label in floors
        and not model._meta.proxy  # another view of a table, which knows its own
        and not {"merchant", "merchant_id"} & {field.name for field in model._meta.get_fields()}
    }
    belong = {
        label
        for label in without
        if any(
            field.many_to_one and not field.null and field.related_model._meta.app_label in floors
            for field in apps.get_model(label)._meta.get_fields()
            if field.concrete and field.is_relation
        )
    }
    assert without - belong - OF_NO_MERCHANT == set()


# What concerns the platform as a whole.
# A bank's file is about entries of several merchants; a written file's content is its file's, one to one.
OF_NO_MERCHANT = {
    "payments.ExchangeKey",
    "payments.RefusedCallbacks",
    "payments.BankNotice",
    "payments.BankFileContent",
}
