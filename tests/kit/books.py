"""Posting and looking at the books in tests.

`post` writes entries the way `record` does, with an event each, so that the invariants of the whole house
hold in a database in which tests leave their rows. The machine `test` is registered here for those events;
`tests/conftest.py` imports this module before the database is made.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from ledger import clock, events, ids, invariants, journal
from ledger.actors import SYSTEM
from ledger.explain.registry import links_cause
from ledger.explain.types import Link
from ledger.journal import EntryDraft
from ledger.models import Event
from ledger.states import NEW, Edge, Machine

TEST = Machine("test", [Edge("post", {NEW}, "posted", "test.posted", posts=True)])


@links_cause("test")
def _of_the_kit(name: str) -> Link:
    return Link("test", name, is_outside=True)


def post(drafts: Sequence[EntryDraft]) -> list[UUID]:
    """Post entries in the open phase, each announced by an event of a subject of its own."""
    written = journal.post(drafts)
    Event.objects.bulk_create(
        events.build(
            events.Fact(
                id=ids.uuid7(), merchant_id=draft.merchant_id, subject_type="test", subject_id=ids.uuid7(),
                sequence=1, type="test.posted", from_state=NEW, to_state="posted", payload={},
                cause=events.Cause("test", "kit"), actor=SYSTEM, entry_id=entry_id, occurred_at=clock.now(),
                previous_hash=b"",
            )
        )
        for draft, entry_id in zip(drafts, written, strict=True)
    )  # fmt: skip
    return written


# What other tests left open is overdue after a minute, and here nobody asks providers: the proof of a day
# asks this of a house of its own.
UNASKED: Final = "I-24"


def assert_all_invariants_hold() -> int:
    """Run every invariant of the house; return how many there are.

    :raises AssertionError: naming the broken ones and their rows.
    """
    results = invariants.check_all()
    broken = [
        f"{found.invariant.number} {found.invariant.sentence} {list(found.violations)}"
        for found in results
        if not found.holds and found.invariant.number != UNASKED
    ]
    assert not broken, "\n".join(broken)
    return len(results)
