"""Adyen's HTTP face in the sandbox process: routes, keys, idempotency, faults; mounted under /adyen.

A POST runs once per idempotency key, effect and kept answer in one transaction: the same key gets the kept
answer whatever its body, a key still running 422 with code 704. What is refused before it begins is not kept.
"""

import hashlib
import hmac
import json
import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from payments.simulator import objects
from payments.simulator.adyen import (
    answering,
    cards,
    challenge,
    defending,
    disputes,
    events,
    modifications,
    operator,
    payments,
    settling,
    storing,
)
from payments.simulator.adyen.desk import FILE, SCHEMA, TABLES, Desk, Done, Rules
from payments.simulator.adyen.errors import IN_PROGRESS, AdyenRefused, invalid
from payments.simulator.answers import Answer
from payments.simulator.callbacks import Deliverer
from payments.simulator.errors import Refused
from payments.simulator.faults import Faults, Subject
from payments.simulator.objects import Body
from payments.simulator.storage import Storage

Law = Callable[..., Done]
PAGES = ("/3ds/", "/klarna/")
API = r"(?:/checkout)?/v71"
DISPUTES = "/ca/services/DisputeService/v30"
REPORTS = "/reports/download/MerchantAccount"


@dataclass(frozen=True, slots=True)
class Keys:
    """What this face was started with."""

    api_key: str = "adyen_test_development_key"
    callback_url: str = ""
    late_seconds: float = 6.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the face needs it."""

    method: str
    path: str
    query: str
    api_key: str
    idempotency_key: str
    raw: bytes


WRITES: tuple[tuple[str, str, Law], ...] = (
    (rf"{API}/payments", "authorize", payments.create),
    (rf"{API}/payments/details", "finish", payments.finish),
    (rf"{API}/payments/(\w+)/captures", "capture", modifications.capture),
    (rf"{API}/payments/(\w+)/cancels", "void", modifications.cancel),
    (rf"{API}/payments/(\w+)/refunds", "refund", modifications.refund),
    (rf"{API}/payments/(\w+)/amountUpdates", "increment", modifications.adjust),
    (rf"{API}/cancels", "void", modifications.cancel_by_reference),
    (rf"{API}/storedPaymentMethods", "", storing.create),
    (rf"{API}/paymentMethods", "", storing.methods),
    (f"{DISPUTES}/retrieveApplicableDefenseReasons", "find", defending.reasons),
    (f"{DISPUTES}/supplyDefenseDocument", "hand_over", defending.supply),
    (f"{DISPUTES}/defendDispute", "challenge", defending.defend),
    (f"{DISPUTES}/acceptDispute", "accept", defending.accept),
)


class AdyenFace:
    """The face over its own storage."""

    def __init__(self, folder: Path, keys: Keys, rules: Rules) -> None:
        self._keys = keys
        self._rules = rules
        self._storage = Storage(folder, FILE, SCHEMA, TABLES)
        self._faults = Faults(self._storage, cards.BY_NAME)
        self._running: set[str] = set()
        self._lock = threading.Lock()
        self._deliverer = (
            Deliverer(self._storage, keys.callback_url, events.plain_headers()) if keys.callback_url else None
        )
        self._operator = operator.Operator(self._storage, self._faults, rules)
        self.payer = settling.Batches(self._storage, rules)

    def start(self) -> None:
        """Start delivering webhooks."""
        if self._deliverer:
            self._deliverer.start()

    def reset(self) -> None:
        """Forget everything."""
        self._operator.reset()

    def respond(self, asked: Asked) -> Answer:
        """Answer one request; the path is without the mount."""
        try:
            if asked.path.startswith(PAGES):
                return self._challenge(asked)
            if asked.path != "/sim/cards":
                self._admit(asked)
            if asked.path.startswith("/sim/"):
                answer = self._operator.respond(asked.method, asked.path, asked.query, asked.raw)
                self._wake()
                return answer
            self._operator.hold_up()
            folder = f"{REPORTS}/{self._rules.account}/"
            if asked.method == "GET" and asked.path.startswith(folder):
                return Answer(200, self.payer.report(asked.path.removeprefix(folder)), "text/csv")
            return self._write(asked)
        except AdyenRefused as refused:
            return answering.refusal(refused)
        except Refused as refused:
            return answering.refusal(invalid("101", refused.message))

    def conclude_due(self) -> None:
        """End what was pending or challenged for too long, and decide what was defended."""
        with self._storage.reading() as connection:
            if not objects.due(connection, time.time()):
                return
        with self._storage.writing() as connection:
            for record in objects.due(connection, time.time()):
                desk = Desk(connection, self._rules, f"due:{record.id}")
                law = {"payment": payments, "modification": modifications}.get(record.kind, disputes)
                law.conclude(desk, record)
        self._wake()

    def _admit(self, asked: Asked) -> None:
        given = asked.api_key.encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, self._keys.api_key.encode()):
            raise AdyenRefused(401, "000", "HTTP Status Response - Unauthorized", kind="security")

    def _write(self, asked: Asked) -> Answer:
        route = next((row for row in WRITES if re.fullmatch(row[0], asked.path)), None)
        if route is None or asked.method != "POST":
            raise AdyenRefused(404, "905", f"{asked.method} {asked.path} does not exist")
        pattern, operation, law = route
        found = re.fullmatch(pattern, asked.path)
        body = _body(asked.raw)
        key = asked.idempotency_key or uuid.uuid4().hex
        if not re.fullmatch(r"[\x21-\x7e]{1,64}", key):
            raise AdyenRefused(422, "702", "An idempotency key has up to 64 characters")
        with self._lock:
            if key in self._running:
                raise AdyenRefused(422, IN_PROGRESS, answering.BUSY)
            self._running.add(key)
        try:
            arguments = found.groups() if found else ()
            return self._once(asked, body, key, operation, lambda desk: law(desk, *arguments, body))
        finally:
            with self._lock:
                self._running.discard(key)

    def _once(
        self, asked: Asked, body: Body, key: str, operation: str, work: Callable[[Desk], Done]
    ) -> Answer:
        """Run a request once under its key; the key stays taken until the answer leaves."""
        with self._storage.reading() as connection:
            known = objects.answer_of(connection, key)
            subject = self._subject(connection, asked, body, operation, key)
        plan = self._faults.plan(subject, is_replay=known is not None)
        if plan.before:
            wait, refused = answering.before(plan, self._keys.late_seconds)
            time.sleep(wait)
            raise refused
        shown = key if asked.idempotency_key else ""
        if known is not None:
            done = Done(known["status"], json.loads(known["body"]))
        else:
            with self._storage.writing() as connection:
                done = work(Desk(connection, self._rules, key, plan))
                digest = hashlib.sha256(asked.raw).hexdigest()
                objects.keep_answer(connection, key, digest, done.status, done.body, "")
            self._wake()
            if self._deliverer and plan.webhook == "webhook_first":
                reference = json.dumps(str(body.get("reference", "")))
                self._deliverer.await_about(f'"merchantReference":{reference}', 5.0)
        wait, answer = answering.after(plan, done, self._keys.late_seconds, shown)
        time.sleep(wait)
        return answer

    def _subject(
        self, connection: sqlite3.Connection, asked: Asked, body: Body, operation: str, key: str
    ) -> Subject:
        """What a request is about: the card decides by the payment, or by the method that is sent."""
        desk = Desk(connection, self._rules, key)
        reference, scenario = str(body.get("merchantOrderReference", "")), ""
        named = re.search(r"/payments/(\w{16})/", asked.path)
        dispute = desk.find("dispute", str(body.get("disputePspReference", "")))
        about = dispute.parent if dispute else named[1] if named else ""
        payment = desk.find("payment", about) if about else None
        if payment is not None:
            reference, scenario = payment.private["order"], payment.private["scenario"]
        elif operation == "authorize":
            scenario = storing.scenario_of(desk, body)
        return Subject(operation, key, reference, "", scenario)

    def _challenge(self, asked: Asked) -> Answer:
        reference = asked.path.rpartition("/")[2]
        with self._storage.writing() as connection:
            desk = Desk(connection, self._rules, f"3ds:{reference}")
            answer = challenge.answer(desk, asked.method, reference, asked.query, asked.raw)
        self._wake()
        return answer

    def _wake(self) -> None:
        if self._deliverer:
            self._deliverer.wake()


def _body(raw: bytes) -> Body:
    try:
        value = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise AdyenRefused(400, "702", "Structure of the request is incorrect")
    return value
