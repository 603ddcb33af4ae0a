"""What is known about an attempt, in one statement: sliding windows over the signals, lists, rules' version.

The same statement writes the attempt down (once per payment) and answers: the check that exists already,
attempts, failures and sums per customer, method and ip in the last hour and the last day, the list entries
that name the attempt, and the token of the rules in force. The windows do not see the attempt itself.

Each key reads its own index range, newest first, and never more than ATTEMPTS_READ_MAX rows: a key busier
than that is reported as capped, and its rules speak with their posture instead of passing.
"""

from datetime import timedelta
from typing import Any, Final

from fraud.engine.features import Keys
from fraud.engine.types import (
    ATTEMPTS_READ_MAX,
    DAY_SECONDS,
    HOUR_SECONDS,
    VELOCITY_DIMENSIONS,
    ScreeningRequest,
)

TIMEOUT_BEFORE: Final = "fraud.statement_timeout_before"  # a setting of the transaction: what is put back
_WINDOW: Final = """
    (SELECT ARRAY[
        count(*) FILTER (WHERE occurred_at > %(hour_ago)s),
        count(*) FILTER (WHERE occurred_at > %(hour_ago)s AND outcome = 'failed'),
        coalesce(sum(amount_minor) FILTER (WHERE occurred_at > %(hour_ago)s AND currency = %(currency)s), 0),
        count(*),
        count(*) FILTER (WHERE outcome = 'failed'),
        coalesce(sum(amount_minor) FILTER (WHERE currency = %(currency)s), 0)]::bigint[]
     FROM (SELECT occurred_at, outcome, amount_minor, currency
             FROM fraud_signal
            WHERE merchant_id = %(merchant_id)s AND {dimension}_key = %({dimension}_key)s
              AND occurred_at > %(day_ago)s
            ORDER BY occurred_at DESC LIMIT %(read_max)s) AS seen) AS {dimension}"""

_FACTS: Final = f"""
WITH attempt AS (
    INSERT INTO fraud_signal (id, merchant_id, payment_ref, occurred_at, amount_minor, currency,
                              customer_key, method_key, ip_key, country, outcome)
    VALUES (%(signal_id)s, %(merchant_id)s, %(payment_ref)s, %(at)s, %(amount_minor)s, %(currency)s,
            %(customer_key)s, %(method_key)s, %(ip_key)s, %(country)s, 'asked')
    ON CONFLICT (merchant_id, payment_ref) DO NOTHING)
SELECT set_config('statement_timeout', current_setting('{TIMEOUT_BEFORE}'), true) AS timeout,
    (SELECT id FROM fraud_check
      WHERE merchant_id = %(merchant_id)s AND payment_ref = %(payment_ref)s) AS check_id,
    (SELECT sum(revision) || '/' || max(changed_at) FROM fraud_rule
      WHERE merchant_id IS NULL OR merchant_id = %(merchant_id)s) AS rules_token,
    (SELECT array_agg(list || ' ' || dimension || ' ' || id) FROM fraud_list_entry
      WHERE key = ANY(%(keys)s) AND (merchant_id IS NULL OR merchant_id = %(merchant_id)s)
        AND valid_from <= %(at)s AND (valid_until IS NULL OR valid_until > %(at)s)) AS lists,
"""  # noqa: S608 - a constant of this file

FACTS_SQL: Final = _FACTS + ",".join(_WINDOW.format(dimension=dimension) for dimension in VELOCITY_DIMENSIONS)


def facts_parameters(request: ScreeningRequest, keys: Keys, *, signal_id: Any) -> dict[str, Any]:
    """Return the parameters of FACTS_SQL."""
    return {
        "signal_id": signal_id,
        "merchant_id": request.merchant_id,
        "payment_ref": request.payment_ref,
        "at": request.at,
        "hour_ago": request.at - timedelta(seconds=HOUR_SECONDS),
        "day_ago": request.at - timedelta(seconds=DAY_SECONDS),
        "amount_minor": request.amount.minor,
        "currency": request.amount.currency,
        "country": request.country[:2].upper(),
        "keys": list(keys.by_dimension.values()),
        "read_max": ATTEMPTS_READ_MAX,
        **{f"{dimension}_key": keys.get(dimension) for dimension in VELOCITY_DIMENSIONS},
    }
