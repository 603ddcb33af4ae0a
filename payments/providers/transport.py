"""The only HTTP client for providers: explicit timeouts, a body cap, and an honest word on what was sent.

A request that certainly did not arrive whole raises NotDelivered; one whose answer is lost, late or
unreadable raises Unanswered. There are no retries here: they belong to the jobs. Nothing is logged or kept
before `scrub`.
"""

import contextlib
import json
import os
import re
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import httpx
import structlog
from prometheus_client import Histogram

from payments.providers.breaker import Guard, Permit
from payments.providers.errors import NotDelivered, Unanswered

BODY_MAX_BYTES: Final = 1_000_000
KEEPALIVE_SECONDS: Final = 20.0

CALL_SECONDS = Histogram(
    "everycent_provider_call_seconds",
    "Duration of calls to providers",
    ["provider", "operation", "result"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
)
log = structlog.get_logger(__name__)

_SECRET_NAMES = re.compile(
    r"(number|pan|cvc|cvv|cvv2|pin|iban|account|secret|password|authorization_header|api_?key|signature)$",
    re.IGNORECASE,
)
_CARD_NUMBER = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_DEPTH_MAX = 20


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, to write, between two bytes read, and in all."""

    connect: float
    write: float
    read: float
    total: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status, the JSON object in it if any, the raw body, Retry-After in seconds."""

    status: int
    body: dict[str, Any] | None
    raw: bytes
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    content: bytes | None
    headers: Mapping[str, str]
    query: Mapping[str, str] | None


class Transport:
    """The connection pool to one provider."""

    def __init__(
        self,
        *,
        provider: str,
        base_url: str,
        credential: str,
        timeouts: Timeouts,
        guard: Guard,
        connections: int,
    ) -> None:
        self._provider = provider
        self._base_url = base_url.rstrip("/")
        self._timeouts = timeouts
        self._guard = guard
        self._connections = connections
        self._lock = threading.Lock()
        self._client: httpx.HTTPTransport | None = None
        self._client_of = 0
        bearer = {"authorization": f"Bearer {credential}"} if credential else {}
        self._headers = {
            **bearer,
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": "everycent",
        }
        self._extensions = {
            "timeout": {
                "connect": timeouts.connect,
                "write": timeouts.write,
                "read": timeouts.read,
                "pool": timeouts.connect,
            }
        }

    def send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        body: Mapping[str, object] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        idempotency_key: str = "",
        body_max_bytes: int = BODY_MAX_BYTES,
    ) -> Reply:
        """Send one request, with a JSON `body` or ready `content`, and read its answer.

        `path` may be a whole address; `headers` (lower case) go before our own.

        :raises NotDelivered: it certainly was not carried out. :raises Unanswered: it may have been.
        """
        started = time.monotonic()
        result = "defect"
        try:
            with self._guard.admit(operation) as permit:
                request = self._request(method, path, body, content, headers, query, idempotency_key)
                reply = self._exchange(permit, request, body_max_bytes, started)
            result = f"http_{reply.status}"
            return reply
        except (NotDelivered, Unanswered) as error:
            result = error.reason
            raise
        finally:
            seconds = time.monotonic() - started
            CALL_SECONDS.labels(self._provider, operation, result).observe(seconds)
            # What went well is counted, not told: the operation's row tells it.
            tell = log.debug if result in ("http_200", "http_201") else log.warning
            tell(
                "provider_call",
                provider=self._provider,
                operation=operation,
                reference=idempotency_key,
                outcome=result,
                ms=round(seconds * 1000),
            )

    def close(self) -> None:
        """Close the pool."""
        with self._lock:
            if self._client and self._client_of == os.getpid():
                self._client.close()
            self._client = None

    def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        query: Mapping[str, str] | None,
        idempotency_key: str,
    ) -> "_Request":
        sent = dict(headers or {})
        if idempotency_key:
            sent["idempotency-key"] = idempotency_key
        if body is not None:
            content = json.dumps(body, separators=(",", ":")).encode()
            sent["content-type"] = "application/json"
        return _Request(method, path, content, sent, query)

    def _exchange(self, permit: Permit, request: "_Request", body_max_bytes: int, started: float) -> Reply:
        try:
            response = self._pool().handle_request(
                httpx.Request(
                    request.method,
                    self._address_of(request.path),
                    content=request.content,
                    params=request.query,
                    headers={**self._headers, **request.headers},
                    extensions=self._extensions,
                )
            )
            with contextlib.closing(response):
                raw = _read(response, body_max_bytes, deadline=started + self._timeouts.total)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotDelivered(_name(error)) from error
        except (httpx.WriteError, httpx.WriteTimeout, httpx.LocalProtocolError) as error:
            raise NotDelivered(_name(error)) from error
        except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError) as error:
            raise Unanswered(_name(error)) from error
        if response.status_code >= 500 or response.status_code in (401, 403):
            permit.failed()
        return Reply(response.status_code, _json_object(raw), raw, _retry_after(response))

    def _address_of(self, path: str) -> str:
        return path if path.startswith(("http://", "https://")) else f"{self._base_url}{path}"

    def _pool(self) -> httpx.HTTPTransport:
        # Below `httpx.Client`, which merges, redirects and keeps cookies: we want none of that, each time.
        # A pool must not be shared over a fork: parent and child would read each other's answers.
        with self._lock:
            if self._client is None or self._client_of != os.getpid():
                self._client = self._new_client()
                self._client_of = os.getpid()
            return self._client

    def _new_client(self) -> httpx.HTTPTransport:
        return httpx.HTTPTransport(
            limits=httpx.Limits(
                max_connections=self._connections,
                max_keepalive_connections=self._connections,
                keepalive_expiry=KEEPALIVE_SECONDS,
            ),
            trust_env=False,
            verify=_trusted(),
        )


def scrub(value: Any, *, depth: int = 0) -> Any:
    """A copy that may be logged or kept: no card number, IBAN, security code or secret in it."""
    if depth > _DEPTH_MAX:
        return "[too deep]"
    if isinstance(value, Mapping):
        return {
            str(key): "[scrubbed]" if _SECRET_NAMES.search(str(key)) else scrub(item, depth=depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [scrub(item, depth=depth + 1) for item in value]
    if isinstance(value, bytes):
        return scrub(value.decode("utf-8", "replace"), depth=depth)
    if isinstance(value, int) and not isinstance(value, bool) and _CARD_NUMBER.fullmatch(str(value)):
        return "[scrubbed]" if _luhn(str(value)) else value
    if isinstance(value, str):
        return _CARD_NUMBER.sub(_hide_card, _IBAN.sub("[iban]", value))
    return value


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that are believed, read once: reading them takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


def _hide_card(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found.group())
    return f"[card {digits[-4:]}]" if _luhn(digits) else found.group()


def _luhn(digits: str) -> bool:
    doubled = "0246813579"
    pairs = enumerate(reversed(digits))
    return sum(int(doubled[int(digit)] if index % 2 else digit) for index, digit in pairs) % 10 == 0


def _read(response: httpx.Response, body_max_bytes: int, *, deadline: float) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise Unanswered("encoded_body")  # we asked for none: it may be a bomb
    parts: list[bytes] = []
    size = 0
    for part in response.iter_raw():
        size += len(part)
        if size > body_max_bytes:
            raise Unanswered("body_too_large")
        if time.monotonic() > deadline:
            raise Unanswered("total_timeout")
        parts.append(part)
    return b"".join(parts)


def _json_object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return min(float(text), 3600.0) if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text) else None


def _name(error: Exception) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
