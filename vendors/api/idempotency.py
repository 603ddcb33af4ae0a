"""The Idempotency-Key at the desk: its syntax, the fingerprint of a request, the answer kept and replayed.

`Answer` is what an action hands to its service: called in the service's last phase, it renders the result
and keeps the bytes with the key's row in that same transaction. What is sent is what was kept.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from django.http import HttpResponse
from rest_framework.exceptions import APIException, ParseError
from rest_framework.request import Request

from ledger import clock
from ledger.card_numbers import find_card_number
from ledger.crashpoints import crashpoint, register
from vendors.api.errors import PROBLEM_TYPE
from vendors.api.rendering import JSON_TYPE, canonical, to_bytes
from vendors.services import idempotency
from vendors.services.idempotency import Asked, Claim, Stored

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
_SYNTAX: Final = re.compile(r"[!-~]{8,255}")
register("request.before_commit")


class Idempotency(Enum):
    """What an action makes of an Idempotency-Key."""

    REQUIRED = "required"
    ACCEPTED = "accepted"
    IGNORED = "ignored"


REQUIRED: Final = Idempotency.REQUIRED
ACCEPTED: Final = Idempotency.ACCEPTED
IGNORED: Final = Idempotency.IGNORED
DEFAULT_OF_METHOD: Final = {"POST": REQUIRED, "PUT": ACCEPTED, "PATCH": ACCEPTED}


class Replay(Exception):
    """Not a failure: the request has its answer already, and the action ends here."""

    def __init__(self, stored: Stored) -> None:
        super().__init__("the request is answered")
        self.stored = stored


class KeyMissing(APIException):
    """A request that must have a key has none."""

    status_code = 400
    default_code = "idempotency_key_missing"
    default_detail = f"this request needs an {HEADER} header"
    param = HEADER


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is bytes, for a render that chooses its status, such as a decline (402)."""

    body: dict[str, Any]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    is_problem: bool = False


Render = Callable[[Any], dict[str, Any] | Reply]


class Answer:
    """Renders a result and keeps it with the key; the service calls it once, in its last phase."""

    def __init__(self, claim: Claim | None, render: Render, status: int) -> None:
        self._claim = claim
        self._render = render
        self._status = status
        self.stored: Stored | None = None

    def __call__(self, result: Any) -> None:
        """Keep the answer in the open transaction.

        :raises LeaseLost: another worker took the request over; the phase must roll back.
        """
        rendered = self._render(result)
        reply = rendered if isinstance(rendered, Reply) else Reply(rendered, self._status)
        kind = PROBLEM_TYPE if reply.is_problem else JSON_TYPE
        stored = Stored(reply.status, {"Content-Type": kind, **reply.headers}, to_bytes(reply.body))
        if self._claim is not None:
            idempotency.finish(self._claim, stored, clock.now())
            crashpoint("request.before_commit")
        self.stored = stored

    def reached(self, point: str) -> None:
        """Note in an earlier phase how far the request came, and prolong its lease.

        :raises LeaseLost: another worker took the request over; the phase must roll back.
        """
        if self._claim is not None:
            idempotency.reach(self._claim, point, clock.now())


def read_key(request: Request, policy: Idempotency) -> str | None:
    """Return the key of a request, or None when it has none and needs none.

    :raises KeyMissing: it needs one. :raises ParseError: the key is malformed, or a card number.
    """
    if policy is IGNORED:
        return None
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        if policy is REQUIRED:
            raise KeyMissing
        return None
    if not _SYNTAX.fullmatch(key):
        raise ParseError(f"the {HEADER} is malformed", code="idempotency_key_malformed")
    if find_card_number(key):  # it is kept with the answer, and shown to staff
        raise ParseError(f"the {HEADER} holds what looks like a card number", code="card_number_not_accepted")
    return key


def asked(
    request: Request, key: str, *, merchant_id: Any, api_key: Any, api_version: str, if_match: str = "",
    is_kept: bool = True,
) -> Asked:  # fmt: skip
    """Return the request as its key names it; its body only when it may be kept.

    The fingerprint covers method, route, path parameters, API version, body, and If-Match where it is read:
    a slash at the end of the path, or the order of keys in the body, does not make it another request.
    """
    match = request._request.resolver_match
    route = (match.route if match else "").rstrip("/")
    body = canonical(request.data)
    parts = [request.method, route, match.kwargs if match else {}, api_version, body]
    parts += [if_match] if if_match else []
    return Asked(
        merchant_id=merchant_id,
        api_key_id=api_key.pk,
        mode=api_key.mode,
        key=key,
        method=str(request.method),
        route=route,
        path=request.path,
        api_version=api_version,
        fingerprint=hashlib.sha256(canonical(parts).encode()).digest(),
        body=body.encode() if is_kept else None,
    )


def response_of(stored: Stored, *, is_replay: bool = False) -> HttpResponse:
    """Return a kept answer as a response, byte for byte."""
    response = HttpResponse(stored.body, status=stored.status, headers=stored.headers)
    if is_replay:
        response[REPLAYED] = "true"
    return response
