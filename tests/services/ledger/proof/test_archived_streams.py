"""Streams of events past their retention leave, whole; what goes on stays; files tell of what left."""

import random
import uuid
from datetime import datetime, timedelta
from importlib import import_module

import pytest
from django.contrib import admin
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.urls import reverse

from ledger import clock, events, ids, invariants, partitions, retention
from ledger.actors import SYSTEM, Actor
from ledger.archives import archiving
from ledger.archives import files as archive_files
from ledger.archives import streams as archived_streams
from ledger.archives.files import BadArchive
from ledger.explain import entries, walking
from ledger.fx import quoting
from ledger.fx.quoting import QuoteWish
from ledger.history import comparing, rebuilding
from ledger.models import ArchivedHour, ArchivedStream, Event, FxQuote
from ledger.models.fx_rates import FxKind
from ledger.money import Money
from ledger.proof import verifying
from ledger.states import NEW
from tests.kit import fx, seals
from tests.kit.months import OldTicks, key_at, month_of_its_own
from tests.kit.owner import OWNERS

# The owner of the tables archives; the application cannot.
pytestmark = [
    pytest.mark.django_db(transaction=True, databases=OWNERS),
    pytest.mark.usefixtures("as_owner"),
    pytest.mark.xdist_group("archives"),
]

KEEPERS = ("I-04", "I-05", "I-06", "I-70", "I-81", "I-83")
LONG = timedelta(days=retention.DAYS_DEFAULT + 40)


def key_in(begins: datetime) -> uuid.UUID:
    return key_at(begins + timedelta(days=random.randint(0, 20), seconds=random.randint(0, 80_000)))


def asked(begins: datetime, *, is_cancelled: bool = True) -> FxQuote:
    """A quote of that month with its events: promised, and given up again."""
    at = fx.some_instant()
    fx.two_sources(at)
    wish = QuoteWish(key_in(begins), Money(10_000, "USD"), "EUR", FxKind.PAYMENT)
    quote = quoting.quote(merchant_id=uuid.uuid4(), wish=wish, actor=SYSTEM, at=at)
    if is_cancelled:
        cancel(quote, at)
    partitions.make_ahead()
    return FxQuote.objects.get(pk=quote.pk)


def cancel(quote: FxQuote, at: datetime) -> None:
    quoting.cancel(merchant_id=quote.merchant_id, quote_id=quote.pk, actor=SYSTEM, at=at)


def month_of(begins: datetime, at: datetime | None = None) -> archiving.Month:
    due = archiving.due(at or clock.now() + LONG)
    return next(m for m in due if m.kept.name == "events" and m.begins == begins)


def archived(begins: datetime):
    seals.seal_everything()
    [row] = archiving.archive(month_of(begins), clock.now(), SYSTEM)
    return row


def assert_all_is_well() -> None:
    found = {number: list(invariants.registry[number].check()) for number in KEEPERS}
    assert {number: rows for number, rows in found.items() if rows} == {}
    verdict = verifying.verify()
    assert verdict.holds, verdict.fault


def test_a_stream_leaves_whole_and_is_rebuilt_and_compared_as_before(place, begins):
    quote = asked(begins)
    before = rebuilding.rebuild("fx_quote", quote.pk).values()
    row = archived(begins)
    assert not Event.objects.filter(subject_id=quote.pk).exists()
    stub = ArchivedStream.objects.get(subject_id=quote.pk)
    assert (stub.archive, stub.first_sequence, stub.last_sequence) == (row.number, 1, 2)
    assert rebuilding.rebuild("fx_quote", quote.pk).values() == before
    first = rebuilding.rebuild("fx_quote", quote.pk, rebuilding.Until(sequence=1))
    assert (first.state, first.is_whole) == ("open", True)
    assert comparing.compare("fx_quote", quote.pk).holds
    assert_all_is_well()
    with pytest.raises(DatabaseError, match="streams of events were archived"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(import_module("ledger.migrations.0020_archived_streams").STAY)
    archiving.drop(row.number, clock.now(), SYSTEM)
    assert rebuilding.rebuild("fx_quote", quote.pk).values() == before
    assert events.verify_chain(archived_streams.events_of("fx_quote", quote.pk)) is None


def test_without_its_file_a_history_is_named_and_a_changed_file_is_refused(place, begins):
    quote = asked(begins)
    path = place / archived(begins).file_name
    raw = path.read_bytes()
    path.unlink()
    with pytest.raises(archived_streams.HistoryArchived, match=path.name):
        rebuilding.rebuild("fx_quote", quote.pk)
    with pytest.raises(CommandError, match="ARCHIVE_DIR"):
        call_command("rebuild", "fx_quote", id=quote.public_id)
    path.write_bytes(raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:])
    with pytest.raises(BadArchive):
        rebuilding.rebuild("fx_quote", quote.pk)
    path.write_bytes(raw)


def test_a_row_that_is_not_what_left_is_named(place, begins):
    quote = asked(begins)
    archived(begins)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_fx_quote SET event_hash = '\\x00' WHERE id = %s", [quote.pk])
        assert comparing.compare("fx_quote", quote.pk).corrupted == ["table"]
        cursor.execute(
            "UPDATE ledger_fx_quote SET event_hash = %s WHERE id = %s", [quote.event_hash, quote.pk]
        )
    assert comparing.compare("fx_quote", quote.pk).holds


def test_what_goes_on_stays_whole_and_sealed(place, begins, monkeypatch):
    monkeypatch.setattr(FxQuote, "LIVES_ON", True)
    gone, stays = asked(begins), asked(begins, is_cancelled=False)
    row = archived(begins)
    assert row.rows == 2
    assert [one.subject_id for one in ArchivedStream.objects.filter(archive=row.number)] == [gone.pk]
    assert Event.objects.filter(subject_id=stays.pk).count() == 1
    assert_all_is_well()
    event = Event.objects.get(subject_id=stays.pk)
    changed = seals.fault_after("UPDATE ledger_event SET payload = '{}' WHERE id = %s", event.pk)
    assert f"event {event.pk} is not as it was sealed" in changed
    lost = seals.fault_after("DELETE FROM ledger_event WHERE id = %s", event.pk)
    assert lost == f"events of subject {stays.pk} were sealed and are gone; no archive has them"
    with pytest.raises(StopIteration):
        month_of(begins)
    monkeypatch.undo()
    assert archived(begins).rows == 1  # of its own, once its kind does not live on
    assert_all_is_well()


def test_a_subject_goes_on_after_its_first_events_left(place, begins):
    quote = asked(begins, is_cancelled=False)
    row = archived(begins)
    cancel(quote, quote.expires_at - timedelta(seconds=1))
    partitions.make_ahead()
    assert [one.sequence for one in Event.objects.filter(subject_id=quote.pk)] == [2]
    assert rebuilding.rebuild("fx_quote", quote.pk).state == "cancelled"
    assert rebuilding.rebuild("fx_quote", quote.pk).is_whole
    assert comparing.compare("fx_quote", quote.pk).holds
    seals.seal_everything()
    assert_all_is_well()
    assert archived(begins).number > row.number
    assert rebuilding.rebuild("fx_quote", quote.pk).sequence == 2
    assert_all_is_well()


def test_a_stream_stays_as_long_as_its_money_and_until_it_is_sealed(place, begins):
    books = seals.write(uuid.uuid4())
    subject = key_in(begins)
    fact = events.Fact(
        id=ids.uuid7(), merchant_id=books.merchant, subject_type="test", subject_id=subject, sequence=1,
        type="test.posted", from_state=NEW, to_state="posted", payload={}, cause=events.Cause("test", "kit"),
        actor=SYSTEM, entry_id=books.entries[0], occurred_at=clock.now(), previous_hash=b"",
    )  # fmt: skip
    events.build(fact).save(force_insert=True)
    events.build(fact._replace(id=ids.uuid7(), subject_id=key_in(begins), entry_id=books.entries[1])).save(
        force_insert=True
    )
    quote = asked(begins)
    with pytest.raises(StopIteration):
        month_of(begins)  # nothing is sealed
    row = archived(begins)
    assert row.rows == 2
    assert Event.objects.filter(subject_id=subject).exists()
    assert ArchivedStream.objects.get(archive=row.number).subject_id == quote.pk


def test_nothing_leaves_within_its_retention_or_under_a_hold_on_its_own_time(place, begins):
    quote = asked(begins)
    seals.seal_everything()
    with pytest.raises(StopIteration):
        month_of(begins, clock.now())  # born long ago, recorded today
    irene, now = Actor("staff", "7", "irene"), clock.now()
    day = timedelta(days=1)
    for scope, keeps in (
        ({"subject": quote.public_id}, True),
        ({"merchant_id": quote.merchant_id}, True),
        ({"covers_from": now - day, "covers_to": now + day}, True),
        ({"covers_from": begins, "covers_to": begins + 27 * day}, False),
    ):
        hold = retention.place_hold(**scope, record_class="events", reason="the court", actor=irene, at=now)
        assert month_of(begins).is_held is keeps, scope
        retention.lift_hold(hold_id=hold.pk, reason="closed", actor=irene, at=now)


def test_explaining_ends_at_what_asked_for_it_read_from_the_archive(place, begins):
    quote = asked(begins)
    row = archived(begins)
    story = walking.explain(f"arc_{row.number}")
    assert story.is_complete
    assert row.file_name in story.nodes[f"arc_{row.number}"].causes[0].text
    panel, hours = admin.site._registry[type(row)].panels(row)
    assert quote.public_id in str(panel.rows)
    assert sum(int(events) for _, events in hours.rows) == row.rows
    told = walking.explain(quote)
    first = ArchivedStream.objects.get(subject_id=quote.pk).first_event
    node = told.nodes[entries.event_ref(first)]
    assert node.title.startswith("fx quote.opened")
    assert f"arc_{row.number}" in told.nodes
    assert any(cause.is_outside for cause in node.causes)
    assert (told.is_complete, told.is_explained) == (True, True), list(told.reasons())


def files_read(monkeypatch) -> list[int]:
    """The numbers of the archives that are read from now on."""
    read: list[int] = []
    lines_of = archive_files.lines_of

    def noted(row):
        read.append(row.number)
        return lines_of(row)

    monkeypatch.setattr(archive_files, "lines_of", noted)
    return read


def test_an_event_is_sought_by_its_id_in_the_one_archive_of_its_hour(place, begins, monkeypatch):
    asked(begins)
    archived(begins)
    months = [month_of_its_own() for _ in range(2)]
    for month in months:
        with monkeypatch.context() as then:
            then.setattr(ids, "_ticks", OldTicks(month))
            quote = asked(month)
        last = archived(month)
    first = ArchivedStream.objects.get(subject_id=quote.pk).first_event
    assert ArchivedHour.objects.filter(archive=last.number).count() == 1
    read = files_read(monkeypatch)
    assert walking.explain(entries.event_ref(first)).is_explained
    assert set(read) == {last.number}
    read.clear()
    for unknown in (key_at(months[0] + timedelta(days=400)), uuid.UUID(int=(1 << 128) - 1)):
        with pytest.raises(walking.NotExplained):
            walking.explain(entries.event_ref(unknown))
    assert read == []


def test_the_history_page_reads_each_file_once_and_shows_a_page_of_steps(
    place, begins, monkeypatch, client, admin_user
):
    quote = asked(begins)
    path = place / archived(begins).file_name
    client.force_login(admin_user)
    page = reverse("admin:history", args=["fx_quote", quote.pk])
    read = files_read(monkeypatch)
    assert "Its steps" in client.get(page).content.decode()
    assert len(read) == 1
    monkeypatch.setattr("ledger.admin.history.STEPS_SHOWN", 1)
    for query, shown in (("", "page 2 of 2"), ("?sequence=1", "page 1 of 2"), ("?page=1", "page 1 of 2")):
        assert shown in client.get(page + query).content.decode()
    assert client.get(page + "?page=3").status_code == 404
    monkeypatch.setattr("ledger.explain.archived.ROWS_MAX", 1)
    refused = client.get(page)
    assert (refused.status_code, "manage.py rebuild reads any number" in refused.content.decode()) == (
        409,
        True,
    )
    monkeypatch.undo()
    raw = path.read_bytes()
    path.unlink()
    refused = client.get(page)
    assert (refused.status_code, path.name in refused.content.decode()) == (409, True)
    path.write_bytes(raw)
