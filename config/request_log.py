"""The middleware that gives each request an id and writes its one canonical log line.

It stands first in the chain, so that every answer, also that of a refused request, has `X-Request-Id` and
a line. Views add what they know (merchant, key, payment) as attributes that `_facts` reads; nothing of the
body is logged.
"""

import hashlib
import ipaddress
import logging
import os
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from config import logs, metrics
from ledger import actors

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_PUBLIC_ID = re.compile(r"[a-z]{2,4}_[0-9a-z]{26}")
_LETTERS: Final = str.maketrans("0123456789", "ghijkmnpqr")  # no digit: nothing to be taken for a card number
_QUIET_ROUTES = frozenset({"healthz", "readyz", "metrics"})
_NOBODY: Final = actors.RequestContext()
_log = logging.getLogger("everycent.request")


class RequestLog:
    """Accepts or makes `X-Request-Id`, times the request, counts it, and writes the canonical line."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request with its id in the answer's header."""
        began = time.perf_counter()
        fields = request.META
        request_id = _request_id(fields.get("HTTP_X_REQUEST_ID", ""))
        fields["HTTP_X_REQUEST_ID"] = request_id  # what later readers of the header see
        structlog.contextvars.bind_contextvars(request_id=request_id)
        address = caller_address(request)
        agent = logs.scrub(fields.get("HTTP_USER_AGENT", ""))[:200]
        actors.set_request(actors.RequestContext(request_id=request_id, ip=address, user_agent=agent))
        response = self.get_response(request)
        milliseconds = (time.perf_counter() - began) * 1000
        response.headers["X-Request-Id"] = request_id
        route = _route(request)
        metrics.count_request(request.method or "", route, response.status_code, milliseconds / 1000)
        if route.strip("/") not in _QUIET_ROUTES or response.status_code >= 500:
            level = logging.ERROR if response.status_code >= 500 else logging.INFO
            facts = _facts(request, response, route, milliseconds)
            logs.tell(_log, level, {"event": "request", "request_id": request_id, "ip": address, **facts})
        structlog.contextvars.clear_contextvars()
        actors.set_request(_NOBODY)
        return response


def _facts(request: HttpRequest, response: HttpResponse, route: str, milliseconds: float) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "method": request.method,
        "route": route,
        "status": response.status_code,
        "ms": round(milliseconds, 1),
    }
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key:
        facts["idempotency_key_hash"] = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:16]
    user = getattr(request, "user", None)
    if getattr(user, "is_authenticated", False) and getattr(user, "is_staff", False):
        facts["staff"] = user.pk  # type: ignore[union-attr]
    subject = (request.resolver_match.kwargs if request.resolver_match else {}).get("id", "")
    if _PUBLIC_ID.fullmatch(str(subject)):
        facts["payment" if str(subject).startswith("pay_") else "subject"] = subject
    facts.update(getattr(request, "log_facts", {}))
    return facts


def caller_address(request: HttpRequest) -> str | None:
    """Return the caller's address; behind TRUSTED_PROXIES proxies, what the outermost of them has seen."""
    proxies: int = settings.TRUSTED_PROXIES
    text = request.META.get("REMOTE_ADDR", "")
    if proxies:
        seen = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        text = seen[-proxies] if len(seen) >= proxies else text
    return _address(text)


@lru_cache(maxsize=4_096)
def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _request_id(offered: str) -> str:
    is_harmless = _ACCEPTED_ID.fullmatch(offered) and logs.scrub(offered) == offered
    return offered if is_harmless else f"req_{os.urandom(16).hex().translate(_LETTERS)}"


def _route(request: HttpRequest) -> str:
    # The pattern, not the path: ids do not multiply the metrics' labels, nothing a caller typed is logged.
    match = request.resolver_match
    return match.route if match and match.route else "(no route)"
