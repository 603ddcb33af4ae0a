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

import httpcore
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

_NOT_DELIVERED: Final = (
    httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.WriteError,
    httpcore.WriteTimeout, httpcore.LocalProtocolError,
)  # fmt: skip
_UNANSWERED: Final = (
    httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.ProxyError,
    httpcore.UnsupportedProtocol, httpx.InvalidURL,
)  # fmt: skip
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_PLAIN_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_.~-]+)+")

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
        self._base = _base_of(self._base_url)
        self._timeouts = timeouts
        self._guard = guard
        self._connections = connections
        self._lock = threading.Lock()
        self._client: httpcore.ConnectionPool | None = None
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
            address = self._address_of(request)
            response = self._pool().handle_request(
                httpcore.Request(
                    request.method,
                    address,
                    headers=self._lines_of(request, address),
                    content=request.content,
                    extensions=self._extensions,
                )
            )
            with contextlib.closing(response):
                raw = _read(response, body_max_bytes, deadline=started + self._timeouts.total)
        except _NOT_DELIVERED as error:
            raise NotDelivered(_name(error)) from error
        except _UNANSWERED as error:
            raise Unanswered(_name(error)) from error
        if response.status >= 500 or response.status in (401, 403):
            permit.failed()
        return Reply(response.status, _json_object(raw), raw, _retry_after(response))

    def _lines_of(self, request: "_Request", address: httpcore.URL) -> list[tuple[str, str]]:
        """Return the fields of a request's head."""
        named = {"host": _host_of(address), **self._headers, **request.headers}
        if request.content is not None or request.method in _WITH_BODY:
            named["content-length"] = str(len(request.content or b""))
        return list(named.items())

    def _address_of(self, request: "_Request") -> httpcore.URL:
        path, is_whole = request.path, request.path.startswith(("http://", "https://"))
        base = self._base
        if base is not None and not is_whole and not request.query and _PLAIN_PATH.fullmatch(path):
            target = base.target.rstrip(b"/") + path.encode()
            return httpcore.URL(scheme=base.scheme, host=base.host, port=base.port, target=target)
        return _read_address(path if is_whole else f"{self._base_url}{path}", request.query)

    def _pool(self) -> httpcore.ConnectionPool:
        # Below httpx, which merges, redirects, keeps cookies and reads each address anew: we want none of it.
        # A pool must not be shared over a fork: parent and child would read each other's answers.
        with self._lock:
            if self._client is None or self._client_of != os.getpid():
                self._client = self._new_client()
                self._client_of = os.getpid()
            return self._client

    def _new_client(self) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            ssl_context=_trusted(),
            max_connections=self._connections,
            max_keepalive_connections=self._connections,
            keepalive_expiry=KEEPALIVE_SECONDS,
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


def _base_of(address: str) -> httpcore.URL | None:
    """Return an address that paths are added to; None when it is none, which every call then says."""
    try:
        return _read_address(address, None)
    except httpx.InvalidURL:
        return None


def _read_address(address: str, query: Mapping[str, str] | None) -> httpcore.URL:
    """Read an address, with what is odd in it quoted.

    :raises InvalidURL: it is none.
    """
    url = httpx.URL(address, params=query) if query else httpx.URL(address)
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _host_of(address: httpcore.URL) -> str:
    host = address.host.decode("ascii")
    host = f"[{host}]" if ":" in host else host
    return host if address.port is None else f"{host}:{address.port}"


def _field(response: httpcore.Response, name: bytes, default: str = "") -> str:
    """Return a field of an answer's head; its name in small letters."""
    return next((text.decode("latin-1") for key, text in response.headers if key.lower() == name), default)


def _read(response: httpcore.Response, body_max_bytes: int, *, deadline: float) -> bytes:
    if _field(response, b"content-encoding", "identity").lower() != "identity":
        raise Unanswered("encoded_body")  # we asked for none: it may be a bomb
    parts: list[bytes] = []
    size = 0
    for part in response.iter_stream():
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


def _retry_after(response: httpcore.Response) -> float | None:
    text = _field(response, b"retry-after")
    return min(float(text), 3600.0) if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text) else None


def _name(error: Exception) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
