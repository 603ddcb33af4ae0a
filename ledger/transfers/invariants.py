"""What is always true of transfers and holds (I-65 to I-69)."""

from collections.abc import Iterable

from ledger.invariants import invariant, rows


@invariant("I-65", "What is held of an account is what its open holds keep.")
def held_is_what_holds_keep() -> Iterable[str]:
    return rows(
        """SELECT a.id, a.code, a.held, coalesce(h.kept, 0) FROM ledger_account a
           FULL JOIN (SELECT account_id, sum(amount_minor - committed_minor) AS kept FROM ledger_hold
                      WHERE state IN ('open', 'partly_committed') GROUP BY 1) h ON h.account_id = a.id
           WHERE coalesce(a.held, 0) <> coalesce(h.kept, 0)""",
        "account {0} ({1}) says that {2} is held, its holds keep {3}",
    )


@invariant("I-66", "What a hold has committed is what its transfers move.")
def commits_are_transfers() -> Iterable[str]:
    return rows(
        """SELECT h.id, h.committed_minor, coalesce(t.moved, 0) FROM ledger_hold h
           LEFT JOIN (SELECT hold_id, sum(amount_minor) AS moved FROM ledger_transfer
                      WHERE hold_id IS NOT NULL GROUP BY 1) t ON t.hold_id = h.id
           WHERE h.reviews_id IS NULL AND h.committed_minor <> coalesce(t.moved, 0)""",
        "hold {0} has committed {1}, its transfers are of {2}",
    )


@invariant("I-67", "A transfer is posted once when it is completed, and only then.")
def completed_is_posted() -> Iterable[str]:
    return rows(
        """SELECT t.id, t.state, count(v.entry_id) FROM ledger_transfer t
           LEFT JOIN ledger_event v ON v.subject_id = t.id AND v.subject_type = 'transfer'
                                   AND v.entry_id IS NOT NULL
           WHERE NOT EXISTS (SELECT FROM ledger_archived_stream a WHERE a.subject_id = t.id)
           GROUP BY 1, 2 HAVING count(v.entry_id) <> CASE t.state WHEN 'completed' THEN 1 ELSE 0 END""",
        "transfer {0} is {1} and has {2} entries",
    )


@invariant("I-68", "A payment between accounts counts what is refunded of it.")
def refunds_are_counted() -> Iterable[str]:
    return rows(
        """SELECT p.id, p.refunded_minor, coalesce(r.back, 0) FROM ledger_transfer p
           LEFT JOIN (SELECT refunds_id, sum(amount_minor) AS back FROM ledger_transfer
                      WHERE refunds_id IS NOT NULL AND state <> 'rejected' GROUP BY 1) r
             ON r.refunds_id = p.id
           WHERE p.refunded_minor <> coalesce(r.back, 0)""",
        "payment {0} counts {1} as refunded, its refunds are of {2}",
    )


@invariant("I-69", "A transfer under review has an open alert, and its money is held.")
def reviews_hold_money() -> Iterable[str]:
    # Only interest that the house pays comes from an account that nothing can be held on.
    return rows(
        """SELECT t.id FROM ledger_transfer t WHERE t.state = 'under_review' AND NOT (
               EXISTS (SELECT 1 FROM ledger_amlalert a
                       WHERE a.transfer_id = t.id AND a.state = 'open' AND a.holds_transfer)
               AND (EXISTS (SELECT 1 FROM ledger_hold h WHERE h.reviews_id = t.id AND h.state = 'open'
                            AND h.amount_minor = t.amount_minor)
                    OR (SELECT s.is_deferred FROM ledger_account s WHERE s.id = t.source_id)))""",
        "transfer {0} is under review without an alert or without its money",
    )
