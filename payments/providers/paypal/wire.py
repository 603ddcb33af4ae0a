"""PayPal's HTTP: an access token by client credentials, kept until shortly before its end, and our keys.

A token is asked for before a request leaves; that it was not given means that nothing was asked. One that
PayPal does not take any more is forgotten, so that the next request has a new one.
"""

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from payments.providers.errors import NotDelivered, ProviderUnavailable
from payments.providers.paypal import orders
from payments.providers.transport import Reply, Transport

TOKEN_PATH: Final = "/v1/oauth2/token"  # noqa: S105 - an address, no secret
EARLY_SECONDS: Final = 60.0
LIFETIME_MAX_SECONDS: Final = 86_400
UNAUTHORIZED: Final = 401


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    until: float


class Wire:
    """Requests to PayPal with a valid token; thread-safe."""

    def __init__(
        self,
        transport: Transport,
        client_id: str,
        client_secret: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._basic = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._clock = clock
        self._lock = threading.Lock()
        self._token: _Token | None = None

    def send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        body: object = None,
        content: bytes | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
        key: str = "",
    ) -> Reply:
        """Send one request and read its answer; `key` makes it one request however often it is sent.

        :raises NotDelivered: it certainly was not carried out. :raises Unanswered: it may have been.
        """
        token = self.valid_token()
        headers = {
            "authorization": f"Bearer {token}",
            "content-type": content_type,
            "prefer": "return=representation",
        }
        if key:
            headers["paypal-request-id"] = key
        reply = self._transport.send(
            operation, method, path, content=_bytes(body) if body is not None else content, headers=headers,
            query=query,
        )  # fmt: skip
        if reply.status == UNAUTHORIZED:
            self._forget(token)
        return reply

    def valid_token(self) -> str:
        """Return a token that is good for a while.

        :raises NotDelivered: PayPal gives none.
        """
        # One asks, the others wait for what it gets: a start does not ask as often as it has threads.
        with self._lock:
            if self._token is None or self._clock() >= self._token.until:
                self._token = self._ask()
            return self._token.text

    def _forget(self, token: str) -> None:
        with self._lock:
            if self._token is not None and self._token.text == token:
                self._token = None

    def _ask(self) -> _Token:
        """:raises NotDelivered: PayPal gives none, so nothing else was asked of it."""
        try:
            reply = self._transport.send(
                "token", "POST", TOKEN_PATH, content=b"grant_type=client_credentials",
                headers={
                    "authorization": f"Basic {self._basic}",
                    "content-type": "application/x-www-form-urlencoded",
                },
            )  # fmt: skip
        except ProviderUnavailable as error:
            raise NotDelivered(
                f"token_{error.reason}", retry_after_seconds=error.retry_after_seconds
            ) from error
        text = orders.text(reply.body or {}, "access_token")
        seconds = (reply.body or {}).get("expires_in")
        if reply.status != 200 or not text.isascii() or not text.isprintable() or not text:
            raise NotDelivered("token_refused", retry_after_seconds=reply.retry_after_seconds)
        lifetime = min(seconds, LIFETIME_MAX_SECONDS) if type(seconds) is int and seconds > 0 else 0
        return _Token(text, self._clock() + max(lifetime - EARLY_SECONDS, 0.0))


def _bytes(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
