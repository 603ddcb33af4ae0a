"""The numbered sentences of this floor, each with a query that must find nothing (README: Invariants)."""

from collections.abc import Iterable

from ledger.invariants import has_archived, invariant, rows


@invariant("I-20", "Amounts of a payment nest, and agree with its state.", narrows=True)
def amounts_nest() -> Iterable[str]:
    return rows(
        """SELECT id, state FROM payments_payment
           WHERE true /*changed payment id*/ AND (NOT (refunded_minor + refunding_minor <= captured_minor
                      AND captured_minor + capturing_minor <= authorized_minor
                      AND authorized_minor <= amount_minor)
              OR (state IN ('captured', 'completed') AND (captured_minor = 0 OR capturing_minor <> 0))
              OR (state IN ('partly_captured') AND captured_minor = 0)
              OR (state NOT IN ('partly_captured', 'captured', 'completed') AND captured_minor <> 0)
              OR (state IN ('authorized', 'partly_captured', 'captured', 'completed')
                  AND authorized_minor = 0))""",
        "payment {0} ({1}) has amounts that cannot be",
        "payment",
    )


@invariant("I-21", "The shares of a payment sum to at most the payment: whole and captured.", narrows=True)
def shares_are_within_the_payment() -> Iterable[str]:
    return rows(
        """SELECT p.id FROM payments_payment p JOIN payments_paymenttransaction t ON t.payment_id = p.id
           WHERE true /*changed payment p.id*/ GROUP BY p.id
           HAVING sum(CASE WHEN t.state IN ('failed', 'cancelled')
                           THEN t.captured_minor ELSE t.amount_minor END) > p.amount_minor
               OR sum(t.captured_minor) > p.captured_minor
               OR bool_or(t.currency <> p.currency)""",
        "the shares of payment {0} exceed it",
    )


@invariant("I-22", "A payment's counters equal its operations and refunds.", narrows=True)
def counters_equal_their_parts() -> Iterable[str]:
    return rows(
        """SELECT p.id, p.captured_minor, o.captured, p.capturing_minor, o.capturing,
                  p.refunded_minor, r.refunded, p.refunding_minor, r.refunding
           FROM payments_payment p
           CROSS JOIN LATERAL (
               SELECT coalesce(sum(amount_minor) FILTER (WHERE outcome = 'approved'), 0) AS captured,
                      coalesce(sum((request->>'reserved_minor')::bigint)
                               FILTER (WHERE concluded_at IS NULL), 0) AS capturing
               FROM payments_provideroperation WHERE payment_id = p.id AND kind = 'capture') o
           CROSS JOIN LATERAL (
               SELECT coalesce(sum(amount_minor) FILTER (WHERE state = 'completed'), 0) AS refunded,
                      coalesce(sum(amount_minor)
                               FILTER (WHERE state IN ('requested', 'approved', 'processing')), 0)
                          AS refunding
               FROM payments_refund WHERE payment_id = p.id) r
           WHERE (p.captured_minor, p.capturing_minor, p.refunded_minor, p.refunding_minor)
                 <> (o.captured, o.capturing, r.refunded, r.refunding) /*changed payment p.id*/""",
        "payment {0}: captured {1} is {2}, capturing {3} is {4}, refunded {5} is {6}, refunding {7} is {8}",
    )


@invariant("I-23", "At most one operation of a leg has succeeded, and what has succeeded was concluded.")
def one_success_per_leg() -> Iterable[str]:
    return rows(
        """SELECT subject_type, subject_id, leg, count(*) FROM payments_provideroperation
           WHERE outcome = 'approved' GROUP BY 1, 2, 3
           HAVING count(*) > 1 OR bool_or(concluded_at IS NULL)""",
        "{0} {1} succeeded {3} times in {2}",
    )


@invariant("I-24", "Every open operation is asked about in time, or held for a person.")
def nothing_is_forgotten() -> Iterable[str]:
    return rows(
        """SELECT id, kind, ask_at FROM payments_provideroperation
           WHERE concluded_at IS NULL AND ask_at < now() - interval '60 seconds'""",
        "operation {0} ({1}) should have been asked about at {2}",
    )


@invariant(
    "I-25",
    "A successful capture, refund, return of one or move of a dispute has one entry, and that its operation.",
)
def operations_and_entries_agree() -> Iterable[str]:
    return rows(
        f"""SELECT o.id, e.id FROM
               (SELECT id, subject_type, subject_id, leg FROM payments_provideroperation
                WHERE outcome = 'approved'
                  AND kind IN ('capture', 'refund', 'refund_returned', 'withdrawal', 'reinstatement')) o
           FULL JOIN
               (SELECT id, source_type, source_id, step FROM ledger_entry
                WHERE source_type IN ('payment', 'refund', 'dispute')
                  AND (reverses_id IS NULL OR step LIKE 'refund_returned%%')
                  AND step NOT LIKE 'settled:%%') e
             ON (e.source_type, e.source_id, e.step) = (o.subject_type, o.subject_id, o.leg)
           WHERE o.id IS NULL
              OR (e.id IS NULL AND NOT {has_archived("o.subject_id", "o.subject_type", "o.leg")})""",  # noqa: S608
        "operation {0} and journal entry {1} do not agree",
    )


@invariant("I-26", "What was posted as sale of a payment is what was captured of it.", narrows=True)
def sales_equal_captures() -> Iterable[str]:
    return rows(
        f"""SELECT p.id, p.captured_minor, s.sold FROM payments_payment p
           CROSS JOIN LATERAL (
               SELECT coalesce(-sum(g.amount), 0) AS sold
               FROM ledger_fact f JOIN ledger_posting g ON g.entry_id = f.entry_id
               WHERE f.source_type = 'payment' AND f.source_id = p.id AND g.purpose = 'sale') s
           WHERE p.captured_minor <> s.sold /*changed payment p.id*/
             AND NOT {has_archived("p.id", "'payment'")}""",  # noqa: S608
        "payment {0} captured {1}, its postings say {2}",
    )


@invariant("I-27", "The state of payment, share, refund and dispute is that of its last event.", narrows=True)
def states_are_their_last_event() -> Iterable[str]:
    for subject, table in (
        ("payment", "payments_payment"),
        ("payment_transaction", "payments_paymenttransaction"),
        ("refund", "payments_refund"),
        ("dispute", "payments_dispute"),
        ("contradiction", "payments_contradiction"),
        ("bank_file", "payments_bankfile"),
    ):
        yield from rows(
            f"""SELECT s.id, s.state, v.to_state FROM {table} s
                LEFT JOIN ledger_event v
                  ON (v.subject_type, v.subject_id, v.sequence) = ('{subject}', s.id, s.version)
                WHERE v.to_state IS DISTINCT FROM s.state /*changed {subject} s.id*/
                  AND NOT EXISTS (SELECT FROM ledger_archived_stream a
                                  WHERE a.subject_id = s.id AND a.last_sequence >= s.version)""",  # noqa: S608 - names above
            subject + " {0} is {1}, its last event says {2}",
            subject,
        )


@invariant("I-28", "Shares, operations, refunds and their vendors belong to the payment's merchant.")
def children_share_the_merchant() -> Iterable[str]:
    for table in ("payments_paymenttransaction", "payments_provideroperation", "payments_refund"):
        yield from rows(
            f"""SELECT c.id FROM {table} c JOIN payments_payment p ON p.id = c.payment_id
                WHERE c.merchant_id <> p.merchant_id""",  # noqa: S608 - names from the tuple above
            table + " {0} belongs to another merchant than its payment",
        )
    yield from rows(
        """SELECT t.id FROM payments_paymenttransaction t JOIN vendors_vendor v ON v.id = t.vendor_id
           WHERE t.merchant_id <> v.merchant_id""",
        "share {0} is of another merchant's vendor",
    )


@invariant("I-18", "A payment that ended without money has no share that still waits.")
def shares_end_with_their_payment() -> Iterable[str]:
    return rows(
        """SELECT t.id, p.state
           FROM payments_paymenttransaction t JOIN payments_payment p ON p.id = t.payment_id
           WHERE p.state IN ('rejected', 'failed', 'cancelled', 'expired', 'reversed', 'completed')
             AND t.state IN ('pending', 'partly_captured')""",
        "share {0} waits for a payment that is {1}",
    )


@invariant("I-19", "Payments, refunds and shares have the numbers of their merchant, each once.")
def numbers_are_counted() -> Iterable[str]:
    return rows(
        """SELECT p.number FROM payments_payment p LEFT JOIN payments_numbercounter c
             ON c.merchant_id = p.merchant_id AND c.kind = 'PAY'
                AND c.year = split_part(p.number, '-', 2)::int
           WHERE c.last IS NULL OR split_part(p.number, '-', 3)::bigint > c.last""",
        "number {0} was never handed out",
    )


@invariant("I-29", "A payment is waiting only for operations that are open.")
def waiting_has_an_operation() -> Iterable[str]:
    return rows(
        """SELECT p.id FROM payments_payment p WHERE p.is_voiding AND NOT EXISTS (
               SELECT 1 FROM payments_provideroperation o
               WHERE o.payment_id = p.id AND o.kind = 'void' AND o.concluded_at IS NULL)""",
        "payment {0} waits for a void that nobody is making",
    )


@invariant(
    "I-16", "What was posted as refund of a payment is what its completed refunds gave back.", narrows=True
)
def refunds_equal_their_postings() -> Iterable[str]:
    return rows(
        f"""SELECT r.id, r.amount_minor, r.state, s.given FROM payments_refund r
           CROSS JOIN LATERAL (
               SELECT coalesce(-sum(g.amount), 0) AS given
               FROM ledger_fact f JOIN ledger_posting g ON g.entry_id = f.entry_id
               JOIN ledger_account a ON a.id = g.account_id
               WHERE f.source_type = 'refund' AND f.source_id = r.id AND a.code = 'provider_clearing') s
           WHERE s.given <> CASE WHEN r.state = 'completed' THEN r.amount_minor ELSE 0 END
                 /*changed refund r.id*/ AND NOT {has_archived("r.id", "'refund'")}""",  # noqa: S608
        "refund {0} of {1} is {2}, its postings gave {3} back",
    )


@invariant(
    "I-17", "What a share gives back, now or in time, is the sum of its parts in refunds.", narrows=True
)
def shares_equal_their_refunds() -> Iterable[str]:
    return rows(
        """SELECT t.id, t.refunding_minor, s.refunding, t.refunded_minor, s.refunded,
                  t.commission_refunded_minor, s.commission
           FROM payments_paymenttransaction t
           CROSS JOIN LATERAL (
               SELECT coalesce(sum(h.amount_minor)
                          FILTER (WHERE r.state IN ('requested', 'approved', 'processing')), 0) AS refunding,
                      coalesce(sum(h.amount_minor)
                          FILTER (WHERE r.state = 'completed'), 0) AS refunded,
                      coalesce(sum(h.commission_back_minor)
                          FILTER (WHERE r.state = 'completed'), 0) AS commission
               FROM payments_refundshare h JOIN payments_refund r ON r.id = h.refund_id
               WHERE h.transaction_id = t.id) s
           WHERE (t.refunding_minor, t.refunded_minor, t.commission_refunded_minor)
                 <> (s.refunding, s.refunded, s.commission) /*changed payment_transaction t.id*/""",
        "share {0}: refunding {1} is {2}, refunded {3} is {4}, commission given back {5} is {6}",
    )
