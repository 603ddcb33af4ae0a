"""What the ground floor knows to be unfinished: its records do not leave with their month."""

from typing import Final

from ledger.archives import open_ends

# First in, first out: what a balance is made of are the last postings that come to it.
_NOT_RELEASED: Final = """
    SELECT u.entry_id FROM (
        SELECT p.entry_id, abs(b.balance) AS open, later.came + coalesce(sum(abs(p.amount)) OVER (
                   PARTITION BY b.id ORDER BY p.entry_id DESC, p.line DESC
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS after
        FROM ledger_balance b
        JOIN ledger_posting p ON p.account_id = b.id AND sign(p.amount) = sign(b.balance)
             AND p.entry_id >= ledger_uuid_at(%(begins)s) AND p.entry_id < ledger_uuid_at(%(ends)s)
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(abs(l.amount)), 0) AS came FROM ledger_posting l
            WHERE l.account_id = b.id AND sign(l.amount) = sign(b.balance)
              AND l.entry_id >= ledger_uuid_at(%(ends)s)) later
        WHERE b.code IN ('escrow', 'reserve', 'suspense') AND b.balance <> 0) u
    WHERE u.open > u.after"""

open_ends.entries("entries whose money is still in escrow, in reserve or unexplained", _NOT_RELEASED)
open_ends.subjects(
    "events not delivered to their handlers",
    "SELECT subject_id, 'evt' AS prefix, event_id AS key FROM ledger_outbox WHERE sent_at IS NULL",
)
open_ends.subjects(
    "open holds",
    """SELECT s.subject_id, 'hld' AS prefix, h.id AS key FROM ledger_hold h
       CROSS JOIN LATERAL (SELECT h.id UNION ALL SELECT t.id FROM ledger_transfer t WHERE t.hold_id = h.id)
            s (subject_id)
       WHERE h.state IN ('open', 'partly_committed')""",
)
open_ends.subjects(
    "transfers under review",
    "SELECT id AS subject_id, 'tra' AS prefix, id AS key FROM ledger_transfer WHERE state = 'under_review'",
)
open_ends.subjects(
    "undecided alerts",
    """SELECT s.subject_id, 'aml' AS prefix, a.id AS key FROM ledger_amlalert a
       CROSS JOIN LATERAL (VALUES (a.id), (a.transfer_id)) s (subject_id) WHERE a.state = 'open'""",
)
open_ends.subjects(
    "undecided restorations",
    """SELECT s.subject_id, 'rst' AS prefix, r.id AS key FROM ledger_restoration r
       CROSS JOIN LATERAL (SELECT r.id UNION ALL
                           SELECT r.subject_key::uuid WHERE r.subject_type <> 'account') s (subject_id)
       WHERE r.state IN ('proposed', 'approved')""",
)
