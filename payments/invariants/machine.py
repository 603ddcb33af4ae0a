"""The numbered sentences of the payment machine: challenges, increases, sales (README: Invariants)."""

from collections.abc import Iterable

from ledger.invariants import invariant, rows


@invariant(
    "I-90", "What is authorized is what the authorization and its increases have reserved.", narrows=True
)
def authorized_equals_its_operations() -> Iterable[str]:
    return rows(
        """SELECT p.id, p.authorized_minor, p.increasing_minor, o.reserved, o.increasing
           FROM payments_payment p
           CROSS JOIN LATERAL (
               SELECT coalesce(sum(amount_minor) FILTER (WHERE outcome = 'approved'), 0) AS reserved,
                      coalesce(sum(amount_minor)
                               FILTER (WHERE kind = 'increment' AND concluded_at IS NULL), 0) AS increasing
               FROM payments_provideroperation
               WHERE payment_id = p.id AND kind IN ('authorize', 'increment')) o
           WHERE ((p.authorized_minor <> 0 AND p.authorized_minor <> o.reserved)
               OR p.increasing_minor <> o.increasing) /*changed payment p.id*/""",
        "payment {0}: authorized {1} is {3}, being raised by {2} is {4}",
    )


@invariant(
    "I-91",
    "Who waits for a customer has an open authorization, a page or instructions, and a time.",
)
def waiting_for_customers_ends() -> Iterable[str]:
    return rows(
        """SELECT p.id FROM payments_payment p
           WHERE p.state = 'requires_action'
             AND (p.action_url = '' AND p.action_instructions = '{}' OR p.expires_at IS NULL
                  OR NOT (p.is_voiding OR EXISTS (
                      SELECT 1 FROM payments_provideroperation o
                      WHERE o.payment_id = p.id AND o.kind = 'authorize' AND o.concluded_at IS NULL)))""",
        "payment {0} waits for a customer who has nowhere to go, or for ever",
    )


@invariant("I-92", "A sale's capture and its authorization succeeded together, for the same amount.")
def sales_are_whole() -> Iterable[str]:
    return rows(
        """SELECT c.id, c.amount_minor, a.amount_minor, a.outcome
           FROM payments_provideroperation c
           LEFT JOIN payments_provideroperation a
             ON a.payment_id = c.payment_id AND a.kind = 'authorize' AND a.outcome = 'approved'
           WHERE c.kind = 'capture' AND c.request ? 'sale'
             AND (a.id IS NULL OR a.amount_minor <> c.amount_minor
                  OR c.idempotency_key <> a.idempotency_key || ':capture')""",
        "the capture {0} of a sale took {1}, its authorization says {2} ({3})",
    )
