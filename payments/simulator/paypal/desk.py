"""One request's work: a transaction, the plan of faults, and the events that leave with its effect."""

import sqlite3
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from payments.simulator import objects
from payments.simulator.callbacks import keep
from payments.simulator.faults import OK, Plan
from payments.simulator.objects import Body, Record
from payments.simulator.paypal import books
from payments.simulator.paypal.books import digest

RESOURCE_TYPES = {
    "CHECKOUT": "checkout-order",
    "PAYMENT.AUTHORIZATION": "authorization",
    "PAYMENT.CAPTURE": "capture",
    "PAYMENT.REFUND": "refund",
    "CUSTOMER": "dispute",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """How this face was started."""

    pending_seconds: float = 1.0
    order_seconds: float = 10_800.0
    url: str = "http://127.0.0.1:8090/paypal"
    sends_events: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What a request came to: an HTTP status, a body, and the object that its key made, if any."""

    status: int
    body: Body
    made: Record | None = None


@dataclass(slots=True)
class Desk:
    """Where the laws work. `key` makes ids repeatable; `plan` is what the request meets."""

    connection: sqlite3.Connection
    rules: Rules
    key: str
    plan: Plan = OK
    now: float = field(default_factory=time.time)
    _made: int = 0
    _told: int = 0

    def new_id(self, kind: str) -> str:
        """The next id of this request."""
        self._made += 1
        return digest(kind, self.key, str(self._made))

    def make(self, kind: str, parent: str, body: Body, *, object_id: str = "", **private: Any) -> Record:
        """Write a new object."""
        made = Record(object_id or self.new_id(kind), kind, parent, self.now, {}, private)
        times = {"create_time": iso(self.now), "update_time": iso(self.now)}
        made.body = {"id": made.id, **body, **times}
        objects.put(self.connection, made)
        return made

    def save(self, record: Record) -> None:
        """Write an object as it stands now."""
        record.body["update_time"] = iso(self.now)
        objects.put(self.connection, record)

    def get(self, kind: str, object_id: str) -> Record:
        """An object by its id.

        :raises PayPalRefused: there is none.
        """
        return books.get(self.connection, kind, object_id)

    def link(self, path: str, rel: str, method: str = "GET") -> dict[str, str]:
        """A HATEOAS link."""
        return {"href": f"{self.rules.url}{path}", "rel": rel, "method": method}

    def tell(self, event_type: str, resource: Body) -> None:
        """Make an event and keep its callback, in the transaction of the effect."""
        if not self.rules.sends_events:
            return
        self._told += 1
        identity = str(resource.get("id") or resource.get("dispute_id"))
        event_id = f"WH-{digest('event', self.key, event_type, identity, str(self._told), length=26)}"
        kind = next(kind for prefix, kind in RESOURCE_TYPES.items() if event_type.startswith(prefix))
        event: Body = {
            "id": event_id,
            "event_version": "1.0",
            "create_time": iso(self.now),
            "resource_type": kind,
            "resource_version": "2.0",
            "event_type": event_type,
            "summary": event_type,
            "resource": resource,
            "links": [],
        }
        keep(self.connection, event_id, event, self.plan.webhook)


def iso(seconds: float) -> str:
    """A moment as PayPal writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
