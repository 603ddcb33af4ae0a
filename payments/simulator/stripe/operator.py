"""The operator's face under /stripe/sim: fault scripts, what fired, downtime, and the truth for checkers."""

import json
import re
import time
from urllib.parse import parse_qsl

from payments.simulator.answers import Answer
from payments.simulator.faults import Faults
from payments.simulator.storage import Storage
from payments.simulator.stripe import books, cards, truth
from payments.simulator.stripe.errors import StripeRefused

PAGE_MAX = 1000
OBJECTS = ("payment_intent", "charge", "refund", "dispute", "balance_transaction", "payout")


class Operator:
    """Scripts and reads the face."""

    def __init__(self, storage: Storage, faults: Faults) -> None:
        self._storage = storage
        self._faults = faults
        self._latency_seconds = 0.0
        self._is_down = False

    def hold_up(self) -> None:
        """Let a request wait, or refuse it, as the operator has said.

        :raises StripeRefused: down; nothing was done.
        """
        if self._latency_seconds:
            time.sleep(self._latency_seconds)
        if self._is_down:
            raise StripeRefused(503, "", "We are having trouble", kind="api_error", retry_after="1")

    def reset(self) -> None:
        """Forget everything."""
        self._storage.reset()
        self._clear()

    def respond(self, method: str, path: str, query: str, raw: bytes) -> Answer:
        """Answer an operator's request.

        :raises StripeRefused: no such route, or not understood.
        """
        asked = dict(parse_qsl(query))
        match method, path:
            case "GET", "/sim/cards":
                return Answer(200, {"data": cards.as_table()})
            case "GET", "/sim/faults":
                return Answer(200, {"data": self._faults.scripts(), "hits": self._faults.hits()})
            case "POST", "/sim/faults":
                return self._script(_body(raw))
            case "DELETE", "/sim/faults":
                self._clear()
                return Answer(200, {"data": [], "hits": self._faults.hits()})
            case "POST", "/sim/latency":
                self._latency_seconds = int(str(_body(raw).get("ms", 0))) / 1000
                return Answer(200, {"ms": round(self._latency_seconds * 1000)})
            case "POST", "/sim/down":
                self._is_down = _body(raw).get("down") is True
                return Answer(200, {"down": self._is_down})
            case "POST", "/sim/reset":
                self.reset()
                return Answer(200, {"status": "empty"})
            case "GET", "/sim/truth":
                return self._truth(asked)
            case "GET", "/sim/operations":
                with self._storage.reading() as connection:
                    return Answer(200, truth.page(connection, _after(asked), PAGE_MAX))
        raise StripeRefused(404, "", f"{method} {path} does not exist")

    def _script(self, body: dict[str, object]) -> Answer:
        match, faults, nth = body.get("match", {}), body.get("faults"), body.get("nth", 1)
        if not isinstance(match, dict) or not isinstance(faults, list) or not isinstance(nth, int):
            raise StripeRefused(422, "", "A script is {match: {…}, faults: [text, …], nth: number}")
        return Answer(200, {"id": self._faults.script(match, [str(fault) for fault in faults], nth)})

    def _clear(self) -> None:
        self._faults.clear()
        self._latency_seconds, self._is_down = 0.0, False

    def _truth(self, asked: dict[str, str]) -> Answer:
        if "operation" in asked:
            return self._truth_of_operation(asked["operation"])
        kinds = asked["kind"].split(",") if "kind" in asked else OBJECTS
        with self._storage.reading() as connection:
            found = books.since(connection, kinds, _after(asked), PAGE_MAX + 1)
        page = found[:PAGE_MAX]
        return Answer(
            200,
            {
                "data": [record.body for record in page],
                "has_more": len(found) > PAGE_MAX,
                "after": page[-1].seq if page else _after(asked),
            },
        )

    def _truth_of_operation(self, key: str) -> Answer:
        """What stands under one of the merchant's keys, by the metadata of its objects."""
        with self._storage.reading() as connection:
            rows = connection.execute(
                "SELECT seq, body FROM label JOIN object USING (id) WHERE name = 'operation' AND value = ?"
                " AND kind IN ('payment_intent', 'refund') ORDER BY seq LIMIT ?",
                (key, PAGE_MAX),
            ).fetchall()
        return Answer(200, {"data": [json.loads(row["body"]) for row in rows], "has_more": False})


def _after(asked: dict[str, str]) -> int:
    return int(asked["after"]) if re.fullmatch("[0-9]{1,15}", asked.get("after", "")) else 0


def _body(raw: bytes) -> dict[str, object]:
    try:
        value = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise StripeRefused(400, "", "The body is a JSON object")
    return value
