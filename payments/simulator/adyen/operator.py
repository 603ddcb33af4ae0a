"""The operator's face under /adyen/sim: fault scripts, what fired, downtime, disputes, and the truth."""

import json
import time
from urllib.parse import parse_qsl

from payments.simulator.adyen import cards, disputes, modifications, storing, truth
from payments.simulator.adyen.desk import Desk, Rules
from payments.simulator.adyen.errors import AdyenRefused
from payments.simulator.answers import Answer
from payments.simulator.controls import PAGE_MAX, Controls, whole
from payments.simulator.faults import Faults
from payments.simulator.objects import Body
from payments.simulator.storage import Storage


class Operator(Controls):
    """Scripts and reads the face."""

    def __init__(self, storage: Storage, faults: Faults, rules: Rules) -> None:
        super().__init__(storage, faults)
        self._rules = rules

    def unavailable(self) -> AdyenRefused:
        """Return what Adyen says when it is down."""
        return AdyenRefused(503, "", "Unavailable", kind="internal", retry_after="1")

    def refused(self, status: int, text: str) -> AdyenRefused:
        """Return what Adyen says of a request that it does not understand."""
        return AdyenRefused(status, "702", text)

    def respond(self, method: str, path: str, query: str, raw: bytes) -> Answer:
        """Answer an operator's request.

        :raises AdyenRefused: no such route, or not understood.
        """
        known = self.set(method, path, raw)
        if known is not None:
            return known
        asked = dict(parse_qsl(query))
        match method, path:
            case "GET", "/sim/cards":
                return Answer(200, {"data": cards.as_table()})
            case "POST", "/sim/disputes":
                return self._dispute(self.body(raw))
            case "POST", "/sim/wallets":
                return self._wallet(self.body(raw))
            case "POST", "/sim/refunds":
                return self._refund(self.body(raw))
            case "GET", "/sim/operations":
                return self._operations(asked)
            case "GET", "/sim/truth":
                return self._truth(asked)
        raise AdyenRefused(404, "905", f"{method} {path} does not exist")

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

    def _wallet(self, body: Body) -> Answer:
        """Store a card as the merchant's own checkout at Adyen does that came out of a wallet."""
        with self._storage.writing() as connection:
            desk = Desk(connection, self._rules, f"sim:{time.time_ns()}")
            made = storing.create_from_wallet(desk, body)
        return Answer(200, {"id": made.id, "shopperReference": made.private["shopper"]})

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
        after, limit = whole(asked, "after", 0), whole(asked, "limit", PAGE_MAX)
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
                after = whole(asked, "after", 0)
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
