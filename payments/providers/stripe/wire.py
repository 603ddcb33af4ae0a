"""The official library's HTTP client, made of our Transport: its pool, timeouts, breaker and limiter.

The library writes the requests and reads the answers; what was sent and what was not is told by Transport,
whose NotDelivered and Unanswered pass through the library untouched. Its own retries, telemetry and log lines
(which hold request bodies) are off.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import stripe
from django.views.decorators.debug import sensitive_variables

from payments.providers.errors import Unanswered
from payments.providers.transport import Transport

stripe.enable_telemetry = False
logging.getLogger("stripe").setLevel(logging.WARNING)

UNREADABLE: Final = '{"error": {"type": "unreadable"}}'
_KEPT_HEADERS: Final = ("authorization", "content-type", "stripe-version", "stripe-account")
_OPERATIONS: Final = (
    ("post", re.compile(r"/v1/payment_intents"), "authorize"),
    ("post", re.compile(r"/v1/payment_intents/\w+/capture"), "capture"),
    ("post", re.compile(r"/v1/payment_intents/\w+/cancel"), "void"),
    ("post", re.compile(r"/v1/refunds"), "refund"),
    ("post", re.compile(r"/v1/disputes/\w+"), "challenge"),
    ("post", re.compile(r"/v1/disputes/\w+/close"), "accept"),
    ("post", re.compile(r"/v1/payment_methods|/v1/customers"), "tokenize"),
    ("post", re.compile(r"/v1/setup_intents"), "verify"),
    ("get", re.compile(r"/v1/balance"), "health"),
    ("get", re.compile(r"/v1/payouts/\w+"), "settlement_report"),
)


class Wire(stripe.HTTPClient):
    """An HTTP client of the library that sends through a Transport."""

    name = "everycent"

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self._transport = transport

    @sensitive_variables()
    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Send one request of the library's.

        :raises NotDelivered: it certainly was not carried out. :raises Unanswered: it may have been.
        """
        given = {name.lower(): value for name, value in (headers or {}).items()}
        reply = self._transport.send(
            operation_of(method, urlsplit(url).path),
            method.upper(),
            url,
            content=post_data.encode() if isinstance(post_data, str) else post_data,
            headers={name: given[name] for name in _KEPT_HEADERS if name in given},
            idempotency_key=given.get("idempotency-key", "") if method == "post" else "",
        )
        told = {"Retry-After": f"{reply.retry_after_seconds:g}"} if reply.retry_after_seconds else {}
        if reply.body is None and reply.status < 300:
            raise Unanswered("bad_body")
        error = reply.body.get("error") if reply.body else None
        if reply.status >= 300 and not isinstance(error, dict):
            return UNREADABLE, reply.status, told  # the library would stumble over it
        return reply.raw.decode("utf-8", "replace"), reply.status, told

    def close(self) -> None:
        """Close the pool."""
        self._transport.close()


def operation_of(method: str, path: str) -> str:
    """The name under which a request is counted, limited and broken: `find` for what only reads."""
    path = path[path.find("/v1/") :]
    for wanted, pattern, operation in _OPERATIONS:
        if method == wanted and pattern.fullmatch(path):
            return operation
    return "find" if method == "get" else "other"
