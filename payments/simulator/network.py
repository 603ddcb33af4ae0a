"""The card and bank network itself: authorizations, captures, voids, refunds, transfers, and their laws.

captured <= authorized, refunded <= captured, one effect per idempotency key for ever. Ids derive from the
key, so a run is the same for the same input. An effect and its callback are one SQLite transaction.
"""

import hashlib
import json
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from payments.simulator import callbacks, scenarios
from payments.simulator.currencies import exponent
from payments.simulator.errors import Refused
from payments.simulator.faults import Plan, Subject
from payments.simulator.fees import capture_fee
from payments.simulator.storage import Storage

OBJECT = {"authorize": "authorization"}
GOOD = {"authorize": "authorized", "transfer": "paid"}
BAD = {"refund": "failed", "transfer": "failed"}
ID_PREFIX = {"authorize": "auth", "capture": "cap", "void": "void", "refund": "rfnd", "transfer": "trf"}
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


@dataclass(slots=True)
class _Effect:
    """What a law decides about a call: the figures to keep and how it stands."""

    amount: int
    currency: str
    token: str | None = None
    fee: int = 0
    refused_with: str | None = None


class Network:
    """The laws over the storage."""

    def __init__(self, storage: Storage, *, pending_seconds: float, sends_callbacks: bool) -> None:
        self._storage = storage
        self._pending_seconds = pending_seconds
        self._sends_callbacks = sends_callbacks
        self._laws = {
            "authorize": _authorize,
            "capture": _capture,
            "void": _void,
            "refund": _refund,
            "transfer": _transfer,
        }

    def make_card_token(self, number: str, exp_month: int, exp_year: int, cvc: str) -> dict[str, object]:
        """Keep what we may know of a card and give a token for it; the number itself is not kept.

        :raises Refused: number, expiry or code is not well-formed, or the card is past its date.
        """
        digits = scenarios.check_card_number(number)
        today = datetime.now(UTC)
        if not 1 <= exp_month <= 12 or (exp_year, exp_month) < (today.year, today.month):
            raise Refused(422, "invalid_expiry", "The expiry date is over or no date", param="exp_month")
        if not (cvc.isascii() and cvc.isdigit() and len(cvc) in (3, 4)):
            raise Refused(422, "invalid_cvc", "The security code has three or four digits", param="cvc")
        token = _digest("vpt", digits, str(exp_month), str(exp_year), cvc)
        return self._keep_token(token, "card", scenarios.brand_of(digits), digits, country="US")

    def make_bank_token(self, iban: str) -> dict[str, object]:
        """Give a token for a bank account to draw from.

        :raises Refused: not an IBAN.
        """
        number = scenarios.check_iban(iban)
        return self._keep_token(_digest("vpt", number), "bank_transfer", "sepa", number, country=number[:2])

    def subject(self, call: Call) -> tuple[Subject, bool]:
        """What scripts and scenarios may match this call by, and whether its key is known already."""
        with self._storage.reading() as connection:
            known = connection.execute(
                "SELECT 1 FROM operation WHERE idempotency_key = ?", (call.idempotency_key,)
            ).fetchone()
            token, reference = call.token, call.reference
            if call.authorization_id:
                parent = connection.execute(
                    "SELECT token, reference FROM operation WHERE id = ?", (call.authorization_id,)
                ).fetchone()
                if parent:
                    token, reference = parent["token"], reference or parent["reference"]
            scenario = ""
            if call.destination:
                listed = scenarios.find(json.loads(call.destination).get("iban", "").replace(" ", ""))
                scenario = listed.name if listed else ""
            elif token:
                row = connection.execute("SELECT scenario FROM token WHERE token = ?", (token,)).fetchone()
                scenario = row["scenario"] if row else ""
        return Subject(call.kind, call.idempotency_key, reference, token or "", scenario), known is not None

    def execute(self, call: Call, plan: Plan) -> dict[str, object]:
        """Carry a call out once, or give the answer that its key already has.

        :raises Refused: the key belongs to another request, or a law forbids the call.
        """
        with self._storage.writing() as connection:
            known = connection.execute(
                "SELECT * FROM operation WHERE idempotency_key = ?", (call.idempotency_key,)
            ).fetchone()
            if known:
                if known["request_hash"] != call.request_hash:
                    raise Refused(409, "idempotency_conflict", "This key was used for another request")
                return self._answer(connection, known)
            effect = self._laws[call.kind](connection, call)
            row = self._insert(connection, call, effect, plan)
            _apply(connection, row)
            self._tell(connection, row)
            return self._answer(connection, row)

    def find(self, idempotency_key: str) -> dict[str, object]:
        """The operation of a key as it stands now.

        :raises Refused: nothing was ever done under this key.
        """
        with self._storage.reading() as connection:
            row = connection.execute(
                "SELECT * FROM operation WHERE idempotency_key = ?", (idempotency_key,)
            ).fetchone()
            if row is None:
                raise Refused(404, "operation_not_found", "No operation has this idempotency key")
            return self._answer(connection, row)

    def conclude_due(self) -> float | None:
        """End what is pending and due; say when the next one is due (epoch seconds)."""
        now = time.time()
        with self._storage.reading() as connection:
            due = connection.execute("SELECT min(due_at) FROM operation WHERE due_at IS NOT NULL").fetchone()[
                0
            ]
        if due is None or due > now:
            return None if due is None else float(due)
        with self._storage.writing() as connection:
            for old in connection.execute("SELECT * FROM operation WHERE due_at <= ?", (now,)).fetchall():
                row = connection.execute(
                    "UPDATE operation SET status = due_status, code = due_code, due_at = NULL,"
                    " due_status = NULL, due_code = NULL WHERE seq = ? RETURNING *",
                    (old["seq"],),
                ).fetchone()
                if row["status"] != _good(row["kind"]):
                    _release(connection, row)
                self._tell(connection, row)
        return now

    def _keep_token(
        self, token: str, kind: str, brand: str, number: str, *, country: str
    ) -> dict[str, object]:
        listed = scenarios.find(number)
        fields = (
            token,
            kind,
            brand,
            number[-4:],
            _digest("fp", number),
            country,
            listed.name if listed else "",
        )
        with self._storage.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO token VALUES (?, ?, ?, ?, ?, ?, ?)", fields)
        names = ("token", "type", "brand", "last4", "fingerprint", "country")
        return dict(zip(names, fields, strict=False))

    def _insert(self, connection: sqlite3.Connection, call: Call, effect: _Effect, plan: Plan) -> sqlite3.Row:
        status, code = _good(call.kind), None
        due: tuple[float | None, str | None, str | None] = (None, None, None)
        if effect.refused_with or plan.result == "decline":
            status, code = BAD.get(call.kind, "declined"), effect.refused_with or plan.code
        elif plan.result == "pending_then_ok":
            status, due = "pending", (time.time() + self._pending_seconds, _good(call.kind), None)
        elif plan.result == "pending_then_fail":
            status = "pending"
            due = (time.time() + self._pending_seconds, BAD.get(call.kind, "declined"), plan.code)
        return connection.execute(
            "INSERT INTO operation (id, kind, idempotency_key, request_hash, authorization_id, reference,"
            " token, destination, amount, currency, fee, status, code, made_at, due_at, due_status, due_code,"
            " callback_plan)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
            (_digest(ID_PREFIX[call.kind], call.idempotency_key), call.kind, call.idempotency_key,
             call.request_hash, call.authorization_id, call.reference, effect.token, call.destination,
             effect.amount, effect.currency, effect.fee if status in ("succeeded", "pending") else 0, status,
             code, time.time(), *due, plan.webhook),
        ).fetchone()  # fmt: skip

    def _tell(self, connection: sqlite3.Connection, row: sqlite3.Row) -> None:
        if self._sends_callbacks and row["status"] != "pending":
            callbacks.enqueue(connection, self._answer(connection, row), row["callback_plan"])

    def _answer(self, connection: sqlite3.Connection, row: sqlite3.Row) -> dict[str, object]:
        answer: dict[str, object] = {
            "id": row["id"],
            "object": OBJECT.get(row["kind"], row["kind"]),
            "status": row["status"],
            "amount": row["amount"],
            "currency": row["currency"],
            "reference": row["reference"],
            "idempotency_key": row["idempotency_key"],
            "created": iso(row["made_at"]),
        }
        if row["code"]:
            answer["decline_code"] = row["code"]
        if row["kind"] == "capture":
            answer["fee"] = row["fee"]
        if row["authorization_id"]:
            answer["authorization"] = row["authorization_id"]
        if row["kind"] == "authorize":
            method = connection.execute("SELECT * FROM token WHERE token = ?", (row["token"],)).fetchone()
            answer |= {name: method[name] for name in ("type", "brand", "last4", "fingerprint", "country")}
        return answer


def iso(epoch_seconds: float) -> str:
    """An instant as RFC 3339 in UTC with milliseconds."""
    return (
        datetime.fromtimestamp(epoch_seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def _good(kind: str) -> str:
    return GOOD.get(kind, "succeeded")


def _digest(prefix: str, *parts: str) -> str:
    return f"{prefix}_{hashlib.sha256('|'.join((prefix, *parts)).encode()).hexdigest()[:24]}"


def _check_amount(amount: int, currency: str) -> None:
    exponent(currency)
    if not 1 <= amount <= AMOUNT_MAX:
        raise Refused(422, "amount_invalid", f"An amount is 1 to {AMOUNT_MAX} minor units", param="amount")


def _authorize(connection: sqlite3.Connection, call: Call) -> _Effect:
    _check_amount(call.amount, call.currency)
    if not connection.execute("SELECT 1 FROM token WHERE token = ?", (call.token,)).fetchone():
        raise Refused(422, "token_unknown", "No such token", param="token")
    refused_with = "limit_exceeded" if call.amount > scenarios.CARD_LIMIT_MINOR else None
    return _Effect(call.amount, call.currency, token=call.token, refused_with=refused_with)


def _open_authorization(connection: sqlite3.Connection, call: Call) -> sqlite3.Row:
    row = connection.execute(
        "SELECT * FROM operation WHERE id = ? AND kind = 'authorize'", (call.authorization_id,)
    ).fetchone()
    if row is None:
        raise Refused(404, "authorization_not_found", "No such authorization")
    if row["status"] != "authorized":
        raise Refused(422, "invalid_state", f"The authorization is {row['status']}")
    return row


def _capture(connection: sqlite3.Connection, call: Call) -> _Effect:
    parent = _open_authorization(connection, call)
    _check_amount(call.amount, parent["currency"])
    if parent["voided"]:
        raise Refused(422, "invalid_state", "The authorization is voided")
    left = parent["amount"] - parent["captured"]
    if call.amount > left:
        raise Refused(422, "capture_too_large", f"Only {left} is left to capture", left=left)
    method = connection.execute("SELECT type FROM token WHERE token = ?", (parent["token"],)).fetchone()[
        "type"
    ]
    fee = capture_fee(call.amount, parent["currency"], method)
    return _Effect(call.amount, parent["currency"], token=parent["token"], fee=fee)


def _void(connection: sqlite3.Connection, call: Call) -> _Effect:
    parent = _open_authorization(connection, call)
    left = parent["amount"] - parent["captured"]
    if parent["voided"] or not left:
        raise Refused(422, "invalid_state", "Nothing is left to void")
    return _Effect(left, parent["currency"], token=parent["token"])


def _refund(connection: sqlite3.Connection, call: Call) -> _Effect:
    parent = _open_authorization(connection, call)
    _check_amount(call.amount, parent["currency"])
    left = parent["captured"] - parent["refunded"]
    if call.amount > left:
        raise Refused(422, "refund_too_large", f"Only {left} is left to refund", left=left)
    return _Effect(call.amount, parent["currency"], token=parent["token"])


def _transfer(connection: sqlite3.Connection, call: Call) -> _Effect:
    _check_amount(call.amount, call.currency)
    if len(call.reference) > END_TO_END_MAX:
        raise Refused(422, "reference_too_long", "A bank carries at most 35 characters", param="reference")
    return _Effect(call.amount, call.currency)


_COUNTER = {"capture": "captured", "refund": "refunded"}


def _apply(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    # What is pending is already taken from what is left, so that nobody can promise it twice.
    if row["status"] not in ("succeeded", "pending"):
        return
    if row["kind"] == "void":
        connection.execute("UPDATE operation SET voided = 1 WHERE id = ?", (row["authorization_id"],))
    elif row["kind"] in _COUNTER:
        column = _COUNTER[row["kind"]]
        connection.execute(
            f"UPDATE operation SET {column} = {column} + ? WHERE id = ?",  # noqa: S608 - one of two names
            (row["amount"], row["authorization_id"]),
        )


def _release(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    if row["kind"] == "void":
        connection.execute("UPDATE operation SET voided = 0 WHERE id = ?", (row["authorization_id"],))
    elif row["kind"] in _COUNTER:
        column = _COUNTER[row["kind"]]
        connection.execute(
            f"UPDATE operation SET {column} = {column} - ? WHERE id = ?",  # noqa: S608 - one of two names
            (row["amount"], row["authorization_id"]),
        )
        connection.execute("UPDATE operation SET fee = 0 WHERE seq = ?", (row["seq"],))
