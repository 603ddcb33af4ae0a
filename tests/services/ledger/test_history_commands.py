"""`manage.py rebuild` and `manage.py compare`: what an operator types, and what he reads."""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from tests.factories import payments as make
from tests.kit import tampering
from tests.kit.owner import OWNERS

# Whoever tampers owns the tables, and sees what its own transaction wrote.
pytestmark = [pytest.mark.django_db(databases=OWNERS), pytest.mark.usefixtures("as_owner")]


@pytest.fixture
def payment(northwind, ada):
    return make.captured_payment(northwind, shares=[(ada, 4_000, 400)])


def run(capsys, *arguments) -> str:
    call_command(*arguments)
    return capsys.readouterr().out


def test_rebuild_prints_the_row(payment, capsys):
    shown = json.loads(run(capsys, "rebuild", "payment", "--id", payment.public_id))
    assert (shown["row"]["state"], shown["row"]["captured_minor"]) == ("captured", 10_000)
    assert shown["row"]["merchant_id"] == str(payment.merchant_id)


def test_rebuild_prints_the_row_as_of_an_instant_and_a_sequence(payment, capsys):
    key = ("rebuild", "payment", "--id", str(payment.pk))
    assert json.loads(run(capsys, *key, "--sequence", "1"))["row"]["state"] == "created"
    assert json.loads(run(capsys, *key, "--as-of", make.AT.isoformat()))["row"]["state"] == "captured"
    before = (make.AT - timedelta(seconds=1)).isoformat()
    with pytest.raises(CommandError, match="no event"):
        call_command(*key, "--as-of", before)


def test_rebuild_all_compares(payment, capsys):
    assert "0 differ" in run(capsys, "rebuild", "payment", "--all")
    assert "vendor: " in run(capsys, "rebuild", "all", "--all")
    tampering.change("payments_payment", "order_ref = 'x'", "id = %s", [payment.pk])
    with pytest.raises(CommandError, match="1 are not"):
        call_command("rebuild", "payment", "--all")
    assert "differs from its events in order_ref" in capsys.readouterr().out


def test_compare_names_what_is_corrupted(payment, capsys):
    assert "nothing corrupted" in run(capsys, "compare", "payment", "--id", payment.public_id)
    tampering.change("payments_payment", "order_ref = 'x'", "id = %s", [payment.pk])
    with pytest.raises(CommandError, match="1 of"):
        call_command("compare", "all")
    told = capsys.readouterr().out
    assert f"payment {payment.pk}: table corrupted" in told
    assert "order_ref: found 'x', told 'order-1'" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rebuild", "sandwich", "--all"], "not a kind"),
        (["rebuild", "payment"], "--id"),
        (["rebuild", "payment", "--id", "nonsense"], "no id"),
        (["rebuild", "payment", "--id", "pay_nonsense"], "pay_"),
        (["rebuild", "payment", "--id", "x", "--as-of", "yesterday"], "not an instant"),
        (["compare", "account", "--id", "x"], "no number"),
        (["compare", "account", "--id", "999999999"], "no account"),
    ],
)
def test_bad_arguments_end_with_one_line(db, arguments, message):
    with pytest.raises(CommandError, match=message):
        call_command(*arguments)
