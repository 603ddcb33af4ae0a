"""The ORM's ways round `save` are refused by the database: update, bulk_update, upsert, delete."""

import uuid
from collections.abc import Callable

import pytest
from django.apps import apps
from django.db import DEFAULT_DB_ALIAS
from django.db.models import CompositePrimaryKey, F, Model

from ledger.locks import phase
from tests.kit import books as kit
from tests.kit.attacks import NOT_ALLOWED, RESTRICTED, key_of, refused
from tests.kit.owner import OWNERS
from tests.services.ledger.test_law_as_the_application import sale
from tests.services.ledger.test_law_as_the_owner import GUARDED

MODELS = {model._meta.db_table: model for model in apps.get_models()}


def _column(model: type[Model]) -> str:
    plain = (field for field in model._meta.concrete_fields if not field.has_db_default())
    return next(field.name for field in plain if not field.primary_key)


def _row(model: type[Model]) -> Model:
    kind = model._meta.pk.get_internal_type()
    return model(pk=uuid.uuid4() if kind == "UUIDField" else 1)


def _update(model: type[Model]) -> object:
    return model._base_manager.update(**{_column(model): F(_column(model))})


def _bulk_update(model: type[Model]) -> object:
    return model._base_manager.bulk_update([_row(model)], [_column(model)])


def _upsert(model: type[Model]) -> object:
    return model._base_manager.bulk_create(
        [_row(model)],
        update_conflicts=True,
        update_fields=[_column(model)],
        unique_fields=key_of(model._meta.db_table),
    )


def _save(model: type[Model]) -> object:
    return _row(model).save(force_update=True)


def _raw_delete(model: type[Model]) -> object:
    return model._base_manager.all()._raw_delete(DEFAULT_DB_ALIAS)


WAYS: dict[str, Callable[[type[Model]], object]] = {
    "update": _update,
    "bulk_update": _bulk_update,
    "bulk_create, update_conflicts": _upsert,
    "save": _save,
    "raw delete": _raw_delete,
}
CASES = [
    pytest.param(MODELS[table], way, id=f"{table}, {way}")
    for table in GUARDED
    for way in WAYS
    if not isinstance(MODELS[table]._meta.pk, CompositePrimaryKey) or way in ("update", "raw delete")
]


@pytest.fixture
def merchant() -> uuid.UUID:
    merchant = uuid.uuid4()
    with phase():
        kit.post([sale(merchant, 1000)])
    return merchant


@pytest.mark.django_db
@pytest.mark.parametrize(("model", "way"), CASES)
def test_as_the_application(merchant, model, way):
    with refused(merchant, NOT_ALLOWED):
        WAYS[way](model)


@pytest.mark.django_db(databases=OWNERS)
@pytest.mark.parametrize(("model", "way"), CASES)
def test_as_the_owner(as_owner, merchant, model, way):
    with refused(merchant, RESTRICTED):
        WAYS[way](model)


@pytest.mark.django_db
@pytest.mark.parametrize("table", ["ledger_entry", "ledger_posting", "ledger_fact", "ledger_event"])
def test_delete_of_rows_that_are_there(merchant, table):
    with refused(merchant, NOT_ALLOWED):
        MODELS[table]._base_manager.filter(merchant_id=merchant).delete()


@pytest.mark.django_db
def test_bulk_create_goes_round_no_grant(merchant):
    for table in ("ledger_entry", "ledger_posting", "ledger_fact"):
        rows = list(MODELS[table]._base_manager.filter(merchant_id=merchant))
        for ignore in (False, True):
            with refused(merchant, NOT_ALLOWED):
                MODELS[table]._base_manager.bulk_create(rows, ignore_conflicts=ignore)
