"""What the fraud floor knows to be unfinished: a review that nobody decided keeps its check."""

from fraud.states import ReviewState
from ledger.archives import open_ends

open_ends.subjects(
    "undecided reviews",
    f"""SELECT s.subject_id, 'fr' AS prefix, r.id AS key FROM fraud_review r
        CROSS JOIN LATERAL (VALUES (r.id), (r.fraud_check_id)) s (subject_id)
        WHERE r.state = '{ReviewState.OPEN.value}'""",  # noqa: S608 - constants of ours
)
