"""The invariants of fraud; see README for where each is upheld and proven."""

from collections.abc import Iterable

from ledger.invariants import invariant, rows


@invariant("I-30", "A check waits for a person exactly while its review is open.")
def check_and_review_agree() -> Iterable[str]:
    """Yield checks in review without an open review, and open reviews of checks that are not in review."""
    return rows(
        "SELECT c.id, c.state, coalesce(r.state, 'no') FROM fraud_check c"
        " LEFT JOIN fraud_review r ON r.fraud_check_id = c.id"
        " WHERE (c.state = 'in_review') IS DISTINCT FROM (coalesce(r.state, '') = 'open')",
        "check {0} is {1} with {2} review",
    )


@invariant("I-31", "Every check has its attempt among the signals, in the same amount.")
def checks_are_remembered() -> Iterable[str]:
    """Yield checks whose signal is missing or says another amount."""
    return rows(
        "SELECT c.id FROM fraud_check c LEFT JOIN fraud_signal s"
        " ON s.merchant_id = c.merchant_id AND s.payment_ref = c.payment_ref"
        " AND s.amount_minor = c.amount_minor AND s.currency = c.currency WHERE s.id IS NULL",
        "check {0} has no signal",
    )


@invariant("I-32", "Each of the house's fraud rules has exactly one version in force.")
def house_rules_are_in_force() -> Iterable[str]:
    """Yield codes without an open version."""
    return rows(
        "SELECT code, count(*) FILTER (WHERE valid_until IS NULL) FROM fraud_rule"
        " WHERE merchant_id IS NULL GROUP BY code HAVING count(*) FILTER (WHERE valid_until IS NULL) <> 1",
        "rule {0} has {1} open versions",
    )
