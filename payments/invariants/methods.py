"""The numbered sentences about payment methods and the vault, each with a query that must find nothing."""

from collections.abc import Iterable

from ledger.invariants import invariant, rows


@invariant("I-100", "A customer has at most one default method, and it was not removed.")
def one_default() -> Iterable[str]:
    return rows(
        """SELECT merchant_id, customer_ref, count(*) FROM payments_paymentmethod
           WHERE is_default GROUP BY 1, 2 HAVING count(*) > 1 OR bool_or(state = 'removed')""",
        "customer {1} of merchant {0} has {2} default methods",
    )


@invariant("I-101", "A method has its record in the vault; of a removed one nothing can be opened.")
def methods_and_records_agree() -> Iterable[str]:
    yield from rows(
        """SELECT m.id FROM payments_paymentmethod m
           LEFT JOIN payments_vaultrecord r ON r.token = m.vault_token AND r.merchant_id = m.merchant_id
           WHERE m.vault_token <> '' AND r.id IS NULL""",
        "method {0} names a record that the vault does not have",
    )
    yield from rows(
        """SELECT r.id FROM payments_vaultrecord r
           WHERE r.erased_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM payments_paymentmethod m
                             WHERE m.vault_token = r.token AND m.merchant_id = r.merchant_id)
             AND NOT EXISTS (SELECT 1 FROM payments_refund f
                             WHERE f.account_token = r.token AND f.merchant_id = r.merchant_id)""",
        "record {0} of the vault can be opened, and no method or refund has it",
    )


@invariant("I-102", "The state of a payment method is that of its last event.", narrows=True)
def states_are_their_last_event() -> Iterable[str]:
    return rows(
        """SELECT s.id, s.state, v.to_state FROM payments_paymentmethod s
           LEFT JOIN ledger_event v
             ON (v.subject_type, v.subject_id, v.sequence) = ('payment_method', s.id, s.version)
           WHERE v.to_state IS DISTINCT FROM s.state /*changed payment_method s.id*/
             AND NOT EXISTS (SELECT FROM ledger_archived_stream a
                             WHERE a.subject_id = s.id AND a.last_sequence >= s.version)""",
        "method {0} is {1}, its last event says {2}",
    )


@invariant("I-103", "A small deposit that was made has one journal entry, and that entry its operation.")
def deposits_and_entries_agree() -> Iterable[str]:
    return rows(
        """SELECT o.id, e.id FROM
               (SELECT id, subject_id, leg FROM payments_provideroperation
                WHERE outcome = 'approved' AND kind = 'deposit') o
           FULL JOIN
               (SELECT id, source_id, step FROM ledger_entry WHERE source_type = 'payment_method') e
             ON (e.source_id, e.step) = (o.subject_id, o.leg)
           WHERE o.id IS NULL OR e.id IS NULL""",
        "deposit {0} and journal entry {1} do not agree",
    )
