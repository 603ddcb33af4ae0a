"""PayPal's HTTP face in the sandbox process: routes, tokens, keys, faults; mounted under /paypal.

A POST with a PayPal-Request-Id runs once: sent again it is answered with what it made, as that stands now
(200), and with other parameters it is refused. What is refused is not kept.
"""

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from payments.simulator import objects
from payments.simulator.answers import Answer
from payments.simulator.callbacks import Deliverer
from payments.simulator.errors import Refused
from payments.simulator.faults import Faults, Subject
from payments.simulator.objects import Body, Record
from payments.simulator.paypal import (
    answering,
    approval,
    books,
    buyers,
    captures,
    disputes,
    operator,
    orders,
    refunds,
    reports,
)
from payments.simulator.paypal.desk import Desk, Done, Rules
from payments.simulator.paypal.errors import PayPalRefused
from payments.simulator.paypal.settling import Transfers
from payments.simulator.paypal.signing import Signer
from payments.simulator.storage import Storage

Law = Callable[..., Done]
Route = tuple[str, str, str, Law]
ID = "([A-Za-z0-9-]+)"
TOKEN_SECONDS = 32_400


@dataclass(frozen=True, slots=True)
class Keys:
    """What this face was started with."""

    client_id: str = "paypal_development_client"
    secret: str = "paypal_development_secret"  # noqa: S105 - the sandbox's own, no secret
    webhook_id: str = "WH-DEVELOPMENT"
    callback_url: str = ""
    late_seconds: float = 6.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the face needs it."""

    method: str
    path: str
    query: str
    credential: str
    key: str
    content_type: str
    raw: bytes


WRITES: tuple[Route, ...] = (
    ("POST", "/v2/checkout/orders", "authorize", orders.create),
    ("PATCH", f"/v2/checkout/orders/{ID}", "void", orders.change),
    ("POST", f"/v2/checkout/orders/{ID}/authorize", "complete", orders.authorize),
    ("POST", f"/v2/checkout/orders/{ID}/capture", "complete", orders.capture),
    ("POST", f"/v2/payments/authorizations/{ID}/capture", "capture", captures.capture),
    ("POST", f"/v2/payments/authorizations/{ID}/void", "void", captures.void),
    ("POST", f"/v2/payments/captures/{ID}/refund", "refund", refunds.create),
    ("POST", f"/v1/customer/disputes/{ID}/provide-evidence", "challenge", disputes.provide_evidence),
    ("POST", f"/v1/customer/disputes/{ID}/send-message", "challenge", disputes.send_message),
    ("POST", f"/v1/customer/disputes/{ID}/accept-claim", "accept", disputes.accept_claim),
)
READS: tuple[Route, ...] = (
    ("GET", f"/v2/checkout/orders/{ID}", "find", orders.show),
    ("GET", f"/v2/payments/authorizations/{ID}", "find", captures.show_authorization),
    ("GET", f"/v2/payments/captures/{ID}", "find", captures.show),
    ("GET", f"/v2/payments/refunds/{ID}", "find", refunds.show),
    ("GET", "/v1/customer/disputes", "find", disputes.listed),
    ("GET", "/v1/reporting/transactions", "find", reports.search),
    ("GET", f"/v1/customer/disputes/{ID}", "find", disputes.show),
)
CONCLUDE: dict[str, Callable[[Desk, Record], None]] = {
    "order": orders.expire,
    "authorization": orders.conclude_authorization,
    "capture": captures.conclude,
    "refund": refunds.conclude,
    "dispute": disputes.conclude,
}


class PayPalFace:
    """The face over its own storage."""

    def __init__(self, folder: Path, keys: Keys, rules: Rules) -> None:
        self._keys = keys
        self._rules = rules
        self.storage = Storage(folder, books.FILE, books.SCHEMA, books.TABLES)
        self.payer = Transfers(self.storage)
        self._signer = Signer(folder, rules.url)
        self._faults = Faults(self.storage, buyers.BY_NAME)
        self._running: set[str] = set()
        self._lock = threading.Lock()
        self._generation = 0
        self._deliverer = (
            Deliverer(self.storage, keys.callback_url, self._signer.headers(keys.webhook_id))
            if keys.callback_url
            else None
        )
        self._operator = operator.Operator(self.storage, self._faults, self._at_desk)

    def start(self) -> None:
        """Start delivering events."""
        if self._deliverer:
            self._deliverer.start()

    def reset(self) -> None:
        """Forget everything but the certificate."""
        self.storage.reset()
        self._operator.clear()

    def respond(self, asked: Asked) -> Answer:
        """Answer one request; the path is without the mount."""
        try:
            if asked.path == f"/v1/notifications/certs/{self._signer.name}":
                return Answer(200, self._signer.chain, "application/x-pem-file")
            if asked.path == "/checkoutnow":
                return self._page(asked)
            if asked.path.startswith("/sim/"):
                return self._operate(asked)
            self._operator.hold_up()
            if (asked.method, asked.path) == ("POST", "/v1/oauth2/token"):
                return self._token(asked)
            self._admit(asked)
            return self._read(asked) if asked.method == "GET" else self._write(asked)
        except PayPalRefused as refused:
            return answering.refusal(refused)
        except Refused as refused:
            return answering.refusal(PayPalRefused(refused.status, refused.code.upper(), refused.message))

    def conclude_due(self) -> None:
        """End what was pending or open for too long."""
        with self.storage.reading() as connection:
            if not objects.due(connection, time.time()):
                return
        with self.storage.writing() as connection:
            for record in objects.due(connection, time.time()):
                CONCLUDE[record.kind](Desk(connection, self._rules, f"due:{record.id}"), record)
        self._wake()

    def _operate(self, asked: Asked) -> Answer:
        """The operator comes with the app's own name and secret."""
        if asked.path != "/sim/buyers" and not self._is_app(asked.credential):
            raise PayPalRefused(401, "INVALID_CLIENT", "The operator needs the app's client id and secret.")
        if (asked.method, asked.path) == ("DELETE", "/sim/tokens"):
            self._generation += 1
            return Answer(200, {"generation": self._generation})
        return self._operator.respond(asked.method, asked.path, asked.query, asked.raw)

    def _at_desk(self, key: str, work: Callable[[Desk], Any]) -> Any:
        with self.storage.writing() as connection:
            made = work(Desk(connection, self._rules, key))
        self._wake()
        return made

    def _token(self, asked: Asked) -> Answer:
        if not self._is_app(asked.credential):
            return Answer(
                401, {"error": "invalid_client", "error_description": "Client Authentication failed"}
            )
        told = {"access_token": self._valid_token(), "token_type": "Bearer", "expires_in": TOKEN_SECONDS}
        return Answer(200, {"scope": "https://uri.paypal.com/services/payments", **told})

    def _is_app(self, credential: str) -> bool:
        scheme, _, encoded = credential.partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except ValueError:
            return False
        wanted = f"{self._keys.client_id}:{self._keys.secret}".encode()
        return scheme.lower() == "basic" and hmac.compare_digest(given, wanted)

    def _valid_token(self) -> str:
        words = f"{self._keys.client_id}|{self._keys.secret}|{self._generation}"
        return f"A21AA{hashlib.sha256(words.encode()).hexdigest()}"

    def _admit(self, asked: Asked) -> None:
        given = asked.credential.encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, f"Bearer {self._valid_token()}".encode()):
            raise PayPalRefused(401, "INVALID_TOKEN", "Token signature verification failed.")

    def _read(self, asked: Asked) -> Answer:
        law, arguments, _ = _route(READS, asked)
        plan = self._faults.plan(self._subject("find", asked.path, {}, asked.key), is_replay=False)
        if plan.before:
            wait, refused = answering.before(plan, self._keys.late_seconds)
            time.sleep(wait)
            raise refused
        with self.storage.writing() as connection:
            desk = Desk(connection, self._rules, asked.path)
            done = law(desk, *arguments, dict(parse_qsl(asked.query)))
        wait, answer = answering.after(plan, done.status, done.body, self._keys.late_seconds)
        time.sleep(wait)
        return answer

    def _write(self, asked: Asked) -> Answer:
        law, arguments, operation = _route(WRITES, asked)
        params = (
            _list(asked.raw) if asked.method == "PATCH" else disputes.params_of(asked.content_type, asked.raw)
        )
        key = asked.key or hashlib.sha256(asked.raw + str(time.time_ns()).encode()).hexdigest()
        if not re.fullmatch(r"[\x21-\x7e]{1,108}", key):
            raise PayPalRefused(400, "INVALID_STRING_LENGTH", "PayPal-Request-Id has 1 to 108 characters.")
        with self._lock:
            if key in self._running:
                raise PayPalRefused(409, "PREVIOUS_REQUEST_IN_PROGRESS", "A previous request is in progress.")
            self._running.add(key)
        try:
            wait, answer = self._once(
                asked, operation, key, params, lambda desk: law(desk, *arguments, params)
            )
        finally:
            with self._lock:
                self._running.discard(key)
        time.sleep(wait)
        return answer

    def _once(
        self, asked: Asked, operation: str, key: str, params: Any, work: Callable[[Desk], Done]
    ) -> tuple[float, Answer]:
        """Run a request once under its key; return the answer, and how long it is held back."""
        canonical = json.dumps([asked.path, params], sort_keys=True, separators=(",", ":"))
        request_hash = hashlib.sha256(canonical.encode()).hexdigest()
        with self.storage.reading() as connection:
            known = objects.answer_of(connection, key)
        subject = self._subject(operation, asked.path, params, key)
        plan = self._faults.plan(subject, is_replay=known is not None)
        if plan.before:
            wait, refused = answering.before(plan, self._keys.late_seconds)
            time.sleep(wait)
            raise refused
        if known is not None and known["hash"] != request_hash:
            raise PayPalRefused(422, "DUPLICATE_REQUEST_ID", "This PayPal-Request-Id was used for another.")
        with self.storage.writing() as connection:
            desk = Desk(connection, self._rules, key, plan)
            done = _again(desk, known["kind"], known["object_id"]) if known is not None else work(desk)
            if known is None and done.made is not None:
                books.keep_answer(connection, key, request_hash, done.made.kind, done.made.id)
        self._wake()
        if self._deliverer and plan.webhook == "webhook_first":
            self._deliverer.await_about(json.dumps(subject.reference), 5.0)
        return answering.after(plan, done.status, done.body, self._keys.late_seconds)

    def _subject(self, operation: str, path: str, params: Any, key: str) -> Subject:
        """What fault scripts and buyers match a request by: the order's reference and its buyer."""
        found = re.search(r"/(?:orders|authorizations|captures|disputes)/([A-Za-z0-9-]+)", path)
        if found is None:
            units = params.get("purchase_units") if isinstance(params, dict) else None
            unit = units[0] if isinstance(units, list) and units and isinstance(units[0], dict) else {}
            return Subject(operation, key, str(unit.get("invoice_id", "")), "paypal")
        with self.storage.reading() as connection:
            order = _order_of(connection, found[1])
        if order is None:
            return Subject(operation, key)
        reference = str(order.body["purchase_units"][0].get("invoice_id", ""))
        return Subject(operation, key, reference, "paypal", str(order.private.get("buyer", "")))

    def _page(self, asked: Asked) -> Answer:
        with self.storage.writing() as connection:
            desk = Desk(connection, self._rules, f"page:{asked.query}")
            answer = approval.answer(desk, asked.method, asked.query, asked.raw)
        self._wake()
        return answer

    def _wake(self) -> None:
        if self._deliverer:
            self._deliverer.wake()


def _route(routes: tuple[Route, ...], asked: Asked) -> tuple[Law, tuple[str, ...], str]:
    """What carries a request out, the ids in its path, and its name among the faults."""
    for method, pattern, operation, law in routes:
        found = re.fullmatch(pattern, asked.path)
        if found and method == asked.method:
            return law, found.groups(), operation
    raise PayPalRefused(404, "NOT_FOUND", f"{asked.method} {asked.path} does not exist")


def _again(desk: Desk, kind: str, object_id: str) -> Done:
    """What a key made, as it stands now."""
    record = desk.get(kind, object_id)
    return Done(200, orders.shown(desk, record) if kind == "order" else record.body)


def _order_of(connection: Any, object_id: str) -> Record | None:
    """The order that an object belongs to: itself, its parent's, or that of the capture of a dispute."""
    for _ in range(3):
        row = connection.execute("SELECT kind, parent FROM object WHERE id = ?", (object_id,)).fetchone()
        if row is None:
            return None
        if row["kind"] == "order":
            return books.get(connection, "order", object_id)
        object_id = row["parent"]
    return None


def _list(raw: bytes) -> list[Body]:
    try:
        steps = json.loads(raw)
    except (ValueError, RecursionError):
        steps = None
    if not isinstance(steps, list):
        raise PayPalRefused(400, "MALFORMED_REQUEST_JSON", "A patch is a list.")
    return steps
