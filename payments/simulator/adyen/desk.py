"""One request's work: a transaction, the plan of faults, and the webhooks that leave with its effect."""

import hashlib
import sqlite3
import time
from dataclasses import dataclass, field
from typing import Any

from payments.simulator import objects
from payments.simulator.adyen import amounts, events
from payments.simulator.adyen.errors import invalid
from payments.simulator.callbacks import keep
from payments.simulator.faults import OK, Plan
from payments.simulator.network import iso
from payments.simulator.objects import Body, Record

FILE = "adyen.sqlite3"
SCHEMA = objects.SCHEMA + objects.ANSWERED
TABLES = (*objects.TABLES, "answered")
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ23456789"


@dataclass(frozen=True, slots=True)
class Rules:
    """How this face was started."""

    pending_seconds: float = 1.0
    challenge_seconds: float = 600.0
    url: str = "http://127.0.0.1:8090/adyen"
    account: str = "EverycentSandbox"
    hmac_key: str = ""
    sends_webhooks: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What a request came to: an HTTP status and a body."""

    status: int
    body: Body


@dataclass(slots=True)
class Desk:
    """Where the laws work. `key` makes references repeatable; `plan` is what the request meets."""

    connection: sqlite3.Connection
    rules: Rules
    key: str
    plan: Plan = OK
    now: float = field(default_factory=time.time)
    _made: int = 0
    _told: int = 0

    def new_reference(self) -> str:
        """The next PSP reference of this request: 16 characters."""
        self._made += 1
        number = int(hashlib.sha256(f"{self.key}|{self._made}".encode()).hexdigest(), 16)
        return "".join(ALPHABET[number // len(ALPHABET) ** place % len(ALPHABET)] for place in range(16))

    def make(self, kind: str, parent: str, body: Body, /, **private: Any) -> Record:
        """Write a new object under a new PSP reference."""
        reference = self.new_reference()
        made = Record(reference, kind, parent, self.now, {"pspReference": reference, **body}, private)
        self.save(made)
        return made

    def save(self, record: Record) -> None:
        """Write an object as it stands now."""
        objects.put(self.connection, record)

    def get(self, kind: str, reference: str) -> Record:
        """An object by its PSP reference.

        :raises AdyenRefused: there is none.
        """
        found = self.find(kind, reference)
        if found is None:
            raise invalid("167", "Original pspReference required for this operation")
        return found

    def find(self, kind: str, reference: str) -> Record | None:
        """An object by its PSP reference, when there is one."""
        return objects.find(self.connection, kind, reference)

    def labelled(self, kind: str, reference: str) -> list[Record]:
        """The objects under a reference of the merchant's, newest first."""
        return objects.labelled(self.connection, kind, "operation", reference, self.now)

    def tell(
        self,
        event: str,
        payment: Record,
        subject: Record,
        value: int,
        *,
        success: bool = True,
        reason: str = "",
        more: Body | None = None,
    ) -> None:
        """Make a webhook about a payment (or its modification or dispute) and keep its delivery."""
        self._told += 1
        item: Body = {
            "additionalData": dict(more or {}),
            "amount": amounts.of(value, payment.private["currency"]),
            "eventCode": event,
            "eventDate": iso(self.now),
            "merchantAccountCode": self.rules.account,
            "merchantReference": subject.private["reference"],
            "paymentMethod": payment.private["brand"],
            "pspReference": subject.id,
            "reason": reason,
            "success": "true" if success else "false",
        }
        if subject.id != payment.id:
            item["originalReference"] = payment.id
        body = events.signed(item, self.rules.hmac_key)
        identity = f"{subject.id}:{event}:{item['success']}:{self._told}"
        kept = Record(identity, "event", subject.id, self.now, body, {})
        self.save(kept)
        if self.rules.sends_webhooks:
            keep(self.connection, identity, body, self.plan.webhook)

    def journal(
        self,
        kind: str,
        payment: Record,
        subject: Record,
        value: int,
        fee: int = 0,
        sign: int = 1,
        movement: str = "",
    ) -> None:
        """Write a line of the books that settle: gross value, the fee kept of it, and which way it goes."""
        line = {
            "type": kind, "payment": payment.id, "reference": payment.private["reference"],
            "modification": subject.id, "modification_reference": subject.private["reference"],
            "brand": payment.private["brand"], "value": value, "fee": fee, "sign": sign, "at": self.now,
            "movement": f"{subject.id}:{movement}",
        }  # fmt: skip
        objects.put(
            self.connection,
            Record(
                f"{subject.id}:{kind}", "journal", f"open:{payment.private['currency']}", self.now, line, {}
            ),
        )
