"""Stripe's HTTP face in the sandbox process: routes, keys, idempotency, faults; mounted under /stripe.

A POST runs once per idempotency key, effect and kept answer in one transaction: the same key and parameters
get the kept answer (also a 402 or 500), other parameters 400 idempotency_error, a key still running 409. What
is refused before it begins is not kept.
"""

import base64
import hashlib
import hmac
import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from payments.simulator import objects
from payments.simulator.answers import Answer
from payments.simulator.callbacks import Deliverer
from payments.simulator.errors import Refused
from payments.simulator.faults import Faults
from payments.simulator.storage import Storage
from payments.simulator.stripe import (
    answering,
    books,
    cards,
    challenge,
    debits,
    disputes,
    events,
    files,
    forms,
    intents,
    lists,
    methods,
    operator,
    payouts,
    refunds,
    setups,
    subjects,
)
from payments.simulator.stripe.desk import Desk, Done, Rules
from payments.simulator.stripe.errors import StripeRefused
from payments.simulator.stripe.forms import Params

Law = Callable[..., Done]


@dataclass(frozen=True, slots=True)
class Keys:
    """What this face was started with."""

    secret: str = "sk_test_development_key"  # noqa: S105 - the sandbox's own, no secret
    public: str = "pk_test_development_key"
    webhook_secrets: tuple[str, ...] = ()
    callback_url: str = ""
    late_seconds: float = 6.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the face needs it."""

    method: str
    path: str
    query: str
    credential: str
    idempotency_key: str
    raw: bytes


WRITES: tuple[tuple[str, str, Law], ...] = (
    ("/v1/customers", "", methods.create_customer),
    (r"/v1/customers/(\w+)", "", methods.update_customer),
    ("/v1/tokens", "", methods.create_token),
    ("/v1/payment_methods", "", methods.create_method),
    (r"/v1/payment_methods/(\w+)/attach", "", methods.attach_method),
    (r"/v1/payment_methods/(\w+)/detach", "", methods.detach_method),
    ("/v1/payment_intents", "authorize", intents.create),
    (r"/v1/payment_intents/(\w+)", "", intents.update),
    (r"/v1/payment_intents/(\w+)/confirm", "authorize", intents.confirm),
    (r"/v1/payment_intents/(\w+)/capture", "capture", intents.capture),
    (r"/v1/payment_intents/(\w+)/cancel", "void", intents.cancel),
    ("/v1/setup_intents", "authorize", setups.create),
    ("/v1/refunds", "refund", refunds.create),
    (r"/v1/disputes/(\w+)", "challenge", disputes.update),
    (r"/v1/disputes/(\w+)/close", "accept", disputes.close),
    ("/v1/files", "", files.create),
)
KINDS = {
    "customers": "customer",
    "payment_methods": "payment_method",
    "payment_intents": "payment_intent",
    "setup_intents": "setup_intent",
    "charges": "charge",
    "refunds": "refund",
    "disputes": "dispute",
    "balance_transactions": "balance_transaction",
    "payouts": "payout",
    "events": "event",
}
BALANCE = {"object": "balance", "available": [], "pending": [], "livemode": False}
PUBLIC = ("/v1/tokens", "/v1/payment_methods")


class StripeFace:
    """The face over its own storage."""

    def __init__(self, folder: Path, keys: Keys, rules: Rules) -> None:
        self._keys = keys
        self._rules = rules
        self._storage = Storage(folder, books.FILE, books.SCHEMA, books.TABLES)
        self._faults = Faults(self._storage, {**cards.BY_NAME, **debits.BY_NAME})
        self._running: set[str] = set()
        self._lock = threading.Lock()
        self._deliverer = (
            Deliverer(self._storage, keys.callback_url, events.signed_headers(keys.webhook_secrets))
            if keys.callback_url
            else None
        )
        self._operator = operator.Operator(self._storage, self._faults, self._rules)
        self.payer = payouts.Payouts(self._storage, rules, self._wake)

    def start(self) -> None:
        """Start delivering events."""
        if self._deliverer:
            self._deliverer.start()

    def reset(self) -> None:
        """Forget everything."""
        self._operator.reset()

    def respond(self, asked: Asked) -> Answer:
        """Answer one request; the path is without the mount."""
        request_id = f"req_{uuid.uuid4().hex[:14]}"
        try:
            if asked.path.startswith("/3ds/"):
                return self._challenge(asked)
            if asked.method == "OPTIONS":
                return Answer(204, {})
            if asked.path.startswith("/sim/"):
                self._admit(asked, is_public=asked.path == "/sim/cards")
                return self._operator.respond(asked.method, asked.path, asked.query, asked.raw)
            self._admit(asked, is_public=asked.method == "POST" and asked.path in PUBLIC)
            self._operator.hold_up()
            if asked.method == "POST":
                return self._write(asked, request_id)
            return self._read(asked, request_id)
        except StripeRefused as refused:
            return answering.refusal(refused, request_id)
        except Refused as refused:
            wrapped = StripeRefused(refused.status, refused.code, refused.message)
            return answering.refusal(wrapped, request_id)

    def conclude_due(self) -> None:
        """End what was pending, processing or challenged for too long."""
        with self._storage.reading() as connection:
            if not objects.due(connection, time.time()):
                return
        with self._storage.writing() as connection:
            for record in objects.due(connection, time.time()):
                desk = Desk(connection, self._rules, f"due:{record.id}", f"req_due_{record.id[-8:]}")
                if record.kind == "payment_intent":
                    code = str(record.private["after"])
                    intents.conclude(desk, record, not code, code)
                elif record.kind == "setup_intent":
                    setups.conclude(desk, record)
                elif record.kind == "refund":
                    refunds.conclude(desk, record)
                elif record.kind == "charge":
                    disputes.take_back(desk, record)
                else:
                    disputes.conclude(desk, record)
        self._wake()

    def _admit(self, asked: Asked, *, is_public: bool) -> None:
        scheme, _, credential = asked.credential.partition(" ")
        if scheme.lower() == "basic":
            try:
                credential = base64.b64decode(credential, validate=True).decode().partition(":")[0]
            except ValueError:
                credential = ""
        allowed = [self._keys.secret] + ([self._keys.public] if is_public else [])
        given = credential.encode("utf-8", "surrogatepass")
        if not any(hmac.compare_digest(given, key.encode()) for key in allowed):
            raise StripeRefused(401, "", "Invalid API Key provided")

    def _read(self, asked: Asked, request_id: str) -> Answer:
        params = forms.decode(asked.query)
        if asked.path == "/v1/balance":
            return answering.of(Done(200, dict(BALANCE)), request_id)
        found = re.fullmatch(r"/v1/(\w+)(?:/(\w+))?", asked.path)
        kind = KINDS.get(found[1]) if found else None
        if found is None or kind is None or asked.method not in ("GET", "DELETE"):
            raise StripeRefused(404, "", f"Unrecognized request URL ({asked.method}: {asked.path})")
        with self._storage.reading() as connection:
            subject = subjects.of_read(connection, kind, found[2] or "", params)
        plan = self._faults.plan(subject, is_replay=False)
        if plan.before:
            wait, refused = answering.before(plan, self._keys.late_seconds)
            time.sleep(wait)
            raise refused
        with self._storage.writing() as connection:
            desk = Desk(connection, self._rules, request_id, request_id)
            if asked.method == "DELETE":
                if kind != "customer":
                    raise StripeRefused(404, "", f"Unrecognized request URL (DELETE: {asked.path})")
                done = methods.delete_customer(desk, found[2] or "", params)
            elif found[2] == "search":
                done = lists.search(desk, params)
            elif found[2]:
                done = lists.retrieve(desk, kind, found[2])
            else:
                done = lists.listed(desk, kind, params)
            body = lists.expanded(connection, done.body, params)
        wait, answer = answering.after(plan, Done(200, body), self._keys.late_seconds, request_id)
        time.sleep(wait)
        return answer

    def _write(self, asked: Asked, request_id: str) -> Answer:
        is_upload = asked.path == "/v1/files"
        params = (
            files.params_of(asked.raw) if is_upload else forms.decode(asked.raw.decode("utf-8", "replace"))
        )
        route = next((row for row in WRITES if re.fullmatch(row[0], asked.path)), None)
        if route is None:
            raise StripeRefused(404, "", f"Unrecognized request URL (POST: {asked.path})")
        pattern, operation, law = route
        found = re.fullmatch(pattern, asked.path)
        work = partial(_run, law, found.groups() if found else (), params)
        key = asked.idempotency_key or uuid.uuid4().hex
        if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
            raise StripeRefused(400, "", "An idempotency key has up to 255 characters")
        with self._lock:
            if key in self._running:
                raise StripeRefused(
                    409, "idempotency_key_in_use", "There is another request with this key in progress.",
                    kind="idempotency_error",
                )  # fmt: skip
            self._running.add(key)
        try:
            return self._once(asked.path, params, key, operation, work, request_id)
        finally:
            with self._lock:
                self._running.discard(key)

    def _once(
        self,
        path: str,
        params: Params,
        key: str,
        operation: str,
        work: Callable[[Desk], Done],
        request_id: str,
    ) -> Answer:
        """Run a request once under its key; the key stays taken until the answer leaves."""
        canonical = json.dumps([path, params], sort_keys=True, separators=(",", ":"))
        request_hash = hashlib.sha256(canonical.encode()).hexdigest()
        with self._storage.reading() as connection:
            known = objects.answer_of(connection, key)
            subject = subjects.of_write(connection, operation, path, params, key)
        plan = self._faults.plan(subject, is_replay=known is not None)
        if plan.before:
            wait, refused = answering.before(plan, self._keys.late_seconds)
            time.sleep(wait)
            raise refused
        if known is not None:
            if known["hash"] != request_hash:
                raise StripeRefused(
                    400, "", "Keys for idempotent requests can only be used with the same parameters they"
                    f" were first used with. Try using a key other than '{key}'.", kind="idempotency_error",
                )  # fmt: skip
            kept = Done(known["status"], json.loads(known["body"]))
            wait, bent = answering.after(plan, kept, self._keys.late_seconds, request_id)
            time.sleep(wait)
            return bent if plan.after else answering.of(kept, request_id, replayed_from=known["request_id"])
        with self._storage.writing() as connection:
            desk = Desk(connection, self._rules, key, request_id, plan)
            done = work(desk)
            if done.status == 200:
                done = Done(200, lists.expanded(connection, done.body, params))
            kept = answering.kept(plan, done)
            objects.keep_answer(connection, key, request_hash, kept.status, kept.body, request_id)
        self._wake()
        if self._deliverer and plan.webhook == "webhook_first":
            self._deliverer.await_about(f'"idempotency_key":{json.dumps(key)}', 5.0)
        wait, answer = answering.after(plan, done, self._keys.late_seconds, request_id)
        time.sleep(wait)
        return answer

    def _challenge(self, asked: Asked) -> Answer:
        intent_id = asked.path.removeprefix("/3ds/")
        with self._storage.writing() as connection:
            desk = Desk(connection, self._rules, f"3ds:{intent_id}", f"req_{uuid.uuid4().hex[:14]}")
            answer = challenge.answer(desk, asked.method, intent_id, asked.query, asked.raw)
        self._wake()
        return answer

    def _wake(self) -> None:
        if self._deliverer:
            self._deliverer.wake()


def _run(law: Law, arguments: tuple[str, ...], params: Params, desk: Desk) -> Done:
    return law(desk, *arguments, params)
