"""What the floor of money out knows to be unfinished: not settled, paid, on a statement, or explained.

Whoever's bank we never heard is not held to its statements: they would keep every month for ever.
"""

from typing import Final

from ledger.archives import open_ends
from settlements import selectors
from settlements.posting_rules import SETTLED
from settlements.states import BatchState, BreakState, PayoutState, StatementState

_HEARD: Final = """EXISTS (SELECT FROM settlements_bankstatement s WHERE s.merchant_id = {row}.merchant_id
                           AND s.currency = {row}.currency AND s.state = '{accepted}')"""
# A person has looked at what no statement showed, and said why it will not come.
_SAID_WHY: Final = """EXISTS (SELECT FROM settlements_break b WHERE b.merchant_id = {row}.merchant_id
                              AND b.state = '{resolved}' AND b.resolved_by <> 'system' AND {about})"""
_KINDS: Final = ", ".join(f"'{kind}'" for kind in selectors.FUNDING_KINDS)


def _heard(row: str) -> str:
    return _HEARD.format(row=row, accepted=StatementState.ACCEPTED.value)


def _said_why(row: str, about: str) -> str:
    return _SAID_WHY.format(row=row, resolved=BreakState.RESOLVED.value, about=about)


open_ends.entries(
    "entries with postings in no settlement batch",
    f"""SELECT p.entry_id FROM ledger_posting p JOIN ledger_account a ON a.id = p.account_id
        WHERE a.code = 'vendor_pending' AND p.purpose <> '{SETTLED}'
          AND p.entry_id >= ledger_uuid_at(%(begins)s) AND p.entry_id < ledger_uuid_at(%(ends)s)
          AND NOT EXISTS (SELECT FROM settlements_batchline l
                          WHERE l.entry_id = p.entry_id AND l.line = p.line)""",  # noqa: S608 - ours
)
open_ends.entries(
    "entries whose money no statement of the bank shows",
    f"""SELECT f.entry_id FROM payments_provideroperation o
        JOIN ledger_fact f ON f.source_id = o.subject_id AND f.step = o.leg
        WHERE o.outcome = 'approved' AND o.kind IN ({_KINDS})
          AND f.entry_id >= ledger_uuid_at(%(begins)s) AND f.entry_id < ledger_uuid_at(%(ends)s)
          AND NOT EXISTS (SELECT FROM settlements_fundedoperation u WHERE u.operation_id = o.id)
          AND {_heard("o")}
          AND NOT {
        _said_why(
            "o",
            "b.reason = 'operations_not_funded' AND b.currency = o.currency"
            " AND b.resolved_at > o.concluded_at",
        )
    }""",  # noqa: S608 - ours
)
open_ends.subjects(
    "payouts under way",
    f"""SELECT id AS subject_id, 'po' AS prefix, id AS key FROM settlements_payout
        WHERE state IN ('{PayoutState.CREATED.value}', '{PayoutState.SENT.value}')""",  # noqa: S608 - ours
)
open_ends.subjects(
    "payouts that no statement of the bank shows",
    f"""SELECT s.subject_id, 'po' AS prefix, p.id AS key FROM settlements_payout p
        CROSS JOIN LATERAL (VALUES (p.id), (p.batch_id)) s (subject_id)
        WHERE p.state = '{PayoutState.PAID.value}' AND {_heard("p")}
          AND NOT {_said_why("p", "b.payout_id = p.id")}""",  # noqa: S608 - ours
)
open_ends.subjects(
    "settlements not paid",
    f"""SELECT id AS subject_id, 'set' AS prefix, id AS key FROM settlements_settlementbatch
        WHERE state IN ('{BatchState.CLOSED.value}', '{BatchState.PAYING.value}')""",  # noqa: S608 - ours
)
open_ends.subjects(
    "open breaks",
    f"""SELECT s.subject_id, 'brk' AS prefix, b.id AS key FROM settlements_break b
        CROSS JOIN LATERAL (VALUES (b.id), (b.payout_id), (b.statement_id)) s (subject_id)
        WHERE b.state = '{BreakState.OPEN.value}'""",  # noqa: S608 - ours
)
open_ends.subjects(
    "bank statements with lines that nothing explains",
    f"""SELECT t.id AS subject_id, 'bst' AS prefix, t.id AS key FROM settlements_bankstatement t
        WHERE t.state = '{StatementState.ACCEPTED.value}' AND EXISTS (
            SELECT FROM settlements_statementline l WHERE l.statement_id = t.id
            AND NOT EXISTS (SELECT FROM settlements_match m WHERE m.line_id = l.id)
            AND NOT {_said_why("l", "b.line_id = l.id")})""",  # noqa: S608 - ours
)
