"""The only HTTP client for providers: explicit timeouts, a body cap, and an honest word on what was sent.

A request that certainly did not arrive whole raises NotDelivered; one whose answer is lost, late or
unreadable raises Unanswered. There are no retries here: they belong to the jobs. Nothing is logged or kept
before `scrub`.
"""

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
from payments.providers.wires import Address, Answer, Timeouts, Wires

BODY_MAX_BYTES: Final = 1_000_000
KEEPALIVE_SECONDS: Final = 20.0

CALL_SECONDS = Histogram(
    "everycent_provider_call_seconds",
    "Duration of calls to providers",
    ["provider", "operation", "result"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
)
log = structlog.get_logger(__name__)

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
        self._client: Wires | None = None
        self._client_of = 0
        bearer = {"authorization": f"Bearer {credential}"} if credential else {}
        self._headers = {
            **bearer,
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": "everycent",
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
        address = self._address_of(request)
        answer = self._pool().ask(
            request.method,
            address,
            self._fields_of(request, address),
            request.content,
            body_max_bytes=body_max_bytes,
            deadline=started + self._timeouts.total,
        )
        if answer.status >= 500 or answer.status in (401, 403):
            permit.failed()
        return Reply(answer.status, _json_object(answer.body), answer.body, _retry_after(answer))

    def _fields_of(self, request: "_Request", address: Address) -> dict[str, str]:
        """Return the fields of a request's head."""
        named = {"host": _host_of(address), **self._headers, **request.headers}
        if request.content is not None or request.method in _WITH_BODY:
            named["content-length"] = str(len(request.content or b""))
        return named

    def _address_of(self, request: "_Request") -> Address:
        path, is_whole = request.path, request.path.startswith(("http://", "https://"))
        base = self._base
        if base is not None and not is_whole and not request.query and _PLAIN_PATH.fullmatch(path):
            return base._replace(target=base.target.rstrip("/") + path)
        return _read_address(path if is_whole else f"{self._base_url}{path}", request.query)

    def _pool(self) -> Wires:
        # A pool must not be shared over a fork: parent and child would read each other's answers.
        with self._lock:
            if self._client is None or self._client_of != os.getpid():
                self._client = Wires(
                    connections=self._connections,
                    keep_seconds=KEEPALIVE_SECONDS,
                    timeouts=self._timeouts,
                    trusted=_trusted(),
                )
                self._client_of = os.getpid()
            return self._client


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
    trusted = httpx.create_ssl_context(trust_env=False)
    trusted.set_alpn_protocols(["http/1.1"])
    return trusted


def _hide_card(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found.group())
    return f"[card {digits[-4:]}]" if _luhn(digits) else found.group()


def _luhn(digits: str) -> bool:
    doubled = "0246813579"
    pairs = enumerate(reversed(digits))
    return sum(int(doubled[int(digit)] if index % 2 else digit) for index, digit in pairs) % 10 == 0


def _base_of(address: str) -> Address | None:
    """Return an address that paths are added to; None when it is none, which every call then says."""
    try:
        return _read_address(address, None)
    except Unanswered:
        return None


def _read_address(address: str, query: Mapping[str, str] | None) -> Address:
    """Read an address, with what is odd in it quoted.

    :raises Unanswered: it is none.
    """
    try:
        url = httpx.URL(address, params=query) if query else httpx.URL(address)
    except httpx.InvalidURL as error:
        raise Unanswered("invalid_url") from error
    return Address(url.scheme, url.raw_host.decode("ascii"), url.port, url.raw_path.decode("ascii"))


def _host_of(address: Address) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return host if address.port is None else f"{host}:{address.port}"


def _json_object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _retry_after(answer: Answer) -> float | None:
    text = answer.fields.get("retry-after", "")
    return min(float(text), 3600.0) if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text) else None
