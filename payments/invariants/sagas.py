"""The numbered sentences about marketplace payments (README: Invariants)."""

from collections.abc import Iterable

from ledger.invariants import invariant, rows


@invariant("I-93", "What a marketplace payment has set aside is what its steps did and did not undo.")
def set_aside_by_steps() -> Iterable[str]:
    return rows(
        """SELECT s.id, s.fee_held_minor, s.allocated_minor, d.fee, d.parts
           FROM payments_saga s
           CROSS JOIN LATERAL (
               SELECT coalesce(sum(f.amount_minor) FILTER (WHERE f.name = 'hold_fee'), 0) AS fee,
                      coalesce(sum(f.amount_minor) FILTER (WHERE f.name = 'allocate'), 0) AS parts
               FROM payments_sagastep f
               WHERE f.saga_id = s.id AND f.direction = 'forward' AND f.state = 'done'
                 AND NOT EXISTS (SELECT 1 FROM payments_sagastep b
                                 WHERE b.saga_id = s.id AND b.position = f.position
                                   AND b.direction = 'back' AND b.state = 'done')) d
           WHERE (s.fee_held_minor, s.allocated_minor) IS DISTINCT FROM (d.fee, d.parts)""",
        "saga {0} holds {1} and allocated {2}; its steps say {3} and {4}",
    )


@invariant("I-94", "A marketplace payment ends whole, or with nothing taken, reserved or allocated.")
def whole_or_nothing() -> Iterable[str]:
    return rows(
        """SELECT s.id, s.state, p.state, p.captured_minor
           FROM payments_saga s JOIN payments_payment p ON p.id = s.payment_id
           WHERE (s.state = 'completed'
                  AND (p.captured_minor <> s.amount_minor
                       OR s.allocated_minor + s.fee_held_minor <> s.amount_minor
                       OR EXISTS (SELECT 1 FROM payments_sagastep t
                                  WHERE t.saga_id = s.id AND t.state <> 'done')))
              OR (s.state = 'failed'
                  AND (p.captured_minor <> 0 OR s.allocated_minor + s.fee_held_minor <> 0
                       OR p.state NOT IN ('cancelled', 'expired', 'failed', 'rejected', 'reversed')
                       OR EXISTS (SELECT 1 FROM payments_paymenttransaction t
                                  WHERE t.payment_id = p.id AND t.state NOT IN ('cancelled', 'failed'))))""",
        "saga {0} is {1}, its payment is {2} with {3} captured",
    )


@invariant("I-95", "A marketplace payment that is under way has a job that carries it on.")
def carried_by_a_job() -> Iterable[str]:
    return rows(
        """SELECT s.id, s.state FROM payments_saga s
           WHERE s.state IN ('running', 'compensating')
             AND NOT EXISTS (SELECT 1 FROM ledger_job j
                             WHERE j.kind = 'payments.carry_saga' AND j.finished_at IS NULL
                               AND j.dead_at IS NULL AND split_part(j.reference, ':', 1) = s.id::text)""",
        "saga {0} is {1}, and no job carries it",
    )
