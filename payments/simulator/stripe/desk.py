"""One request's work: a transaction, the plan of faults, and the events that leave with its effect."""

import sqlite3
import time
from dataclasses import dataclass, field
from typing import Any

from payments.simulator import objects
from payments.simulator.callbacks import keep
from payments.simulator.faults import OK, Plan
from payments.simulator.objects import Body, Record
from payments.simulator.stripe import books
from payments.simulator.stripe.books import digest

API_VERSION = "2026-10-28.endive"


@dataclass(frozen=True, slots=True)
class Rules:
    """How this face was started."""

    pending_seconds: float = 1.0
    challenge_seconds: float = 600.0
    search_lag_seconds: float = 1.0
    url: str = "http://127.0.0.1:8090/stripe"
    sends_events: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What a request came to: an HTTP status and a body."""

    status: int
    body: Body


@dataclass(slots=True)
class Desk:
    """Where the laws work. `key` makes ids repeatable; `plan` is what the request meets."""

    connection: sqlite3.Connection
    rules: Rules
    key: str
    request_id: str
    plan: Plan = OK
    now: float = field(default_factory=time.time)
    _made: int = 0
    _told: int = 0

    def new_id(self, prefix: str) -> str:
        """The next id of this request."""
        self._made += 1
        return digest(prefix, self.key, str(self._made))

    def make(self, prefix: str, kind: str, parent: str, body: Body, **private: Any) -> Record:
        """Write a new object."""
        made = Record(self.new_id(prefix), kind, parent, self.now, {}, private)
        created = {"created": int(self.now), "livemode": False}
        made.body = {"id": made.id, "object": kind, **created, **body}
        self.save(made)
        return made

    def save(self, record: Record) -> None:
        """Write an object as it stands now."""
        objects.put(self.connection, record)

    def get(self, kind: str, object_id: str, param: str = "id") -> Record:
        """An object by its id.

        :raises StripeRefused: there is none.
        """
        return books.get(self.connection, kind, object_id, param)

    def tell(self, event_type: str, subject: Body) -> None:
        """Make an event and keep its callback, in the transaction of the effect."""
        self._told += 1
        event_id = digest("evt", self.key, event_type, subject["id"], str(self._told))
        event = {
            "id": event_id,
            "object": "event",
            "api_version": API_VERSION,
            "created": int(self.now),
            "data": {"object": subject},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": self.request_id, "idempotency_key": self.key},
            "type": event_type,
        }
        objects.put(self.connection, Record(event_id, "event", subject["id"], self.now, event))
        if self.rules.sends_events:
            keep(self.connection, event_id, event, self.plan.webhook)
