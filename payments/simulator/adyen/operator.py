"""The operator's face under /adyen/sim: fault scripts, what fired, downtime, disputes, and the truth."""

import json
import re
import time
from urllib.parse import parse_qsl

from payments.simulator.adyen import cards, disputes, modifications, truth
from payments.simulator.adyen.desk import Desk, Rules
from payments.simulator.adyen.errors import AdyenRefused, invalid
from payments.simulator.answers import Answer
from payments.simulator.faults import Faults
from payments.simulator.storage import Storage
from payments.simulator.stripe.books import Body

PAGE_MAX = 1000


class Operator:
    """Scripts and reads the face."""

    def __init__(self, storage: Storage, faults: Faults, rules: Rules) -> None:
        self._storage = storage
        self._faults = faults
        self._rules = rules
        self._latency_seconds = 0.0
        self._is_down = False

    def hold_up(self) -> None:
        """Let a request wait, or refuse it, as the operator has said.

        :raises AdyenRefused: down; nothing was done.
        """
        if self._latency_seconds:
            time.sleep(self._latency_seconds)
        if self._is_down:
            raise AdyenRefused(503, "", "Unavailable", kind="internal", retry_after="1")

    def reset(self) -> None:
        """Forget everything."""
        self._storage.reset()
        self._clear()

    def respond(self, method: str, path: str, query: str, raw: bytes) -> Answer:
        """Answer an operator's request.

        :raises AdyenRefused: no such route, or not understood.
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
            case "POST", "/sim/disputes":
                return self._dispute(_body(raw))
            case "POST", "/sim/refunds":
                return self._refund(_body(raw))
            case "GET", "/sim/operations":
                return self._operations(asked)
            case "GET", "/sim/truth":
                return self._truth(asked)
        raise AdyenRefused(404, "905", f"{method} {path} does not exist")

    def _script(self, body: Body) -> Answer:
        match, faults, nth = body.get("match", {}), body.get("faults"), body.get("nth", 1)
        if not isinstance(match, dict) or not isinstance(faults, list) or not isinstance(nth, int):
            raise invalid("702", "A script is {match: {…}, faults: [text, …], nth: number}")
        return Answer(200, {"id": self._faults.script(match, [str(fault) for fault in faults], nth)})

    def _clear(self) -> None:
        self._faults.clear()
        self._latency_seconds, self._is_down = 0.0, False

    def _dispute(self, body: Body) -> Answer:
        """Open a dispute of `payment`, or let `dispute` take the step `event`."""
        with self._storage.writing() as connection:
            desk = Desk(connection, self._rules, f"sim:{time.time_ns()}")
            event = str(body.get("event", ""))
            if "dispute" in body:
                dispute = desk.get("dispute", str(body["dispute"]))
                disputes.move(desk, desk.get("payment", dispute.parent), dispute, event)
            else:
                payment = desk.get("payment", str(body.get("payment", "")))
                value = int(str(body.get("value", payment.private["captured"])))
                reason = str(body.get("reason", "10.4"))
                dispute = disputes.open_one(desk, payment, reason, value, (event or "CHARGEBACK",))
        return Answer(200, {"pspReference": dispute.id, **dispute.private})

    def _refund(self, body: Body) -> Answer:
        """Refund as in Adyen's Customer Area: under the payment's own reference."""
        with self._storage.writing() as connection:
            desk = Desk(connection, self._rules, f"sim:{time.time_ns()}")
            payment = desk.get("payment", str(body.get("payment", "")))
            asked = {
                "merchantAccount": self._rules.account,
                "amount": {"currency": payment.private["currency"], "value": body.get("value")},
            }
            done = modifications.refund(desk, payment.id, asked)
        return Answer(200, done.body)

    def _operations(self, asked: dict[str, str]) -> Answer:
        after, limit = (
            int(text) if re.fullmatch("[0-9]{1,15}", text := asked.get(name, "")) else default
            for name, default in (("after", 0), ("limit", PAGE_MAX))
        )
        with self._storage.reading() as connection:
            return Answer(200, truth.page(connection, after, max(1, min(limit, PAGE_MAX))))

    def _truth(self, asked: dict[str, str]) -> Answer:
        """The face's objects: those under a reference of the merchant's, or a page of some kinds."""
        with self._storage.reading() as connection:
            if "operation" in asked:
                rows = connection.execute(
                    "SELECT seq, id, kind, parent, body, private FROM label JOIN object USING (id)"
                    " WHERE name = 'operation' AND value = ? ORDER BY seq LIMIT ?",
                    (asked["operation"], PAGE_MAX),
                ).fetchall()
            elif "subject" in asked:
                rows = connection.execute(
                    "SELECT seq, id, kind, parent, body, private FROM object WHERE parent = ? ORDER BY seq",
                    (asked["subject"],),
                ).fetchall()
            else:
                after = int(asked["after"]) if re.fullmatch("[0-9]{1,15}", asked.get("after", "")) else 0
                rows = connection.execute(
                    "SELECT seq, id, kind, parent, body, private FROM object WHERE seq > ? AND kind = ?"
                    " ORDER BY seq LIMIT ?",
                    (after, asked.get("kind", "payment"), PAGE_MAX),
                ).fetchall()
        data = [
            {
                "id": row["id"], "kind": row["kind"], "parent": row["parent"],
                "body": json.loads(row["body"]), **json.loads(row["private"]),
            }
            for row in rows
        ]  # fmt: skip
        has_more = len(rows) == PAGE_MAX
        return Answer(200, {"data": data, "has_more": has_more, "after": rows[-1]["seq"] if rows else 0})


def _body(raw: bytes) -> Body:
    try:
        value = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise invalid("702", "The body is a JSON object")
    return value
