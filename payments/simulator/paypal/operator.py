"""The operator's face under /paypal/sim: fault scripts, disputes, dashboard refunds, downtime, the truth."""

import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from payments.simulator.answers import Answer
from payments.simulator.faults import Faults
from payments.simulator.paypal import amounts, buyers, disputes, orders, refunds, truth
from payments.simulator.paypal.desk import Desk
from payments.simulator.paypal.errors import PayPalRefused
from payments.simulator.storage import Storage

PAGE_MAX = 1000


class Operator:
    """Scripts and reads the face."""

    def __init__(
        self, storage: Storage, faults: Faults, at_desk: Callable[[str, Callable[[Desk], Any]], Any]
    ) -> None:
        self._storage = storage
        self._faults = faults
        self._at_desk = at_desk
        self._latency_seconds = 0.0
        self._is_down = False

    def hold_up(self) -> None:
        """Let a request wait, or refuse it, as the operator has said.

        :raises PayPalRefused: down; nothing was done.
        """
        if self._latency_seconds:
            time.sleep(self._latency_seconds)
        if self._is_down:
            raise PayPalRefused(503, "SERVICE_UNAVAILABLE", retry_after="1")

    def respond(self, method: str, path: str, query: str, raw: bytes) -> Answer:
        """Answer an operator's request.

        :raises Refused: no such route, or not understood.
        """
        match method, path:
            case "GET", "/sim/buyers":
                return Answer(200, {"data": buyers.as_table()})
            case "GET", "/sim/faults":
                return Answer(200, {"data": self._faults.scripts(), "hits": self._faults.hits()})
            case "POST", "/sim/faults":
                return self._script(_body(raw))
            case "DELETE", "/sim/faults":
                self.clear()
                return Answer(200, {"data": [], "hits": self._faults.hits()})
            case "POST", "/sim/latency":
                self._latency_seconds = int(str(_body(raw).get("ms", 0))) / 1000
                return Answer(200, {"ms": round(self._latency_seconds * 1000)})
            case "POST", "/sim/down":
                self._is_down = _body(raw).get("down") is True
                return Answer(200, {"down": self._is_down})
            case "POST", "/sim/reset":
                self._storage.reset()
                self.clear()
                return Answer(200, {"status": "empty"})
            case "POST", "/sim/refunds":
                return Answer(200, self._refund(_body(raw)))
            case "POST", "/sim/disputes":
                return Answer(200, self._open_dispute(_body(raw)))
            case "GET", "/sim/truth":
                return self._truth(dict(parse_qsl(query)))
            case "GET", "/sim/operations":
                return self._operations(dict(parse_qsl(query)))
        moved = re.fullmatch(r"/sim/disputes/([A-Za-z0-9-]+)", path)
        if method == "POST" and moved:
            to = str(_body(raw).get("to", ""))
            return Answer(
                200, self._at_desk(f"{path}:{to}", lambda desk: disputes.become(desk, moved[1], to))
            )
        raise PayPalRefused(404, "NOT_FOUND", f"{method} {path} does not exist")

    def clear(self) -> None:
        """Drop scripts, latency and downtime."""
        self._faults.clear()
        self._latency_seconds, self._is_down = 0.0, False

    def _script(self, body: dict[str, Any]) -> Answer:
        match, faults, nth = body.get("match", {}), body.get("faults"), body.get("nth", 1)
        if not isinstance(match, dict) or not isinstance(faults, list) or not isinstance(nth, int):
            raise PayPalRefused(422, "BAD_SCRIPT", "A script is {match: {…}, faults: [text, …], nth: number}")
        return Answer(200, {"id": self._faults.script(match, [str(fault) for fault in faults], nth)})

    def _refund(self, body: dict[str, Any]) -> dict[str, object]:
        """Refund as in PayPal's dashboard: {capture, amount: {currency_code, value}, name}."""
        capture, params = str(body.get("capture", "")), {"amount": body.get("amount")}
        made: dict[str, object] = self._at_desk(
            f"dashboard:{body.get('name', capture)}", lambda desk: refunds.create(desk, capture, params).body
        )
        return made

    def _open_dispute(self, body: dict[str, Any]) -> dict[str, object]:
        """Open one: {capture, stage?, reason?, amount?: {currency_code, value}, name?}."""

        def work(desk: Desk) -> dict[str, object]:
            capture = desk.get("capture", str(body.get("capture", "")))
            minor = amounts.read(body["amount"])[0] if "amount" in body else None
            stage, reason = str(body.get("stage", "CHARGEBACK")), str(body.get("reason", "UNAUTHORISED"))
            return disputes.open_case(desk, capture, stage=stage, reason=reason, minor=minor).body

        made: dict[str, object] = self._at_desk(f"dispute:{body.get('name', body.get('capture'))}", work)
        return made

    def _operations(self, asked: dict[str, str]) -> Answer:
        after, size = _whole(asked, "after", 0), _whole(asked, "limit", PAGE_MAX)
        with self._storage.reading() as connection:
            return Answer(200, truth.page(connection, after, max(1, min(size, PAGE_MAX))))

    def _truth(self, asked: dict[str, str]) -> Answer:
        """The objects of a kind, or the orders whose unit has a `key`, oldest first."""
        after = _whole(asked, "after", 0)
        kind = asked.get("kind", "order")
        with self._storage.reading() as connection:
            rows = connection.execute(
                "SELECT seq, id FROM object WHERE seq > ? AND kind = ? AND body LIKE ? ORDER BY seq LIMIT ?",
                (after, kind, f"%{asked.get('key', '')}%", PAGE_MAX + 1),
            ).fetchall()
        page = rows[:PAGE_MAX]

        def work(desk: Desk) -> list[dict[str, object]]:
            found = [desk.get(kind, row["id"]) for row in page]
            return [orders.shown(desk, one) if kind == "order" else one.body for one in found]

        data = self._at_desk("truth", work)
        after = page[-1]["seq"] if page else after
        return Answer(200, {"data": data, "has_more": len(rows) > PAGE_MAX, "after": after})


def _whole(asked: dict[str, str], name: str, default: int) -> int:
    return int(asked[name]) if re.fullmatch("[0-9]{1,15}", asked.get(name, "")) else default


def _body(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise PayPalRefused(400, "MALFORMED_REQUEST_JSON", "The body is a JSON object")
    return value
