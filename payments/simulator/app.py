"""The network's HTTP face: a WSGI application that routes, authenticates and reads JSON.

What a request meets is decided by faults.py, what it does by network.py, how its answer leaves by answers.py.
"""

import hmac
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from payments.simulator import answers, pages, scenarios, wishes
from payments.simulator.adyen.desk import Rules as AdyenRules
from payments.simulator.adyen.face import AdyenFace
from payments.simulator.adyen.face import Asked as AdyenAsked
from payments.simulator.adyen.face import Keys as AdyenKeys
from payments.simulator.answers import Answer
from payments.simulator.bank import Bank
from payments.simulator.callbacks import Deliverer, standard_headers
from payments.simulator.disputes import Disputes, Opening
from payments.simulator.errors import Refused
from payments.simulator.faults import OK, Faults, Subject
from payments.simulator.latency import Latency
from payments.simulator.laws import Call
from payments.simulator.network import Network
from payments.simulator.payers import Payer
from payments.simulator.paypal.desk import Rules as PayPalRules
from payments.simulator.paypal.face import Asked as AskedOfPayPal
from payments.simulator.paypal.face import Keys as PayPalKeys
from payments.simulator.paypal.face import PayPalFace
from payments.simulator.rails.face import RailsFace
from payments.simulator.rate_feed import RateFeed
from payments.simulator.requests import Request, call, read, text, whole
from payments.simulator.settling import Settlements
from payments.simulator.storage import Storage
from payments.simulator.stripe.desk import Rules
from payments.simulator.stripe.face import Asked, Keys, StripeFace
from payments.simulator.truth import Truth

WEBHOOK_FIRST_SECONDS = 5.0
STRIPE = "/stripe"
PAYPAL = "/paypal"
RAILS = "/rails"
ADYEN = "/adyen"


@dataclass(frozen=True, slots=True)
class Options:
    """How this network was started."""

    api_key: str
    public_key: str
    callback_url: str = ""
    webhook_secrets: tuple[str, ...] = ()
    late_seconds: float = 6.0
    pending_seconds: float = 1.0
    stripe: Keys = field(default_factory=Keys)
    stripe_rules: Rules = field(default_factory=Rules)
    paypal: PayPalKeys = field(default_factory=PayPalKeys)
    paypal_rules: PayPalRules = field(default_factory=PayPalRules)
    challenge_seconds: float = 600.0
    adyen: AdyenKeys = field(default_factory=AdyenKeys)
    adyen_rules: AdyenRules = field(default_factory=AdyenRules)


Handler = Callable[[Request], Answer]


class Application:
    """The WSGI callable."""

    def __init__(self, folder: Path, options: Options) -> None:
        self._options = options
        self._storage = Storage(folder)
        self._faults = Faults(self._storage)
        pending, tells = options.pending_seconds, bool(options.callback_url)
        self._disputes = Disputes(self._storage, pending_seconds=pending, sends_callbacks=tells)
        self._network = Network(
            self._storage,
            self._disputes,
            pending_seconds=pending,
            sends_callbacks=tells,
            challenge_seconds=options.challenge_seconds,
        )
        self._settlements = Settlements(self._storage)
        self._truth = Truth(self._storage)
        self._feed = RateFeed()
        self._deliverer = (
            Deliverer(self._storage, options.callback_url, standard_headers(options.webhook_secrets))
            if options.callback_url
            else None
        )
        self._stripe = StripeFace(folder, options.stripe, options.stripe_rules)
        self._paypal = PayPalFace(folder, options.paypal, options.paypal_rules)
        self._adyen = AdyenFace(folder, options.adyen, options.adyen_rules)
        self._rails = RailsFace(folder, options.late_seconds)
        payers: list[Payer] = [self._settlements, self._stripe.payer, self._paypal.payer, self._rails.desk]
        payers.append(self._adyen.payer)
        self._bank = Bank(self._storage, payers, self._rails.incoming)
        self._latency = Latency()
        self._is_down = False
        table: tuple[tuple[str, str, str, Handler], ...] = (
            ("GET", "/v1/health", "none", self._health),
            ("POST", "/v1/tokens", "public", self._tokens),
            ("OPTIONS", "/v1/tokens", "none", lambda _: Answer(204, {})),
            ("POST", "/v1/authorizations", "key", lambda r: self._operate("authorize", r)),
            ("POST", r"/v1/authorizations/(\w+)/increments", "key", lambda r: self._operate("increment", r)),
            ("GET", r"/challenges/(\w+)", "none", self._challenge),
            ("POST", r"/challenges/(\w+)", "none", self._act),
            ("POST", r"/v1/authorizations/(\w+)/captures", "key", lambda r: self._operate("capture", r)),
            ("POST", r"/v1/authorizations/(\w+)/void", "key", lambda r: self._operate("void", r)),
            ("POST", r"/v1/authorizations/(\w+)/refunds", "key", lambda r: self._operate("refund", r)),
            ("POST", "/v1/transfers", "key", lambda r: self._operate("transfer", r)),
            ("POST", r"/v1/disputes/(\w+)/challenge", "key", lambda r: self._operate("challenge", r)),
            ("POST", r"/v1/disputes/(\w+)/accept", "key", lambda r: self._operate("accept", r)),
            ("GET", "/v1/operations", "key", self._find),
            ("GET", "/v1/settlement-reports/([a-z0-9_]+)", "key", self._settlement_report),
            ("GET", "/bank/v1/accounts", "key", lambda _: Answer(200, {"data": self._bank.accounts()})),
            ("POST", "/bank/v1/close-day", "key", self._close_day),
            ("GET", "/bank/v1/statements", "key", self._statements),
            ("GET", "/bank/v1/statements/([a-z0-9_]+)", "key", self._statement),
            ("GET", "/fx/v1/rates", "key", self._rates),
            ("POST", "/sim/fx", "key", lambda r: Answer(200, self._feed.script(r.body()))),
            ("GET", "/sim/scenarios", "none", lambda _: Answer(200, {"data": scenarios.as_table()})),
            ("GET", "/sim/truth", "key", self._truth_page),
            ("GET", "/sim/truth/totals", "key", lambda _: Answer(200, self._truth.totals())),
            ("GET", "/sim/callbacks", "key", lambda _: Answer(200, self._truth.callbacks())),
            ("GET", "/sim/faults", "key", self._fault_list),
            ("POST", "/sim/faults", "key", self._fault_script),
            ("DELETE", "/sim/faults", "key", self._fault_clear),
            ("GET", "/sim/disputes", "key", lambda _: Answer(200, {"data": self._disputes.all()})),
            ("POST", "/sim/disputes", "key", self._open_dispute),
            ("POST", r"/sim/disputes/(\w+)", "key", self._move_dispute),
            ("POST", "/sim/refunds", "key", self._refund_by_operator),
            ("POST", "/sim/reset", "key", self._reset),
            ("POST", "/sim/latency", "key", lambda r: Answer(200, self._latency.script(r.body()))),
            ("POST", "/sim/down", "key", self._set_down),
        )  # fmt: skip
        self._routes = [
            (method, re.compile(f"{path}/?"), access, handler) for method, path, access, handler in table
        ]

    def start(self) -> None:
        """Start the threads that conclude what is pending and deliver callbacks."""
        threading.Thread(target=self._conclude_forever, name="pending", daemon=True).start()
        if self._deliverer:
            self._deliverer.start()
        self._stripe.start()
        self._paypal.start()
        self._adyen.start()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        try:
            answer = self._respond(read(environ))
        except Refused as refusal:
            answer = Answer(refusal.status, refusal.as_body())
        if answer.delay_seconds:
            time.sleep(answer.delay_seconds)
        body = answer.as_bytes()
        headers = [("content-type", answer.content_type), ("access-control-allow-origin", "*")]
        headers += [("access-control-allow-headers", "authorization, content-type"), *answer.headers]
        if answer.cut_after is not None or answer.pause_seconds:
            headers.append(("content-length", str(len(body))))
        start_response(f"{answer.status} ", headers)
        if answer.pause_seconds:
            return _trickling(body, answer.pause_seconds)
        return [body] if answer.cut_after is None else _broken(body[: answer.cut_after])

    def _respond(self, request: Request) -> Answer:
        if request.path.startswith(f"{STRIPE}/"):
            return self._stripe.respond(
                Asked(
                    request.method,
                    request.path.removeprefix(STRIPE),
                    request.query_string,
                    request.authorization,
                    request.idempotency_key,
                    request.raw,
                )
            )
        if request.path.startswith(f"{PAYPAL}/"):
            return self._paypal.respond(
                AskedOfPayPal(
                    request.method,
                    request.path.removeprefix(PAYPAL),
                    request.query_string,
                    request.authorization,
                    request.paypal_request_id,
                    request.content_type,
                    request.raw,
                )
            )
        if request.path.startswith(f"{RAILS}/"):
            self._admit(request, "key")
            return self._rails.respond(request, request.path.removeprefix(RAILS))
        if request.path.startswith(f"{ADYEN}/"):
            return self._adyen.respond(
                AdyenAsked(
                    request.method,
                    request.path.removeprefix(ADYEN),
                    request.query_string,
                    request.api_key,
                    request.idempotency_key,
                    request.raw,
                )
            )
        if request.path.startswith("/v1/"):
            if seconds := self._latency.seconds(request):
                time.sleep(seconds)
            if self._is_down:
                return answers.unavailable(1)
        for method, pattern, access, handler in self._routes:
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                self._admit(request, access)
                request.arguments = match.groups()
                return handler(request)
        raise Refused(404, "no_such_route", f"{request.method} {request.path} does not exist")

    def _admit(self, request: Request, access: str) -> None:
        allowed = {"none": [], "public": [self._options.public_key, self._options.api_key]}.get(
            access, [self._options.api_key]
        )
        given = request.credential.encode("utf-8", "surrogatepass")
        if allowed and not any(hmac.compare_digest(given, key.encode()) for key in allowed):
            raise Refused(401, "unauthorized", "A valid key is needed: Authorization: Bearer …")

    def _health(self, _request: Request) -> Answer:
        return Answer(200, {"status": "ok"})

    def _tokens(self, request: Request) -> Answer:
        body = request.body()
        if "iban" in body:
            return Answer(200, self._network.make_bank_token(text(body, "iban")))
        if "address" in body:
            made = self._network.make_coin_token(text(body, "network"), text(body, "address"))
            return Answer(200, made)
        return Answer(
            200,
            self._network.make_card_token(
                text(body, "number"),
                whole(body, "exp_month"),
                whole(body, "exp_year"),
                text(body, "cvc") if "cvc" in body else None,
            ),
        )

    def _operate(self, kind: str, request: Request) -> Answer:
        asked = call(kind, request)
        subject, is_replay = self._network.subject(asked)
        plan = self._faults.plan(subject, is_replay=is_replay)
        if plan.before:
            return answers.before(plan, self._options.late_seconds)
        answer = self._network.execute(asked, plan)
        if self._deliverer:
            self._deliverer.wake()
            if plan.webhook == "webhook_first":
                self._deliverer.await_delivery(asked.idempotency_key, WEBHOOK_FIRST_SECONDS)
        return answers.after(plan, answer, self._options.late_seconds)

    def _find(self, request: Request) -> Answer:
        key = request.query.get("idempotency_key", "")
        plan = self._faults.plan(Subject("find", key), is_replay=False)
        if plan.before:
            return answers.before(plan, self._options.late_seconds)
        return answers.after(plan, self._network.find(key), self._options.late_seconds)

    def _challenge(self, request: Request) -> Answer:
        page = self._network.challenge_page(request.arguments[0])
        return pages.shown(page)

    def _act(self, request: Request) -> Answer:
        target = self._network.act(request.arguments[0], request.query.get("result", ""))
        if self._deliverer:
            self._deliverer.wake()
        if not target:
            return pages.shown(wishes.done_page())
        return Answer(303, {"status": "done"}, headers=(("location", target),))

    def _settlement_report(self, request: Request) -> Answer:
        after, limit = request.integer("after", 0), request.integer("limit", 1000)
        return Answer(200, self._settlements.report(request.arguments[0], after, limit))

    def _close_day(self, request: Request) -> Answer:
        return Answer(200, {"data": self._bank.close_day(text(request.body(), "date"))})

    def _statements(self, request: Request) -> Answer:
        return Answer(200, {"data": self._bank.statements(request.query.get("date"))})

    def _statement(self, request: Request) -> Answer:
        return Answer(200, self._bank.statement_xml(request.arguments[0]), content_type="application/xml")

    def _truth_page(self, request: Request) -> Answer:
        return Answer(200, self._truth.page(request.integer("after", 0), request.integer("limit", 1000)))

    def _fault_list(self, _request: Request) -> Answer:
        return Answer(200, {"data": self._faults.scripts(), "hits": self._faults.hits()})

    def _fault_script(self, request: Request) -> Answer:
        body = request.body()
        match, faults, nth = body.get("match", {}), body.get("faults"), body.get("nth", 1)
        if not isinstance(match, dict) or not isinstance(faults, list) or not isinstance(nth, int):
            raise Refused(422, "bad_script", "A script is {match: {…}, faults: [text, …], nth: number}")
        script_id = self._faults.script(match, [str(fault) for fault in faults], nth)
        return Answer(200, {"id": script_id})

    def _open_dispute(self, request: Request) -> Answer:
        body = request.body()
        authorization = text(body, "authorization")
        return self._told(self._disputes.open_by_operator(authorization, Opening.of_body(body)))

    def _move_dispute(self, request: Request) -> Answer:
        return self._told(self._disputes.become(request.arguments[0], text(request.body(), "to")))

    def _refund_by_operator(self, request: Request) -> Answer:
        """Refund as in the network's own dashboard."""
        body = request.body()
        authorization, key = text(body, "authorization"), f"dashboard_{text(body, 'name')}"
        amount = whole(body, "amount")
        asked = Call("refund", key, f"{authorization}|{amount}", "", authorization, amount=amount)
        return self._told(self._network.execute(asked, OK))

    def _told(self, answer: dict[str, object]) -> Answer:
        if self._deliverer:
            self._deliverer.wake()
        return Answer(200, answer)

    def _rates(self, request: Request) -> Answer:
        answer = self._feed.rates(request.query.get("base", "EUR"))
        plan = self._faults.plan(Subject("fx_rates", ""), is_replay=False)
        if plan.before:
            return answers.before(plan, self._options.late_seconds)
        whole = answer.body if answer.status == 200 and isinstance(answer.body, dict) else None
        return answer if whole is None else answers.after(plan, whole, self._options.late_seconds)

    def _fault_clear(self, _request: Request) -> Answer:
        self._faults.clear()
        self._feed.clear()
        self._latency.clear()
        self._is_down = False
        return Answer(200, {"data": [], "hits": self._faults.hits()})

    def _reset(self, _request: Request) -> Answer:
        # All faces together: the bank's statements begin again, and with them the ids they settle under.
        self._storage.reset()
        self._stripe.reset()
        self._paypal.reset()
        self._rails.reset()
        self._adyen.reset()
        self._faults.clear()
        self._feed.clear()
        self._latency.clear()
        self._is_down = False
        return Answer(200, {"status": "empty"})

    def _set_down(self, request: Request) -> Answer:
        self._is_down = request.body().get("down") is True
        return Answer(200, {"down": self._is_down})

    def _conclude_forever(self) -> None:
        while True:
            due = self._network.conclude_due()
            is_decided = self._disputes.decide_due()
            if self._deliverer and (is_decided or (due is not None and due <= time.time())):
                self._deliverer.wake()
            self._stripe.conclude_due()
            self._paypal.conclude_due()
            self._adyen.conclude_due()
            time.sleep(0.05)


def _trickling(body: bytes, pause_seconds: float) -> Iterator[bytes]:
    for place in range(len(body)):
        time.sleep(pause_seconds)
        yield body[place : place + 1]


def _broken(part: bytes) -> Iterator[bytes]:
    if part:
        yield part
    raise ConnectionResetError("scripted: the connection breaks here")
