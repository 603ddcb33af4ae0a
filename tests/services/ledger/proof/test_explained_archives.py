"""What left with an archived month is explained by its sealed file, as it was before it left."""

import io
import re
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from ledger import clock, ids, retention
from ledger.explain import accounts, carried, entries, walking
from ledger.explain.registry import Scope
from ledger.models import Account, ArchivedStream, ArchiveFile, CarriedBalance, Event, JournalEntry
from ledger.money import Money
from payments.models import PaymentTransaction
from tests.kit import seals
from tests.kit.books import assert_all_invariants_hold
from tests.kit.months import OldTicks, archived, finish
from tests.kit.owner import OWNERS
from tests.kit.queries import statements
from tests.kit.shop import good, split

# The owner of the tables archives; the application cannot.
pytestmark = [
    pytest.mark.django_db(transaction=True, databases=OWNERS),
    pytest.mark.usefixtures("as_owner"),
    pytest.mark.xdist_group("archives"),
]

LONG = timedelta(days=retention.DAYS_DEFAULT + 40)
EXPLAIN = "/api/v1/explain/"
# What may be said of a changed byte in packed rows: which comes first is up to the byte.
CHANGED = "packed rows|rows stand where|is not text|is no row|does not end where"
NOTHING = [{"amount": 0, "currency": "USD"}]


@pytest.fixture
def payment(place, begins, shop, ada, monkeypatch):
    """Carla paid Ada 60 of 100 dollars long ago."""
    with monkeypatch.context() as then:
        then.setattr(ids, "_ticks", OldTicks(begins))
        made = shop.captured(amount=10_000, vendor_split=split((ada, 6_000)))
        finish(ada)
    return made


def archive(kept: str, begins: datetime, at: datetime | None = None) -> list[ArchiveFile]:
    """Seal everything, and archive a class's month."""
    seals.seal_everything()
    return archived(kept, begins, at)


def journal_left(begins: datetime) -> list[ArchiveFile]:
    return archive("journal", begins)


def first_of(payment) -> UUID:
    """The event with which the payment began, which has left."""
    return ArchivedStream.objects.get(
        subject_id=ids.parse("pay", payment["id"]), first_sequence=1
    ).first_event


def entry_of(payment) -> UUID:
    return JournalEntry.objects.get(source_id=ids.parse("pay", payment["id"])).pk


def told(story):
    """What a story says, without what changes when a month leaves."""
    skipped = ("archive", "carried forward", "movements")
    return {
        ref: (node.title, node.amounts, node.footing, story.verdicts[ref].is_explained)
        for ref, node in story.nodes.items()
        if node.kind not in skipped
    }


def test_a_payment_is_explained_as_before_its_month_left(payment, begins, merchant_client):
    entry = entry_of(payment)
    share = PaymentTransaction.objects.get(payment=ids.parse("pay", payment["id"])).public_id
    posting = entries.posting_ref(entry, 1)
    wanted = [payment["id"], share, f"{share}.terms", entries.entry_ref(entry), posting]
    before = {ref: told(walking.explain(ref)) for ref in wanted}
    files = journal_left(begins)
    assert not JournalEntry.objects.filter(pk=entry).exists()
    for ref in wanted:
        story = walking.explain(ref)
        assert story.is_explained, list(story.reasons())
        assert story.is_complete
        assert told(story) == before[ref]
        answer = good(merchant_client.get(EXPLAIN + ref), 200)
        assert (answer["is_explained"], answer["footing"], answer["unexplained"]) == (True, NOTHING, NOTHING)
        out = io.StringIO()
        call_command("explain", ref, stdout=out)
        assert f"{ref}: explained, footing 0.00 USD, unexplained 0.00 USD" in out.getvalue()
    for file in files:
        assert merchant_client.get(f"{EXPLAIN}arc_{file.number}").status_code == 200
        with pytest.raises(walking.NotExplained):
            walking.explain(
                f"arc_{file.number}", scope=Scope(ids.uuid7())
            )  # nothing of that merchant is in it
    node = walking.explain(posting).nodes[entries.entry_ref(entry)]
    assert node.seal.block is not None
    assert f"arc_{files[1].number}" in [cause.ref for cause in node.causes]


def test_the_page_shows_what_left(payment, begins, client, admin_user):
    entry = entry_of(payment)
    [_, file] = journal_left(begins)
    client.force_login(admin_user)
    text = client.get(f"/admin/books/explain/{entries.entry_ref(entry)}/").content.decode()
    assert "explained</span>" in text
    assert "not explained</span>" not in text
    assert file.file_name in text


def test_the_event_that_posted_it_is_read_from_its_archive_too(payment, begins):
    entry = entry_of(payment)
    event = Event.objects.get(subject_id=ids.parse("pay", payment["id"]), entry_id=entry)
    ref = entries.event_ref(event.pk)
    before = told(walking.explain(ref))[ref]
    journal_left(begins)
    [file] = archive("events", begins, clock.now() + LONG)
    assert not Event.objects.filter(pk=event.pk).exists()
    story = walking.explain(entries.entry_ref(entry))
    assert story.is_explained, list(story.reasons())
    node = story.nodes[ref]
    assert f"arc_{file.number}" in [cause.ref for cause in node.causes]
    assert node.seal.block is not None
    assert told(walking.explain(ref))[ref] == before
    whole = walking.explain(payment["id"])
    assert whole.is_explained, list(whole.reasons())
    first = whole.nodes[entries.event_ref(first_of(payment))]
    assert any(cause.is_outside and "req_" in cause.text for cause in first.causes)


def test_balances_count_what_was_carried_and_lead_to_its_postings(
    payment, begins, northwind, merchant_client
):
    held = Account.objects.filter(merchant_id=northwind.pk, postings__isnull=False).distinct()
    held = list(held)
    before = {row.public_id: walking.explain(row).root.amounts for row in held}
    journal_left(begins)
    ends = (begins + timedelta(days=32)).replace(day=1)
    for row in held:
        for ref in (row.public_id, accounts.balance_ref(row, clock.now())):
            story = walking.explain(ref)
            assert story.is_explained, list(story.reasons())
            assert story.root.amounts == before[row.public_id]
            assert "carried forward" in {node.kind for node in story.nodes.values()}
        answer = good(merchant_client.get(EXPLAIN + row.public_id), 200)
        assert (answer["is_explained"], answer["unexplained"]) == (True, NOTHING)
        [part] = carried.within([(row, begins, ends)])[0][0]
        moved = walking.explain(accounts.Stretch(accounts.short(row), begins, ends).ref)
        assert (moved.root.amounts, moved.is_explained) == ((part.amount,), True)
        inside = walking.explain(accounts.balance_ref(row, begins + timedelta(days=3)))
        assert not inside.is_explained
        assert f"{begins:%Y-%m} is archived" in next(inside.reasons())[1]


def test_many_postings_of_a_month_are_stretches_of_it(place, begins, shop, monkeypatch, northwind):
    monkeypatch.setattr(carried, "PARTS_MAX", 2)
    with monkeypatch.context() as then:
        then.setattr(ids, "_ticks", OldTicks(begins))
        for minor in range(1, 6):
            shop.captured(amount=minor * 100)
    finish()
    journal_left(begins)
    row = CarriedBalance.objects.get(merchant_id=northwind.pk, account__code="merchant_balance")
    ref = carried.carried_ref(row.account, begins)
    story = walking.explain(ref)
    assert story.is_explained, list(story.reasons())
    assert [part.ref for part in story.root.parts] == [f"{ref}.0-4", f"{ref}.4-5"]
    assert {f"{ref}.0-2", f"{ref}.2-4"} <= story.nodes.keys()
    assert story.root.amounts == (Money(-1_500, "USD"),)
    for wrong in (f"{ref}.2-9", f"{ref}.3-3", f"{ref}.1", f"{ref}.1-2.3", f"{ref[:-7]}1999-01"):
        with pytest.raises(walking.NotExplained):
            walking.explain(wrong)


def test_what_came_late_for_a_month_that_was_gone_counts_with_it(place, begins, shop, monkeypatch, northwind):
    late = []
    for minor in (100, 200):
        with monkeypatch.context() as then:
            then.setattr(ids, "_ticks", OldTicks(begins))
            late.append(shop.captured(amount=minor))
        finish()
        late[-1] = entries.entry_ref(entry_of(late[-1]))
        journal_left(begins)
    assert all(walking.explain(ref).is_explained for ref in late)
    held = Account.objects.get(merchant_id=northwind.pk, code="merchant_balance")
    story = walking.explain(held)
    assert (story.is_explained, story.root.amounts) == (True, (Money(-300, "USD"),))
    assert [part.ref for part in story.root.parts] == [carried.carried_ref(held, begins)]
    assert walking.explain(story.root.parts[0].ref, scope=Scope(northwind.pk)).is_explained


def test_a_changed_or_absent_file_explains_nothing(payment, begins, place, merchant_client):
    entry = entry_of(payment)
    ref = entries.posting_ref(entry, 1)
    path = place / journal_left(begins)[0].file_name
    raw = path.read_bytes()
    for change, why in ((raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:], CHANGED), (None, "is not here")):
        path.unlink() if change is None else path.write_bytes(change)
        story = walking.explain(payment["id"])
        assert not story.is_explained
        assert any(re.search(why, reason) for _, reason in story.reasons())
        with pytest.raises(walking.NotExplained, match=why):
            walking.explain(ref)
        with pytest.raises(CommandError, match=why):
            call_command("explain", ref, stdout=io.StringIO())
        assert merchant_client.get(EXPLAIN + ref).status_code == 404
    path.write_bytes(raw)
    assert walking.explain(ref).is_explained


def test_a_request_reads_only_so_much(payment, begins, monkeypatch, merchant_client, northwind):
    entry = entry_of(payment)
    journal_left(begins)
    monkeypatch.setattr("ledger.explain.archived.ROWS_MAX", 1)
    answer = good(merchant_client.get(EXPLAIN + payment["id"]), 200)
    assert not answer["is_explained"]
    assert any("manage.py explain reads them" in one["reason"] for one in answer["reasons"])
    assert walking.explain(entries.entry_ref(entry)).is_explained
    with pytest.raises(walking.NotExplained):
        walking.explain(entries.entry_ref(entry), scope=Scope(ids.uuid7()))


def test_the_queries_do_not_grow_with_what_left(place, begins, shop, monkeypatch, northwind):
    with monkeypatch.context() as then:
        then.setattr(ids, "_ticks", OldTicks(begins))
        made = [shop.captured(amount=1_000) for _ in range(6)]
    finish()
    written = [entries.posting_ref(entry_of(one), 1) for one in made]
    journal_left(begins)
    counts = []
    for some in (written[:1], written):
        with statements() as sent:
            story = walking.explain_all(some)
        assert story.is_explained
        counts.append(len(sent))
    assert counts[0] == counts[1] <= 20


def test_the_house_is_whole_when_sales_refunds_and_batches_have_left(
    place, begins, shop, northwind, ada, monkeypatch
):
    with monkeypatch.context() as then:
        then.setattr(ids, "_ticks", OldTicks(begins))
        first = shop.captured(amount=10_000, vendor_split=split((ada, 6_000)))
        shop.refunded(first, amount=2_500)
        shop.captured(amount=5_000, vendor_split=split((ada, 2_000)))
        finish(ada)
    assert_all_invariants_hold()
    journal_left(begins)
    assert not JournalEntry.objects.filter(merchant_id=northwind.pk).exists()
    assert_all_invariants_hold()
    shop.captured(amount=3_000, vendor_split=split((ada, 1_000)))
    assert_all_invariants_hold()
