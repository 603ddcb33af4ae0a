"""Random walks of a machine: the row rebuilt from its events is the row that stood there, after every step
and at every instant."""

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, models
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ledger import locks, states
from ledger.actors import SYSTEM
from ledger.events import stream, verify_chain
from ledger.history import rebuilding
from ledger.history.rebuilding import Until
from ledger.recorded import Recorded
from ledger.recording import record
from ledger.states import NEW, STAY, Edge, Machine, StateField, guard_sql
from tests.kit.owner import OWNERS

WALKER = Machine(
    "walker",
    [
        Edge("start", {NEW}, "here", "walker.started"),
        Edge("go", {"here", "there"}, "there", "walker.gone"),
        Edge("turn", {"there"}, "here", "walker.turned"),
        Edge("change", {"here", "there"}, STAY, "walker.changed"),
    ],
)
STEPS = {"here": ["go", "change"], "there": ["go", "turn", "change"]}
AT = datetime(2026, 1, 1, tzinfo=UTC)


class Walker(Recorded):
    """A row with a column of each kind."""

    SUBJECT = "walker"
    PREFIX = "wlk"
    merchant_id = models.UUIDField()
    state = StateField(WALKER)
    number = models.BigIntegerField(default=0)
    word = models.CharField(max_length=40, default="")
    flag = models.BooleanField(default=False)
    raw = models.BinaryField(default=b"")
    share = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    day = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    other = models.UUIDField(null=True)
    notes = models.JSONField(default=dict)

    class Meta:
        app_label = "kit"
        managed = False
        db_table = "test_walker"

    def __str__(self) -> str:
        return self.word

    @WALKER.edge("start")
    def start(self, **values: Any) -> None:
        self.__dict__.update(values)

    @WALKER.edge("go")
    def go(self, **values: Any) -> None:
        self.__dict__.update(values)

    @WALKER.edge("turn")
    def turn(self, **values: Any) -> None:
        self.__dict__.update(values)

    @WALKER.edge("change")
    def change(self, **values: Any) -> None:
        self.__dict__.update(values)


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "number": st.integers(-(2**63), 2**63 - 1),
        "word": TEXT,
        "flag": st.booleans(),
        "raw": st.binary(max_size=12),
        "share": st.none() | st.decimals(-9999, 9999, places=4),
        "day": st.none() | st.dates(date(1, 1, 1)),
        "moment": st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
        "other": st.none() | st.uuids(),
        "notes": st.dictionaries(TEXT, st.none() | st.booleans() | st.floats(-1e9, 1e9) | TEXT, max_size=3),
    },
)
WALKS = st.lists(st.tuples(st.integers(0, 9), st.integers(-2, 5), VALUES), min_size=1, max_size=8)


@pytest.fixture
def walkers(as_owner, db):
    with connection.schema_editor() as editor:
        editor.create_model(Walker)
    with connection.cursor() as cursor:
        cursor.execute(guard_sql("test_walker", "walker"))
    states.write_edges()


def row_of(key) -> dict[str, Any]:
    row = Walker.objects.get(pk=key)
    values = {column.attname: getattr(row, column.attname) for column in Walker._meta.concrete_fields}
    return {name: bytes(value) if isinstance(value, memoryview) else value for name, value in values.items()}


@pytest.mark.django_db(databases=OWNERS)
@given(WALKS)
@example([(0, 0, {}), (0, 0, {"number": -(2**63)})])
@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
def test_the_rebuilt_row_is_the_row_at_every_step_and_instant(walkers, walk):
    key, at, stood = uuid.uuid4(), AT, []
    for choice, seconds, values in walk:
        at += timedelta(seconds=seconds)  # business time may run backwards
        with locks.phase():
            if stood:
                row = locks.lock_one(Walker.objects.filter(pk=key))
                name = STEPS[row.state][choice % len(STEPS[row.state])]
            else:
                row, name = Walker(id=key, merchant_id=uuid.uuid4()), "start"
            with record(row, actor=SYSTEM, at=at) as entry:
                getattr(row, name)(**values)
                entry.announce({})
        stood.append((at, row_of(key)))
    assert verify_chain(stream("walker", key)) is None
    for sequence, (_, values) in enumerate(stood, 1):
        rebuilt = rebuilding.rebuild("walker", key, Until(sequence=sequence)).values()
        assert rebuilt == values
        assert {name: type(value) for name, value in rebuilt.items()} == {
            name: type(value) for name, value in values.items()
        }
    latest = AT - timedelta(days=1)
    for number, (at, values) in enumerate(stood):
        latest = max(latest, at)
        following = [later for later, _ in stood[number + 1 :]]
        if not following or following[0] > latest:
            assert rebuilding.rebuild("walker", key, Until(occurred_at=latest)).values() == values
