"""The operator's face under /paypal/sim: fault scripts, disputes, dashboard refunds, downtime, the truth."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from payments.simulator.answers import Answer
from payments.simulator.controls import PAGE_MAX, Controls, whole
from payments.simulator.faults import Faults, Plan
from payments.simulator.paypal import amounts, buyers, disputes, orders, refunds, truth
from payments.simulator.paypal.desk import Desk
from payments.simulator.paypal.errors import PayPalRefused
from payments.simulator.storage import Storage


class Operator(Controls):
    """Scripts and reads the face."""

    def __init__(
        self, storage: Storage, faults: Faults, at_desk: Callable[[str, Callable[[Desk], Any]], Any]
    ) -> None:
        super().__init__(storage, faults)
        self._at_desk = at_desk

    def unavailable(self) -> PayPalRefused:
        """Return what PayPal says when it is down."""
        return PayPalRefused(503, "SERVICE_UNAVAILABLE", retry_after="1")

    def refused(self, status: int, text: str) -> PayPalRefused:
        """Return what PayPal says of a request that it does not understand."""
        return PayPalRefused(status, "MALFORMED_REQUEST_JSON" if status == 400 else "BAD_SCRIPT", text)

    def respond(self, method: str, path: str, query: str, raw: bytes) -> Answer:
        """Answer an operator's request.

        :raises Refused: no such route, or not understood.
        """
        known = self.set(method, path, raw)
        if known is not None:
            return known
        match method, path:
            case "GET", "/sim/buyers":
                return Answer(200, {"data": buyers.as_table()})
            case "POST", "/sim/refunds":
                return Answer(200, self._refund(self.body(raw)))
            case "POST", "/sim/disputes":
                return Answer(200, self._open_dispute(self.body(raw)))
            case "GET", "/sim/truth":
                return self._truth(dict(parse_qsl(query)))
            case "GET", "/sim/operations":
                return self._operations(dict(parse_qsl(query)))
        failed = re.fullmatch(r"/sim/refunds/([A-Z0-9]+)/after-all", path)
        if method == "POST" and failed:
            return Answer(200, self._at_desk(path, lambda desk: _do_after_all(desk, failed[1])))
        moved = re.fullmatch(r"/sim/disputes/([A-Za-z0-9-]+)", path)
        if method == "POST" and moved:
            to = str(self.body(raw).get("to", ""))
            return Answer(
                200, self._at_desk(f"{path}:{to}", lambda desk: disputes.become(desk, moved[1], to))
            )
        raise PayPalRefused(404, "NOT_FOUND", f"{method} {path} does not exist")

    def _refund(self, body: dict[str, Any]) -> dict[str, object]:
        """Refund as in PayPal's dashboard: {capture, amount: {currency_code, value}, name, result?}."""
        capture, params = str(body.get("capture", "")), {"amount": body.get("amount")}

        def work(desk: Desk) -> dict[str, object]:
            desk.plan = Plan(result=str(body.get("result", "ok")))
            return refunds.create(desk, capture, params).body

        made: dict[str, object] = self._at_desk(f"dashboard:{body.get('name', capture)}", work)
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
        after, size = whole(asked, "after", 0), whole(asked, "limit", PAGE_MAX)
        with self._storage.reading() as connection:
            return Answer(200, truth.page(connection, after, max(1, min(size, PAGE_MAX))))

    def _truth(self, asked: dict[str, str]) -> Answer:
        """The objects of a kind, or the orders whose unit has a `key`, oldest first."""
        after = whole(asked, "after", 0)
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


def _do_after_all(desk: Desk, refund_id: str) -> dict[str, Any]:
    refund = desk.get("refund", refund_id)
    refunds.do_after_all(desk, refund)
    return refund.body
