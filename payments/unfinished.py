"""What the payments floor knows to be unfinished: its entries and events do not leave with their month."""

from ledger.archives import open_ends
from payments import states


def _of_payments(what: str, table: str, prefix: str, condition: str) -> None:
    """Declare rows that keep themselves and their payment."""
    open_ends.subjects(
        what,
        f"""SELECT s.subject_id, '{prefix}' AS prefix, o.id AS key FROM {table} o
            CROSS JOIN LATERAL (VALUES (o.id), (o.payment_id)) s (subject_id)
            WHERE {condition}""",  # noqa: S608 - constants of ours
    )


def _any_of(names: "frozenset[str] | tuple[str, ...]") -> str:
    return "(" + ", ".join(f"'{name}'" for name in sorted(names)) + ")"


_PAYMENTS = (states.CREATED, states.REQUIRES_ACTION, states.UNDER_REVIEW, *states.RESERVED)
_REFUNDS = (states.REQUESTED, states.APPROVED, states.PROCESSING)
_SAGAS = (*states.SAGA_STATES_OPEN, states.BLOCKED)

open_ends.subjects(
    "payments not at an end",
    f"""SELECT id AS subject_id, 'pay' AS prefix, id AS key FROM payments_payment
        WHERE state IN {_any_of(_PAYMENTS)}""",  # noqa: S608 - constants of ours
)
open_ends.subjects(
    "operations whose outcome is not known",
    """SELECT s.subject_id, 'op' AS prefix, o.id AS key FROM payments_provideroperation o
       CROSS JOIN LATERAL (VALUES (o.subject_id), (o.payment_id)) s (subject_id)
       WHERE o.concluded_at IS NULL""",
)
_of_payments("refunds under way", "payments_refund", "ref", f"o.state IN {_any_of(_REFUNDS)}")
_of_payments(
    "open disputes",
    "payments_dispute",
    "dsp",
    f"(o.state IN {_any_of(states.DISPUTE_STATES_OPEN)} OR o.withheld_minor > o.settled_minor)",
)
_of_payments("sagas under way", "payments_saga", "mkp", f"o.state IN {_any_of(_SAGAS)}")
open_ends.subjects(
    "undecided contradictions of providers",
    f"""SELECT s.subject_id, 'ctr' AS prefix, c.id AS key FROM payments_contradiction c
       JOIN payments_provideroperation o ON o.id = c.operation_id
       CROSS JOIN LATERAL (VALUES (c.id), (o.subject_id), (o.payment_id)) s (subject_id)
       WHERE c.state = '{states.OPEN}'""",  # noqa: S608 - constants of ours
)
open_ends.subjects(
    "callbacks not applied",
    f"""SELECT s.subject_id, 'whk' AS prefix, w.id AS key FROM payments_providerwebhook w
       JOIN payments_provideroperation o ON o.id = w.operation_id
       CROSS JOIN LATERAL (VALUES (o.subject_id), (o.payment_id)) s (subject_id)
       WHERE w.state IN {_any_of((states.RECEIVED, states.FAILED))}""",  # noqa: S608 - constants of ours
)
open_ends.subjects(
    "files not handed to their bank",
    f"""SELECT id AS subject_id, 'bf' AS prefix, id AS key FROM payments_bankfile
        WHERE state = '{states.GATHERED}'""",  # noqa: S608 - constants of ours
)
