"""The card and bank network itself: authorizations, captures, voids, refunds, transfers, and their laws.

captured <= authorized, refunded <= captured, one effect per idempotency key for ever. Ids derive from the
key, so a run is the same for the same input. An effect and its callback are one SQLite transaction.
"""

import hashlib
import json
import sqlite3
import time
from dataclasses import replace
from datetime import UTC, datetime

from payments.simulator import callbacks, coins, scenarios, wishes
from payments.simulator.disputes import Disputes, Opening
from payments.simulator.errors import Refused
from payments.simulator.faults import OK, Plan, Subject
from payments.simulator.laws import LAWS, Call, Effect, apply, release
from payments.simulator.storage import Storage

CHALLENGE_SECONDS = 600.0
WAITS = "requires_action"
OBJECT = {"authorize": "authorization"}
GOOD = {"authorize": "authorized", "transfer": "paid"}
BAD = {"refund": "failed", "transfer": "failed"}
ID_PREFIX = {
    "authorize": "auth",
    "increment": "incr",
    "capture": "cap",
    "void": "void",
    "refund": "rfnd",
    "transfer": "trf",
    "challenge": "chl",
    "accept": "acp",
}


class Network:
    """The laws over the storage."""

    def __init__(
        self,
        storage: Storage,
        disputes: Disputes,
        *,
        pending_seconds: float,
        sends_callbacks: bool,
        challenge_seconds: float = CHALLENGE_SECONDS,
    ) -> None:
        self._storage = storage
        self._disputes = disputes
        self._challenge_seconds = challenge_seconds
        self._pending_seconds = pending_seconds
        self._sends_callbacks = sends_callbacks

    def make_card_token(
        self, number: str, exp_month: int, exp_year: int, cvc: str | None
    ) -> dict[str, object]:
        """Keep what we may know of a card and give a token for it; the number itself is not kept.

        :raises Refused: number, expiry or code is not well-formed, or the card is past its date.
        """
        digits = scenarios.check_card_number(number)
        today = datetime.now(UTC)
        if not 1 <= exp_month <= 12 or (exp_year, exp_month) < (today.year, today.month):
            raise Refused(422, "invalid_expiry", "The expiry date is over or no date", param="exp_month")
        if cvc is not None and not (cvc.isascii() and cvc.isdigit() and len(cvc) in (3, 4)):
            raise Refused(422, "invalid_cvc", "The security code has three or four digits", param="cvc")
        token = _digest("vpt", digits, str(exp_month), str(exp_year), cvc or "")
        return self._keep_token(token, "card", scenarios.brand_of(digits), digits, country="US")

    def make_bank_token(self, iban: str) -> dict[str, object]:
        """Give a token for a bank account to draw from.

        :raises Refused: not an IBAN.
        """
        number = scenarios.check_iban(iban)
        return self._keep_token(_digest("vpt", number), "bank_transfer", "sepa", number, country=number[:2])

    def make_coin_token(self, network: str, address: str) -> dict[str, object]:
        """Give a token for a payer in coins; refunds go to the address.

        :raises Refused: not a network that is carried, or no address.
        """
        coins.check_address(network, address)
        return self._keep_token(_digest("vpt", network, address), coins.TYPE, network, address, country="")

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
            if call.dispute_id:
                return Subject(call.kind, call.idempotency_key, reference), known is not None
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
            effect = LAWS[call.kind](connection, call)
            row = self._insert(connection, call, effect, plan)
            wishes.keep(connection, row, call, plan, row["due_at"] if row["status"] == WAITS else None)
            if row["status"] == WAITS and coins.must_be_sent(connection, call, plan):
                coins.keep(connection, row)
            apply(connection, row)
            self._take(connection, row)
            if call.kind == "void" and row["authorization_id"]:
                self._give_up(connection, row["authorization_id"])
            self._tell(connection, row)
            if call.dispute_id and row["status"] == "succeeded":
                self._disputes.answer(connection, call.dispute_id, call.kind, call.evidence)
            self._dispute_capture(connection, row)
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

    def challenge_page(self, operation_id: str) -> str:
        """The page on which a customer acts.

        :raises Refused: no challenge waits there.
        """
        with self._storage.reading() as connection:
            row = connection.execute(
                "SELECT o.*, t.brand, t.last4 FROM operation o JOIN token t ON t.token = o.token"
                " WHERE o.id = ?",
                (operation_id,),
            ).fetchone()
            coin = coins.of(connection, operation_id)
        if row is not None and coin is not None and row["status"] in (WAITS, "pending"):
            return coins.page(row, coin)
        if row is None or row["status"] != WAITS:
            raise Refused(404, "challenge_not_found", "No challenge waits here")
        return wishes.page(row, row["brand"], row["last4"])

    def act(self, operation_id: str, result: str) -> str:
        """End a challenge as its customer does; where the customer goes then.

        :raises Refused: no challenge waits there, or the result is none.
        """
        with self._storage.writing() as connection:
            if not self._end_challenge(connection, operation_id, result):
                raise Refused(404, "challenge_not_found", "No challenge waits here")
            wish = wishes.of(connection, operation_id)
            return str(wish["return_url"]) if wish else ""

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
                    release(connection, row)
                if old["status"] == "succeeded":
                    self._come_back(connection, row)
                self._take(connection, row)
                self._tell(connection, row)
                self._dispute_capture(connection, row)
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

    def _end_challenge(self, connection: sqlite3.Connection, operation_id: str, result: str) -> bool:
        if coins.of(connection, operation_id):
            row = coins.send(connection, operation_id, result, self._pending_seconds)
        else:
            row = wishes.end_challenge(connection, operation_id, result)
        if row is not None:
            self._take(connection, row)
            self._tell(connection, row)
        return row is not None

    def _give_up(self, connection: sqlite3.Connection, operation_id: str) -> None:
        result = "unpaid" if coins.of(connection, operation_id) else "failed"
        self._end_challenge(connection, operation_id, result)

    def _take(self, connection: sqlite3.Connection, row: sqlite3.Row) -> None:
        """Capture an authorization at once, where it was asked for; what the capture tells, it tells too."""
        if row["kind"] != "authorize" or row["status"] != "authorized":
            return
        wish = wishes.of(connection, row["id"])
        if wish is None or not wish["wants_capture"] or self._refuses_capture(connection, row["token"]):
            return
        key = f"{row['idempotency_key']}:capture"
        call = Call("capture", key, row["request_hash"], row["reference"], row["id"], amount=row["amount"])
        made = self._insert(connection, call, LAWS["capture"](connection, call), OK)
        apply(connection, made)
        self._dispute_capture(connection, made)

    def _dispute_capture(self, connection: sqlite3.Connection, row: sqlite3.Row) -> None:
        """Open the dispute that a card brings with every capture."""
        if row["kind"] != "capture" or row["status"] != "succeeded":
            return
        name = connection.execute("SELECT scenario FROM token WHERE token = ?", (row["token"],)).fetchone()
        listed = scenarios.BY_NAME.get(name["scenario"]) if name else None
        if listed and listed.dispute:
            opening = replace(Opening.of(listed.dispute), amount=row["amount"])
            self._disputes.open(connection, row["authorization_id"], opening)

    def _refuses_capture(self, connection: sqlite3.Connection, token: str) -> bool:
        row = connection.execute("SELECT scenario FROM token WHERE token = ?", (token,)).fetchone()
        listed = scenarios.BY_NAME.get(row["scenario"])
        return listed is not None and listed.faults.get("capture", "").startswith("decline")

    def _insert(self, connection: sqlite3.Connection, call: Call, effect: Effect, plan: Plan) -> sqlite3.Row:
        status, code = _good(call.kind), None
        due: tuple[float | None, str | None, str | None] = (None, None, None)
        if effect.refused_with or plan.result == "decline":
            status, code = BAD.get(call.kind, "declined"), effect.refused_with or plan.code
        elif coins.must_be_sent(connection, call, plan):
            due = (time.time() + self._challenge_seconds, "declined", coins.NOT_PAID)
            status = WAITS
        elif wishes.asks_for_challenge(call, plan):
            until = time.time() + self._challenge_seconds
            status, due = WAITS, (until, BAD.get(call.kind, "declined"), wishes.NOT_AUTHENTICATED)
        elif plan.result == "pending_then_ok":
            wait = plan.seconds if plan.argument else self._pending_seconds
            status, due = "pending", (time.time() + wait, _good(call.kind), None)
        elif plan.result == "fail_later" and call.kind == "refund":
            due = (time.time() + self._pending_seconds, BAD["refund"], plan.code)
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

    def _come_back(self, connection: sqlite3.Connection, row: sqlite3.Row) -> None:
        """Give the money of a refund back that was done and has failed: a movement under a key of its own."""
        key = f"{row['idempotency_key']}:returned"
        connection.execute(
            "INSERT INTO operation (id, kind, idempotency_key, request_hash, authorization_id, reference,"
            " amount, currency, status, made_at)"
            " VALUES (?, 'refund_returned', ?, '', ?, ?, ?, ?, 'succeeded', ?)",
            (_digest("ret", key), key, row["authorization_id"], row["reference"], row["amount"],
             row["currency"], time.time()),
        )  # fmt: skip

    def _tell(self, connection: sqlite3.Connection, row: sqlite3.Row) -> None:
        if self._sends_callbacks and row["status"] not in ("pending", WAITS):
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
            answer["decline_code"], _, advice_code = row["code"].partition("@")
            if advice_code:
                answer["advice_code"] = advice_code
        if row["kind"] == "capture":
            answer["fee"] = row["fee"]
        if row["authorization_id"]:
            answer["authorization"] = row["authorization_id"]
        if row["kind"] == "authorize":
            method = connection.execute("SELECT * FROM token WHERE token = ?", (row["token"],)).fetchone()
            answer |= {name: method[name] for name in ("type", "brand", "last4", "fingerprint", "country")}
            wish = wishes.of(connection, row["id"])
            until = iso(wish["until"]) if wish is not None and wish["until"] else ""
            answer |= wishes.described(wish, row["status"], until)
            answer |= coins.described(coins.of(connection, row["id"]))
            if wish is not None and wish["wants_capture"]:
                answer |= self._taken(connection, row)
        return answer

    def _taken(self, connection: sqlite3.Connection, row: sqlite3.Row) -> dict[str, object]:
        capture = connection.execute(
            "SELECT * FROM operation WHERE idempotency_key = ?", (f"{row['idempotency_key']}:capture",)
        ).fetchone()
        names = ("id", "status", "amount", "fee", "idempotency_key")
        return {"capture": {name: capture[name] for name in names}} if capture else {}


def iso(epoch_seconds: float) -> str:
    """An instant as RFC 3339 in UTC with milliseconds."""
    return (
        datetime.fromtimestamp(epoch_seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def _good(kind: str) -> str:
    return GOOD.get(kind, "succeeded")


def _digest(prefix: str, *parts: str) -> str:
    return f"{prefix}_{hashlib.sha256('|'.join((prefix, *parts)).encode()).hexdigest()[:24]}"
