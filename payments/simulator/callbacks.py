"""News from the network to the merchant: signed (Standard Webhooks), retried, and kept until delivered.

The callback is written in the transaction of its effect; a background thread delivers in order. Its id is the
same over all tries and duplicates. Faults: `dup_webhook:n`, `reorder`, `no_webhook`.
"""

import base64
import hashlib
import hmac
import http.client
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from payments.simulator.storage import Storage

RETRY_SECONDS = (1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
HELD_BACK_SECONDS = 0.5
ANSWER_TIMEOUT_SECONDS = 5.0
BATCH = 50

Headers = Callable[[str, int, bytes], dict[str, str]]
"""From event id, timestamp and body to the headers that sign them."""


def enqueue(connection: sqlite3.Connection, answer: dict[str, object], plan: str) -> None:
    """Keep the callback about a concluded operation, in the transaction of its effect."""
    event_type = f"{answer['object']}.{answer['status']}"
    digest = hashlib.sha256(f"{answer['id']}|{event_type}".encode()).hexdigest()
    event_id = f"evt_{digest[:24]}"
    body = {
        "id": event_id,
        "type": event_type,
        "created": answer["created"],
        "data": {"operation": answer, "idempotency_key": answer["idempotency_key"]},
    }
    keep(connection, event_id, body, plan)


def enqueue_event(
    connection: sqlite3.Connection, event_type: str, identity: str, data: dict[str, object]
) -> None:
    """Keep a callback that no request of the merchant's brought about; its id derives from `identity`."""
    event_id = f"evt_{hashlib.sha256(identity.encode()).hexdigest()[:24]}"
    keep(
        connection,
        event_id,
        {"id": event_id, "type": event_type, "created": int(time.time()), "data": data},
        "",
    )


def keep(connection: sqlite3.Connection, event_id: str, body: dict[str, object], plan: str) -> None:
    """Keep a callback as often and as late as its plan says."""
    kind, _, argument = plan.partition(":")
    if kind == "no_webhook":
        return
    due_at = time.time() + (HELD_BACK_SECONDS if kind == "reorder" else 0)
    copies = int(argument or 2) if kind == "dup_webhook" else 1
    connection.executemany(
        "INSERT INTO callback (event_id, body, due_at) VALUES (?, ?, ?)",
        [(event_id, json.dumps(body, separators=(",", ":")), due_at)] * copies,
    )


def sign(secret: str, event_id: str, timestamp: int, body: bytes) -> str:
    """One `v1` signature of Standard Webhooks; the secret is `whsec_` and base64."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac.digest()).decode()}"


def standard_headers(secrets: Sequence[str]) -> Headers:
    """The headers of Standard Webhooks, signed with each of the secrets."""

    def headers(event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        return {
            "webhook-id": event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(sign(secret, event_id, timestamp, body) for secret in secrets),
        }

    return headers


class Deliverer:
    """The thread that delivers what is due, oldest first, over one kept connection."""

    def __init__(self, storage: Storage, url: str, signed_headers: Headers) -> None:
        self._storage = storage
        self._target = urlsplit(url)
        self._signed_headers = signed_headers
        self._connection: http.client.HTTPConnection | None = None
        self._wake = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="callbacks", daemon=True).start()

    def wake(self) -> None:
        """Say that something may be due."""
        self._wake.set()

    def await_delivery(self, operation_key: str, timeout_seconds: float) -> bool:
        """Wait until the callback about an operation was accepted (for `webhook_first`)."""
        return self.await_about(f'"idempotency_key":{json.dumps(operation_key)}', timeout_seconds)

    def await_about(self, text: str, timeout_seconds: float) -> bool:
        """Wait until every callback that holds this text was accepted; False when there is none in time."""
        deadline = time.monotonic() + timeout_seconds
        needle = f"%{text}%"
        while time.monotonic() < deadline:
            self.wake()
            with self._storage.reading() as connection:
                row = connection.execute(
                    "SELECT count(*), count(delivered_at) FROM callback WHERE body LIKE ?", (needle,)
                ).fetchone()
            if row[0] and row[0] == row[1]:
                return True
            time.sleep(0.01)
        return False

    def _run(self) -> None:
        while True:
            wait = self._deliver_due()
            self._wake.wait(wait)
            self._wake.clear()

    def _deliver_due(self) -> float:
        """Deliver until nothing is due; say how many seconds may pass before looking again."""
        while True:
            now = time.time()
            with self._storage.reading() as connection:
                rows = connection.execute(
                    "SELECT * FROM callback WHERE delivered_at IS NULL ORDER BY due_at, seq LIMIT ?", (BATCH,)
                ).fetchall()
            due = [row for row in rows if row["due_at"] <= now]
            if not due:
                return max(0.01, min(1.0, rows[0]["due_at"] - now)) if rows else 1.0
            for row in due:
                answer = self._send(row["event_id"], row["body"].encode())
                self._note(row, answer)

    def _send(self, event_id: str, body: bytes) -> str:
        headers = {
            "content-type": "application/json",
            **self._signed_headers(event_id, int(time.time()), body),
        }
        was_kept = self._connection is not None
        try:
            return self._post(body, headers)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            if not was_kept:
                return type(error).__name__
        try:  # the kept connection may only have been too old
            return self._post(body, headers)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            return type(error).__name__

    def _post(self, body: bytes, headers: dict[str, str]) -> str:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                self._target.hostname or "", self._target.port or 80, timeout=ANSWER_TIMEOUT_SECONDS
            )
        self._connection.request("POST", self._target.path or "/", body, headers)
        response = self._connection.getresponse()
        response.read()
        return str(response.status)

    def _drop(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def _note(self, row: sqlite3.Row, answer: str) -> None:
        is_delivered = answer.startswith("2")
        pause = RETRY_SECONDS[min(row["tries"], len(RETRY_SECONDS) - 1)]
        with self._storage.writing() as connection:
            connection.execute(
                "UPDATE callback SET tries = tries + 1, last_answer = ?, delivered_at = ?, due_at = ?"
                " WHERE seq = ?",
                (answer, time.time() if is_delivered else None, time.time() + pause, row["seq"]),
            )
