"""The numbered sentences of routing and failover (README: Invariants)."""

from collections.abc import Iterable

from ledger.invariants import invariant, rows


@invariant(
    "I-140",
    "Of a payment's authorizations at most one lives, open or approved, and it is at the payment's provider.",
    narrows=True,
)
def one_live_authorization() -> Iterable[str]:
    return rows(
        """SELECT p.id, count(*), string_agg(o.provider, ', '), p.provider
           FROM payments_payment p JOIN payments_provideroperation o ON o.payment_id = p.id
           WHERE o.kind = 'authorize' AND (o.outcome = 'approved' OR o.concluded_at IS NULL)
                 /*changed payment p.id*/
           GROUP BY p.id HAVING count(*) > 1 OR bool_or(o.provider <> p.provider)""",
        "payment {0} has {1} live authorizations ({2}), its provider is {3}",
    )


@invariant("I-141", "An authorization that ended as not sent was followed by another try.", narrows=True)
def what_was_not_sent_was_followed() -> Iterable[str]:
    return rows(
        """SELECT o.id, o.payment_id FROM payments_provideroperation o
           WHERE o.outcome = 'not_sent' AND o.concluded_at IS NOT NULL /*changed payment o.payment_id*/
             AND NOT EXISTS (
                 SELECT 1 FROM payments_provideroperation n
                 WHERE n.payment_id = o.payment_id AND n.kind = 'authorize' AND o.kind = 'authorize'
                   AND n.created_at >= o.created_at AND n.id <> o.id)""",
        "operation {0} of payment {1} ended as not sent, and nothing followed",
    )


@invariant("I-142", "A payment goes from one provider to another once for each further try.", narrows=True)
def tries_are_told() -> Iterable[str]:
    return rows(
        """SELECT p.id, o.tries, e.moves FROM payments_payment p
           CROSS JOIN LATERAL (
               SELECT count(*) AS tries FROM payments_provideroperation
               WHERE payment_id = p.id AND kind = 'authorize' AND route ? 'attempt') o
           CROSS JOIN LATERAL (
               SELECT count(*) AS moves FROM ledger_event
               WHERE subject_type = 'payment' AND subject_id = p.id AND type = 'payment.rerouted') e
           WHERE o.tries <> e.moves /*changed payment p.id*/
             AND NOT EXISTS (SELECT FROM ledger_archived_stream a WHERE a.subject_id = p.id)""",
        "payment {0} was tried elsewhere {1} times, its events tell {2}",
    )
