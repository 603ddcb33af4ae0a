"""What is always true of merchants, vendors, keys, rules and requests; each query must find nothing."""

from collections.abc import Iterable

from ledger.invariants import invariant, rows


@invariant("I-10", "No accepted request that we can drive on waits for its answer longer than an hour.")
def requests_are_answered() -> Iterable[str]:
    return rows(
        """SELECT id, method, route, tries FROM vendors_idempotencykey
           WHERE finished_at IS NULL AND locked_by IS NOT NULL AND request_body IS NOT NULL
             AND occurred_at < now() - interval '1 hour'""",
        "request {0} ({1} {2}) has no answer after {3} tries",
    )


@invariant("I-11", "A vendor's state is that of the vendor's last event.")
def states_are_those_of_events() -> Iterable[str]:
    return rows(
        """SELECT v.id, v.state, e.to_state FROM vendors_vendor v
           LEFT JOIN ledger_event e
             ON (e.subject_type, e.subject_id, e.sequence) = ('vendor', v.id, v.version)
           WHERE e.to_state IS DISTINCT FROM v.state
             AND NOT EXISTS (SELECT FROM ledger_archived_stream a
                             WHERE a.subject_id = v.id AND a.last_sequence >= v.version)""",
        "vendor {0} is {1}, the last event says {2}",
    )


@invariant("I-12", "A commission rule and its vendor have the same merchant.")
def rules_stay_with_their_merchant() -> Iterable[str]:
    return rows(
        """SELECT r.id, r.merchant_id, v.merchant_id FROM vendors_commissionrule r
           JOIN vendors_vendor v ON v.id = r.vendor_id WHERE v.merchant_id <> r.merchant_id""",
        "rule {0} of merchant {1} is for a vendor of merchant {2}",
    )


@invariant("I-13", "An API key has the mode of its merchant.")
def keys_have_their_merchants_mode() -> Iterable[str]:
    return rows(
        """SELECT k.id, k.mode, m.mode FROM vendors_apikey k
           JOIN vendors_merchant m ON m.id = k.merchant_id WHERE k.mode <> m.mode""",
        "key {0} is for {1}, its merchant is {2}",
    )
