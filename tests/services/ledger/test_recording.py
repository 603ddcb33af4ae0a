"""`record` writes the move, the money and the news together, or nothing, and refuses a step that breaks its
rules."""

import uuid

import pytest
from django.db import DatabaseError, connection, models, transaction

from ledger import clock, events, locks, outbox, recording, states
from ledger.actors import SYSTEM
from ledger.chart import Code, account
from ledger.journal import credit, debit
from ledger.models import Event, JournalEntry, OutboxMessage
from ledger.money import Money
from ledger.recording import Recorded, record
from ledger.states import NEW, Edge, Machine, StateField, guard_sql
from tests.kit.owner import OWNERS

PARCEL = Machine(
    "parcel",
    [
        Edge("create", {NEW}, "packed", "parcel.packed"),
        Edge("pay", {"packed"}, "paid", "parcel.paid", posts=True),
        Edge("lose", {"packed"}, "lost", "parcel.lost"),
    ],
)


class Parcel(Recorded):
    """A little thing with a machine, made for these tests."""

    SUBJECT = "parcel"
    PREFIX = "prc"
    merchant_id = models.UUIDField()
    note = models.CharField(max_length=20, default="")
    state = StateField(PARCEL)

    class Meta:
        app_label = "kit"
        managed = False
        db_table = "test_parcel"

    def __str__(self) -> str:
        return self.note

    @PARCEL.edge("create")
    def create(self, note: str) -> None:
        self.note = note

    @PARCEL.edge("pay")
    def pay(self) -> None:
        self.note = "paid for"

    @PARCEL.edge("lose")
    def lose(self) -> None:
        """Nothing else changes."""


pytestmark = pytest.mark.django_db(databases=OWNERS)


@pytest.fixture
def parcels(as_owner, db):
    """A table of its own, made by the owner for the length of a test."""
    with connection.schema_editor() as editor:
        editor.create_model(Parcel)
    with connection.cursor() as cursor:
        cursor.execute(guard_sql("test_parcel", "parcel"))
    states.write_edges()
    return Parcel.objects


@pytest.fixture
def parcel(parcels) -> Parcel:
    made = Parcel(merchant_id=uuid.uuid4())
    with locks.phase(), record(made, actor=SYSTEM, at=clock.now()) as entry:
        made.create("for Carla")
        entry.announce({"note": "for Carla"})
    return made


def locked(parcel: Parcel) -> Parcel:
    return locks.lock_one(Parcel.objects.filter(pk=parcel.pk))


def legs(parcel: Parcel) -> list:
    hundred = Money(100, "USD")
    return [
        debit(account(Code.BANK, parcel.merchant_id, "USD", "main"), hundred, "funding"),
        credit(account(Code.MERCHANT_BALANCE, parcel.merchant_id, "USD"), hundred, "sale"),
    ]


class TestRecord:
    def test_writes_state_entry_and_chained_events(self, parcel):
        with locks.phase():
            row = locked(parcel)
            with record(row, actor=SYSTEM, at=clock.now()) as entry:
                row.pay()
                entry.post(legs(row), step="pay")
                entry.announce({"note": "paid"})
        stored = list(events.stream("parcel", parcel.pk))
        assert [(e.type, e.sequence, e.from_state, e.to_state) for e in stored] == [
            ("parcel.packed", 1, "", "packed"),
            ("parcel.paid", 2, "packed", "paid"),
        ]
        assert stored[1].entry_id == JournalEntry.objects.get(source_id=parcel.pk, step="pay").pk
        assert events.verify_chain(iter(stored)) is None
        row = Parcel.objects.get(pk=parcel.pk)
        assert (row.state, row.version, row.note) == ("paid", 2, "paid for")
        assert Parcel.objects.only("note").get(pk=parcel.pk).state == "paid"  # read when it is asked for

    def test_refuses_a_row_that_is_not_locked(self, parcel):
        stale = Parcel.objects.get(pk=parcel.pk)
        with pytest.raises(recording.NotRecorded, match="not locked"), locks.phase():
            with record(stale, actor=SYSTEM, at=clock.now()):
                stale.lose()

    def test_refuses_a_lock_of_an_earlier_phase(self, parcel):
        with locks.phase():
            row = locked(parcel)
        with pytest.raises(recording.NotRecorded, match="not locked"), locks.phase():
            with record(row, actor=SYSTEM, at=clock.now()):
                row.lose()

    def test_refuses_to_run_outside_a_phase(self, parcel):
        with pytest.raises(locks.NoPhase), record(parcel, actor=SYSTEM, at=clock.now()):
            parcel.lose()

    @pytest.mark.parametrize(
        ("step", "message"),
        [
            (lambda row, entry: entry.announce({}), "took 0 edges"),
            (lambda row, entry: (row.pay(), entry.announce({})), "do not agree"),
            (
                lambda row, entry: (row.lose(), entry.post(legs(row), step="x"), entry.announce({})),
                "do not agree",
            ),
            (lambda row, entry: row.lose(), "not announced"),
            (lambda row, entry: (row.lose(), entry.announce({"cvc": "1"})), "may not hold"),
        ],
    )
    def test_refuses_a_step_that_breaks_a_rule_and_writes_nothing(self, parcel, step, message):
        with pytest.raises(recording.NotRecorded, match=message), locks.phase():
            row = locked(parcel)
            with record(row, actor=SYSTEM, at=clock.now()) as entry:
                step(row, entry)
        assert Parcel.objects.get(pk=parcel.pk).state == "packed"
        assert Event.objects.filter(subject_id=parcel.pk).count() == 1

    def test_refuses_a_move_that_is_no_edge(self, parcel):
        with locks.phase():
            row = locked(parcel)
            with record(row, actor=SYSTEM, at=clock.now()) as entry:
                row.lose()
                entry.announce({})
        with pytest.raises(states.StateConflict), locks.phase():
            row = locked(parcel)
            with record(row, actor=SYSTEM, at=clock.now()):
                row.pay()

    def test_saving_past_it_is_refused(self, parcel):
        with pytest.raises(recording.NotRecorded):
            parcel.save()
        with pytest.raises(recording.NotRecorded):
            Parcel(merchant_id=uuid.uuid4()).save()

    def test_the_database_refuses_what_goes_round_the_library(self, parcel):
        Parcel._base_manager.filter(pk=parcel.pk).update(note="fine")
        with pytest.raises(DatabaseError, match="no edge"), transaction.atomic():
            Parcel._base_manager.filter(pk=parcel.pk).update(state="refunded")
        with pytest.raises(DatabaseError, match="no edge"), transaction.atomic():
            Parcel._base_manager.bulk_create([Parcel(merchant_id=uuid.uuid4(), state="paid")])

    def test_phases_do_not_nest(self, db):
        with locks.phase(), pytest.raises(locks.NoPhase), locks.phase():
            pass


class TestOutbox:
    def test_delivers_in_order_and_holds_back_what_follows_a_failure(self, parcels, monkeypatch):
        heard: list[int] = []
        is_broken = [True]

        def listen(event: Event) -> None:
            if is_broken[0] and event.sequence == 1:
                raise ValueError("not yet")
            heard.append(event.sequence)

        listen.__qualname__ = "listen"
        monkeypatch.setattr(outbox, "_handlers", {})
        outbox.handles("parcel.packed", "parcel.lost")(listen)
        at = clock.now()
        row = Parcel(merchant_id=uuid.uuid4())
        with locks.phase():
            with record(row, actor=SYSTEM, at=at) as entry:
                row.create("x")
                entry.announce({})
            with record(row, actor=SYSTEM, at=at) as entry:
                row.lose()
                entry.announce({})
        outbox.relay_all(at)
        assert heard == []
        assert "not yet" in OutboxMessage.objects.get(subject_id=row.pk, sequence=1).last_error
        is_broken[0] = False
        outbox.relay_all(at + outbox.LEASE)
        assert heard == [1, 2]
        assert outbox.relay_all(at + outbox.LEASE) == 0
