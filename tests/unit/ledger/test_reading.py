"""Rows made without the library's constructor are what it would have made."""

import uuid
from typing import Any

import pytest
from django.apps import apps
from django.db.models import JSONField, signals

from fraud.models import FraudCheck
from ledger import reading
from ledger.models import Event, OutboxMessage
from payments.models import Payment, PaymentTransaction, ProviderOperation

MODELS = (Event, OutboxMessage, FraudCheck, Payment, PaymentTransaction, ProviderOperation)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_new_row_has_the_constructors_attributes(model: Any) -> None:
    key = model._meta.pk.to_python(None) or (uuid.uuid4() if model is not OutboxMessage else 7)
    ours, theirs = reading.new(model, id=key).__dict__, model(id=key).__dict__
    assert {**ours, "_state": None} == {**theirs, "_state": None}
    assert vars(ours["_state"]) == vars(theirs["_state"])


def test_rows_share_no_default() -> None:
    one, other = reading.new(Payment), reading.new(Payment)
    assert one.id != other.id
    assert one.metadata is not other.metadata


def test_a_row_has_no_other_columns() -> None:
    with pytest.raises(TypeError, match="no_such_column"):
        reading.new(Payment, no_such_column=1)


def test_a_row_that_was_read_is_as_the_library_reads_it() -> None:
    fields = Payment._meta.concrete_fields
    defaults = [(field, field.get_default()) for field in fields]
    sent = ['{"a": 1}' if isinstance(field, JSONField) else value for field, value in defaults]
    read = [{"a": 1} if isinstance(field, JSONField) else value for field, value in defaults]
    names = [field.attname for field in fields]
    ours, theirs = reading.row(Payment, sent).__dict__, Payment.from_db("default", names, read).__dict__
    assert {**ours, "_state": None} == {**theirs, "_state": None}
    assert vars(ours["_state"]) == vars(theirs["_state"])


def test_nobody_listens_to_the_making_of_rows() -> None:
    listeners = [
        model.__name__
        for model in apps.get_models()
        for signal in (signals.pre_init, signals.post_init)
        if signal.has_listeners(model)
    ]
    assert listeners == []
