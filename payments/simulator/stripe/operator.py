"""The operator's face under /stripe/sim: fault scripts, what fired, downtime, and the truth for checkers."""

import json
import re
from urllib.parse import parse_qsl

from payments.simulator import objects
from payments.simulator.answers import Answer
from payments.simulator.controls import PAGE_MAX, Controls, whole
from payments.simulator.faults import Faults
from payments.simulator.storage import Storage
from payments.simulator.stripe import cards, debits, refunds, truth
from payments.simulator.stripe.desk import Desk, Rules
from payments.simulator.stripe.errors import StripeRefused

OBJECTS = ("payment_intent", "charge", "refund", "dispute", "balance_transaction", "payout")


class Operator(Controls):
    """Scripts and reads the face."""

    def __init__(self, storage: Storage, faults: Faults, rules: Rules) -> None:
        super().__init__(storage, faults)
        self._rules = rules

    def unavailable(self) -> StripeRefused:
        """Return what Stripe says when it is down."""
        return StripeRefused(503, "", "We are having trouble", kind="api_error", retry_after="1")

    def refused(self, status: int, text: str) -> StripeRefused:
        """Return what Stripe says of a request that it does not understand."""
        return StripeRefused(status, "", text)

    def respond(self, method: str, path: str, query: str, raw: bytes) -> Answer:
        """Answer an operator's request.

        :raises StripeRefused: no such route, or not understood.
        """
        known = self.set(method, path, raw)
        if known is not None:
            return known
        asked = dict(parse_qsl(query))
        match method, path:
            case "GET", "/sim/cards":
                return Answer(200, {"data": [*cards.as_table(), *debits.as_table()]})
            case "GET", "/sim/truth":
                return self._truth(asked)
            case "GET", "/sim/operations":
                with self._storage.reading() as connection:
                    return Answer(200, truth.page(connection, whole(asked, "after", 0), PAGE_MAX))
        failed = re.fullmatch(r"/sim/refunds/(re_\w+)/after-all", path)
        if method == "POST" and failed:
            return self._do_after_all(failed[1])
        raise StripeRefused(404, "", f"{method} {path} does not exist")

    def _do_after_all(self, refund_id: str) -> Answer:
        with self._storage.writing() as connection:
            desk = Desk(connection, self._rules, f"after-all:{refund_id}", "req_operator")
            refund = desk.get("refund", refund_id)
            refunds.do_after_all(desk, refund)
        return Answer(200, refund.body)

    def _truth(self, asked: dict[str, str]) -> Answer:
        if "operation" in asked:
            return self._truth_of_operation(asked["operation"])
        kinds = asked["kind"].split(",") if "kind" in asked else OBJECTS
        with self._storage.reading() as connection:
            found = objects.since(connection, kinds, whole(asked, "after", 0), PAGE_MAX + 1)
        page = found[:PAGE_MAX]
        return Answer(
            200,
            {
                "data": [record.body for record in page],
                "has_more": len(found) > PAGE_MAX,
                "after": page[-1].seq if page else whole(asked, "after", 0),
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
