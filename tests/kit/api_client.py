"""A merchant's HTTP client for tests: JSON, its API key, and a fresh Idempotency-Key for each write."""

import json
from typing import Any
from uuid import uuid4

from django.http import HttpResponse
from django.test import Client

FRESH = "fresh"


class MerchantClient:
    """Calls the API as a merchant's server would; `key=None` sends no Idempotency-Key."""

    def __init__(self, plaintext: str | None, **headers: str) -> None:
        self._client = Client(raise_request_exception=False)
        self._headers = headers
        if plaintext is not None:
            self._headers["Authorization"] = f"Bearer {plaintext}"

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self._client.get(path, headers={**self._headers, **headers})

    def post(self, path: str, body: Any = None, *, key: str | None = FRESH, **headers: str) -> HttpResponse:
        return self.send("POST", path, body, key=key, **headers)

    def put(self, path: str, body: Any = None, *, key: str | None = FRESH, **headers: str) -> HttpResponse:
        return self.send("PUT", path, body, key=key, **headers)

    def send(
        self, method: str, path: str, body: Any = None, *, key: str | None = FRESH, **headers: str
    ) -> HttpResponse:
        """Send a write; `body` is bytes as they are, or anything that has a JSON form."""
        raw = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        named = {**self._headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if key is not None:
            named["Idempotency-Key"] = uuid4().hex if key == FRESH else key
        content_type = named.pop("Content-Type", "application/json")
        return self._client.generic(method, path, raw, content_type=content_type, headers=named)
