"""Verifications as rows: the command, and a round that goes on in slices."""

import uuid
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from ledger import clock
from ledger.models import SealCheck
from ledger.proof import checks, status, verifying
from tests.kit import seals
from tests.kit.seals import OWNERS

pytestmark = pytest.mark.django_db(transaction=True, databases=OWNERS)


@pytest.fixture(autouse=True)
def no_earlier_rounds(transactional_db):
    """Other tests' rounds are over: theirs were other seals."""
    seals.forget_checks()


def test_the_command_tells_what_it_saw_and_keeps_it(books, capsys):
    call_command("verify_books")
    said = capsys.readouterr().out
    assert "every sealed row is as it was sealed" in said
    kept = SealCheck.objects.latest("id")
    assert kept.is_last
    assert f"{kept.entries} entries, {kept.postings} postings, {kept.events} events" in said
    found = status.seals_of(books.entries)[books.entries[0]]
    assert found.verified_at == kept.finished_at


def test_the_command_fails_with_the_name_of_the_row(books):
    change = "UPDATE ledger_entry SET kind = 'forged' WHERE id = %s"
    with seals.tampered(change, books.entries[0]), pytest.raises(CommandError, match=str(books.entries[0])):
        call_command("verify_books")


def test_a_round_goes_on_where_its_last_slice_ended_and_the_next_begins_a_day_later(books, monkeypatch):
    for _ in range(2):
        seals.write(uuid.uuid4())
        seals.seal_everything()
    monkeypatch.setattr(verifying, "ROWS_TOGETHER", 1)
    monkeypatch.setattr(checks, "SLICE_SECONDS", -1.0)
    now = clock.now()
    first = checks.check_slice(now)
    second = checks.check_slice(now)
    assert (first.first, first.last, first.is_last) == (1, 1, False)
    assert second.first == 2
    while not checks.check_slice(now).is_last:
        pass
    assert checks.check_slice(now) is None
    assert checks.check_slice(now + timedelta(hours=23)) is None
    again = checks.check_slice(clock.now() + timedelta(days=1))
    assert again.first == 1


def test_a_round_with_a_fault_begins_anew(books):
    change = "UPDATE ledger_entry SET kind = 'forged' WHERE id = %s"
    with seals.tampered(change, books.entries[0]):
        assert not checks.check_slice(clock.now()).holds
        assert not checks.check_slice(clock.now()).holds
