"""The numbered sentences about disputes and adopted refunds, each with a query that must find nothing."""

from collections.abc import Iterable

from ledger.invariants import invariant, rows


@invariant("I-110", "What a payment has withdrawn by disputes is the sum of what they cover.", narrows=True)
def payments_count_their_disputes() -> Iterable[str]:
    return rows(
        """SELECT p.id, p.disputed_minor, d.covered FROM payments_payment p
           CROSS JOIN LATERAL (SELECT coalesce(sum(covered_minor), 0) AS covered
                               FROM payments_dispute WHERE payment_id = p.id) d
           WHERE p.disputed_minor <> d.covered /*changed payment p.id*/""",
        "payment {0} has {1} disputed, its disputes cover {2}",
    )


@invariant("I-111", "What goes back or is withdrawn of a payment never exceeds its captures.", narrows=True)
def nothing_goes_back_twice() -> Iterable[str]:
    return rows(
        """SELECT id, captured_minor, refunded_minor, refunding_minor, disputed_minor FROM payments_payment
           WHERE refunded_minor + refunding_minor + disputed_minor > captured_minor
                 /*changed payment id*/""",
        "payment {0} captured {1}; refunded {2}, refunding {3}, disputed {4}",
    )


@invariant(
    "I-112", "What is withheld over a dispute is what its movements took less what they gave back.",
    narrows=True,
)  # fmt: skip
def disputes_are_their_movements() -> Iterable[str]:
    return rows(
        """SELECT d.id, d.withheld_minor, m.withheld, d.fee_minor, m.fees FROM payments_dispute d
           CROSS JOIN LATERAL (
               SELECT coalesce(sum(CASE kind WHEN 'withdrawal' THEN amount_minor
                                             ELSE -amount_minor END), 0) AS withheld,
                      coalesce(sum(fee_minor), 0) AS fees
               FROM payments_provideroperation
               WHERE subject_type = 'dispute' AND subject_id = d.id
                 AND kind IN ('withdrawal', 'reinstatement')) m
           WHERE (d.withheld_minor, d.fee_minor) <> (m.withheld, m.fees) /*changed dispute d.id*/""",
        "dispute {0} withholds {1}, its movements {2}; fees {3}, its movements {4}",
    )


@invariant(
    "I-113", "The books hold what is withheld over a dispute: contested, and in reserve, until it is over.",
    narrows=True,
)  # fmt: skip
def disputes_are_booked() -> Iterable[str]:
    return rows(
        """SELECT d.id, d.withheld_minor, d.settled_minor, s.cleared, s.contested, s.reserved, s.borne
           FROM payments_dispute d
           CROSS JOIN LATERAL (
               SELECT coalesce(-sum(g.amount) FILTER (WHERE a.code = 'provider_clearing'
                                                      AND g.purpose = 'dispute_funds'), 0) AS cleared,
                      coalesce(sum(g.amount) FILTER (WHERE a.code = 'disputed'), 0) AS contested,
                      coalesce(-sum(g.amount) FILTER (WHERE a.code = 'dispute_reserve'), 0) AS reserved,
                      coalesce(sum(g.amount) FILTER (WHERE g.purpose = 'dispute'), 0) AS borne
               FROM ledger_fact f JOIN ledger_posting g ON g.entry_id = f.entry_id
               JOIN ledger_account a ON a.id = g.account_id
               WHERE f.source_type = 'dispute' AND f.source_id = d.id) s
           WHERE (s.cleared, s.contested, s.reserved, s.borne)
                 <> (d.withheld_minor, d.withheld_minor - d.settled_minor,
                     d.withheld_minor - d.settled_minor, d.withheld_minor) /*changed dispute d.id*/""",
        "dispute {0} withholds {1} (given up {2}); booked: {3} taken, {4} contested, {5} reserved, {6} borne",
    )


@invariant("I-114", "What a share bears is the sum of its parts in disputes.", narrows=True)
def shares_equal_their_disputes() -> Iterable[str]:
    return rows(
        """SELECT t.id, t.disputed_minor, s.disputed, t.commission_disputed_minor, s.commission
           FROM payments_paymenttransaction t
           CROSS JOIN LATERAL (
               SELECT coalesce(sum(amount_minor), 0) AS disputed,
                      coalesce(sum(commission_back_minor), 0) AS commission
               FROM payments_disputeshare WHERE transaction_id = t.id) s
           WHERE (t.disputed_minor, t.commission_disputed_minor) <> (s.disputed, s.commission)
                 /*changed payment_transaction t.id*/""",
        "share {0}: disputed {1} is {2}, commission returned {3} is {4}",
    )


@invariant("I-115", "A dispute that is lost or accepted has given up all that is withheld.")
def ended_disputes_are_settled() -> Iterable[str]:
    return rows(
        """SELECT number, state, withheld_minor, settled_minor FROM payments_dispute
           WHERE (state IN ('lost', 'accepted') AND settled_minor <> withheld_minor)""",
        "dispute {0} is {1}, withholds {2} and has given up {3}",
    )


@invariant("I-116", "An answer is under way exactly while its operation is open.")
def answers_have_operations() -> Iterable[str]:
    return rows(
        """SELECT d.number, d.response FROM payments_dispute d
           WHERE (d.response IN ('challenging', 'accepting')) <> EXISTS (
               SELECT 1 FROM payments_provideroperation o
               WHERE o.subject_type = 'dispute' AND o.subject_id = d.id AND o.concluded_at IS NULL)
             AND d.state IN ('inquiry', 'chargeback', 'pre_arbitration')""",
        "the answer of dispute {0} is {1}, and its operation is not",
    )


@invariant("I-117", "A dispute belongs to the merchant and provider of its payment, and is in its currency.")
def disputes_belong_to_their_payment() -> Iterable[str]:
    return rows(
        """SELECT d.number FROM payments_dispute d JOIN payments_payment p ON p.id = d.payment_id
           WHERE (d.merchant_id, d.provider, d.currency) <> (p.merchant_id, p.provider, p.currency)
              OR EXISTS (SELECT 1 FROM payments_disputeevidence v
                         WHERE v.dispute_id = d.id AND v.merchant_id <> d.merchant_id)""",
        "dispute {0} is not of its payment's merchant, provider or currency",
    )


@invariant("I-118", "The commission on what goes back is returned or kept, and never more than was taken.")
def commission_is_returned_once() -> Iterable[str]:
    return rows(
        """SELECT t.id, t.commission_kept_minor, s.kept FROM payments_paymenttransaction t
           CROSS JOIN LATERAL (
               SELECT coalesce((SELECT sum(h.commission_kept_minor) FROM payments_refundshare h
                                JOIN payments_refund r ON r.id = h.refund_id
                                WHERE h.transaction_id = t.id AND r.state = 'completed'), 0)
                    + coalesce((SELECT sum(commission_kept_minor) FROM payments_disputeshare
                                WHERE transaction_id = t.id), 0) AS kept) s
           WHERE t.commission_kept_minor <> s.kept""",
        "share {0}: commission kept {1} is {2}",
    )
