"""The invariants of the history: what is recorded is what stands in the tables (README: Invariants)."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

from django.db import connection

from ledger.history import comparing, rebuilding
from ledger.invariants import Violation, Window, invariant, rows, window


@invariant(
    "I-70", "Every recorded row is what its signed events tell; their entries are whole.", narrows=True
)
def rows_are_their_events() -> Iterable[str]:
    looked_at = window()
    if looked_at is None:
        verdicts = (comparing.compare_all(kind) for kind in _standing())
    else:
        changed = _changed(looked_at)
        verdicts = (comparing.compare_many(kind, changed[kind]) for kind in sorted(changed))
    for verdict in chain.from_iterable(verdicts):
        if not verdict.holds:
            yield Violation.of(str(verdict), verdict.subject_type, verdict.subject_id)


@invariant("I-71", "A strict account's balance is the one after its last posting.", narrows=True)
def balances_are_the_last() -> Iterable[str]:
    """Of what changed, I-02 in constant time: the sums are added up at night.

    What was posted while a balance was off keeps the figure it was written with; a restoration explains it.
    """
    return rows(
        """SELECT a.id, a.code, a.currency, a.balance, last.balance_after FROM ledger_account a
           CROSS JOIN LATERAL (
               SELECT p.balance_after, p.recorded_at FROM ledger_posting p WHERE p.account_id = a.id
               ORDER BY p.recorded_at DESC, p.entry_id DESC, p.line DESC LIMIT 1) last
           WHERE NOT a.is_deferred AND last.balance_after <> a.balance /*changed account a.id*/
             AND NOT EXISTS (SELECT 1 FROM ledger_restoration r
                             WHERE r.subject_type = 'account' AND r.subject_key = a.id::text
                               AND r.state = 'applied' AND r.applied_at >= last.recorded_at)""",
        "account {0} ({1} {2}) says {3}, its last posting {4}",
        "account",
    )


@invariant("I-72", "Every restoration that was applied is an event of its row, approved by two others.")
def restorations_are_told() -> Iterable[str]:
    return rows(
        """SELECT r.id, r.subject_type, r.subject_key FROM ledger_restoration r
           WHERE r.state = 'applied' AND NOT EXISTS (
               SELECT FROM ledger_archived_stream a WHERE a.subject_id = r.id OR a.subject_id
                   = CASE WHEN r.subject_key ~ '^[0-9a-f-]{36}$' THEN r.subject_key::uuid END) AND (
               (SELECT count(DISTINCT v.actor_id) FROM ledger_event v
                WHERE v.subject_id = r.id AND v.subject_type = 'restoration'
                  AND v.type IN ('restoration.proposed', 'restoration.approved', 'restoration.applied')) <> 3
               OR (r.subject_type <> 'account' AND NOT EXISTS (
                   SELECT 1 FROM ledger_event v
                   WHERE v.subject_id::text = r.subject_key AND v.cause_type = 'restoration'
                     AND v.cause_id = r.id::text)))""",
        "restoration {0} of {1} {2} was not told by those who approved it",
        "restoration",
    )


def _standing() -> list[str]:
    """Return the kinds of which there is a row or an event, by name: the others have nothing to compare."""
    models = rebuilding.models()
    rows_stand = " ".join(
        f"UNION ALL SELECT '{kind}' WHERE EXISTS (SELECT FROM {model._meta.db_table})"  # noqa: S608 - our names
        for kind, model in models.items()
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT kind FROM unnest(%s::text[]) kind
                WHERE EXISTS (SELECT FROM ledger_event v WHERE v.subject_type = kind) {rows_stand}""",  # noqa: S608
            [list(models)],
        )
        return sorted({kind for (kind,) in cursor.fetchall()})


def _changed(looked_at: Window) -> dict[str, list[Any]]:
    """Return the subjects with events in a window, by their kind."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT subject_type, array_agg(DISTINCT subject_id) FROM ledger_event
               WHERE subject_type = ANY (%s) AND xid >= %s::text::xid8 AND xid < %s::text::xid8 GROUP BY 1""",
            [list(rebuilding.models()), str(looked_at.since), str(looked_at.until)],
        )
        return dict(cursor.fetchall())
