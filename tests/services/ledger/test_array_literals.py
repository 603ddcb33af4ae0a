"""Array literals mean to PostgreSQL what the values are."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import array_literals

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
KINDS = {
    "bigint": (array_literals.integers, st.integers(-(2**63), 2**63 - 1)),
    "uuid": (array_literals.uuids, st.none() | st.uuids()),
    "text": (array_literals.texts, TEXT | st.sampled_from(["NULL", "null", "", "{}", 'a"b\\', " x "])),
    "timestamptz": (
        array_literals.instants,
        st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.timezones()),
    ),
}


def in_utc(values):
    return [one.astimezone(UTC) if isinstance(one, datetime) else one for one in values]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_the_database_reads_back_what_was_written(kind, data):
    write, values = KINDS[kind]
    wanted = data.draw(st.lists(values, max_size=6))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT %s::{kind}[]", [write(wanted)])
        # In one zone: an hour that a clock skips is, to Python, equal to no instant of another.
        assert in_utc(cursor.fetchone()[0]) == in_utc(wanted)


def test_an_instant_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        array_literals.instants([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1)])
