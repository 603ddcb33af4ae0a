"""The network's laws: what a call may do to which authorization, and what it counts there.

captured <= authorized, refunded <= captured; a void gives back what is left, or gives a challenge up; an
authorization is raised only while nothing of it is taken.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from payments.simulator import scenarios
from payments.simulator.currencies import exponent
from payments.simulator.disputes import answerable, withheld_of
from payments.simulator.errors import Refused
from payments.simulator.fees import capture_fee

AMOUNT_MAX = 10**12
END_TO_END_MAX = 35


@dataclass(frozen=True, slots=True)
class Call:
    """One request for an operation, checked for shape but not for law."""

    kind: str
    idempotency_key: str
    request_hash: str
    reference: str = ""
    authorization_id: str | None = None
    token: str | None = None
    destination: str | None = None
    amount: int = 0
    currency: str = ""
    wants_capture: bool = False
    return_url: str = ""
    exemption: str = ""
    base_url: str = ""
    dispute_id: str | None = None
    evidence: str = ""
    is_verification: bool = False  # an authorization of nothing: is the method good?


@dataclass(slots=True)
class Effect:
    """What a law decides about a call: the figures to keep and how it stands."""

    amount: int
    currency: str
    token: str | None = None
    fee: int = 0
    refused_with: str | None = None


def _check_amount(amount: int, currency: str) -> None:
    exponent(currency)
    if not 1 <= amount <= AMOUNT_MAX:
        raise Refused(422, "amount_invalid", f"An amount is 1 to {AMOUNT_MAX} minor units", param="amount")


def _authorize(connection: sqlite3.Connection, call: Call) -> Effect:
    if not (call.is_verification and call.amount == 0 and exponent(call.currency) >= 0):
        _check_amount(call.amount, call.currency)
    if not connection.execute("SELECT 1 FROM token WHERE token = ?", (call.token,)).fetchone():
        raise Refused(422, "token_unknown", "No such token", param="token")
    refused_with = "limit_exceeded" if call.amount > scenarios.CARD_LIMIT_MINOR else None
    return Effect(call.amount, call.currency, token=call.token, refused_with=refused_with)


def _open_authorization(connection: sqlite3.Connection, call: Call, *statuses: str) -> sqlite3.Row:
    row = connection.execute(
        "SELECT * FROM operation WHERE id = ? AND kind = 'authorize'", (call.authorization_id,)
    ).fetchone()
    if row is None:
        raise Refused(404, "authorization_not_found", "No such authorization")
    if row["status"] not in (statuses or ("authorized",)):
        raise Refused(422, "invalid_state", f"The authorization is {row['status']}")
    return row


def _capture(connection: sqlite3.Connection, call: Call) -> Effect:
    parent = _open_authorization(connection, call)
    _check_amount(call.amount, parent["currency"])
    if parent["voided"]:
        raise Refused(422, "invalid_state", "The authorization is voided")
    left = parent["amount"] - parent["captured"]
    if call.amount > left:
        raise Refused(422, "capture_too_large", f"Only {left} is left to capture", left=left)
    fee = capture_fee(call.amount, parent["currency"], _type_of(connection, parent["token"]))
    return Effect(call.amount, parent["currency"], token=parent["token"], fee=fee)


def _type_of(connection: sqlite3.Connection, token: str) -> str:
    return str(connection.execute("SELECT type FROM token WHERE token = ?", (token,)).fetchone()["type"])


def _increment(connection: sqlite3.Connection, call: Call) -> Effect:
    parent = _open_authorization(connection, call)
    _check_amount(call.amount, parent["currency"])
    if parent["voided"] or parent["captured"]:
        raise Refused(422, "invalid_state", "Only an authorization of which nothing is taken can be raised")
    is_too_much = parent["amount"] + call.amount > scenarios.CARD_LIMIT_MINOR
    refused_with = "limit_exceeded" if is_too_much else None
    if _type_of(connection, parent["token"]) == "crypto":
        refused_with = "amount_invalid"  # coins that are sent cannot grow
    return Effect(call.amount, parent["currency"], token=parent["token"], refused_with=refused_with)


def _void(connection: sqlite3.Connection, call: Call) -> Effect:
    parent = _open_authorization(connection, call, "authorized", "requires_action")
    left = parent["amount"] - parent["captured"]
    if parent["voided"] or not left:
        raise Refused(422, "invalid_state", "Nothing is left to void")
    return Effect(left, parent["currency"], token=parent["token"])


def _refund(connection: sqlite3.Connection, call: Call) -> Effect:
    parent = _open_authorization(connection, call)
    _check_amount(call.amount, parent["currency"])
    left = parent["captured"] - parent["refunded"] - withheld_of(connection, parent["id"])
    if call.amount > left:
        raise Refused(422, "refund_too_large", f"Only {left} is left to refund", left=left)
    return Effect(call.amount, parent["currency"], token=parent["token"])


def _transfer(connection: sqlite3.Connection, call: Call) -> Effect:
    _check_amount(call.amount, call.currency)
    if len(call.reference) > END_TO_END_MAX:
        raise Refused(422, "reference_too_long", "A bank carries at most 35 characters", param="reference")
    return Effect(call.amount, call.currency)


def _answer_dispute(connection: sqlite3.Connection, call: Call) -> Effect:
    row = answerable(connection, call.dispute_id or "")
    return Effect(row["amount"], row["currency"])


_COUNTER = {"capture": "captured", "refund": "refunded"}


def apply(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    """Let an operation count on its authorization."""
    # What is pending is already taken from what is left, so that nobody can promise it twice.
    if row["status"] not in ("succeeded", "pending"):
        return
    if row["kind"] == "void":
        connection.execute("UPDATE operation SET voided = 1 WHERE id = ?", (row["authorization_id"],))
    elif row["kind"] == "increment" and row["status"] == "succeeded":
        connection.execute(
            "UPDATE operation SET amount = amount + ? WHERE id = ?", (row["amount"], row["authorization_id"])
        )
    elif row["kind"] in _COUNTER:
        column = _COUNTER[row["kind"]]
        connection.execute(
            f"UPDATE operation SET {column} = {column} + ? WHERE id = ?",  # noqa: S608 - one of two names
            (row["amount"], row["authorization_id"]),
        )


def release(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    """Take back what a pending operation that failed had counted."""
    if row["kind"] == "void":
        connection.execute("UPDATE operation SET voided = 0 WHERE id = ?", (row["authorization_id"],))
    elif row["kind"] in _COUNTER:
        column = _COUNTER[row["kind"]]
        connection.execute(
            f"UPDATE operation SET {column} = {column} - ? WHERE id = ?",  # noqa: S608 - one of two names
            (row["amount"], row["authorization_id"]),
        )
        connection.execute("UPDATE operation SET fee = 0 WHERE seq = ?", (row["seq"],))


LAWS: dict[str, Callable[[sqlite3.Connection, Call], Effect]] = {
    "authorize": _authorize,
    "increment": _increment,
    "capture": _capture,
    "void": _void,
    "refund": _refund,
    "transfer": _transfer,
    "challenge": _answer_dispute,
    "accept": _answer_dispute,
}
