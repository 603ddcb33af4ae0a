"""Errors as RFC 9457 problem documents; the only map from a kind of failure to an HTTP status.

400 is a malformed request (JSON, fields, headers), found before anything happened. 422, 404, 409, 403 and
503 are the kinds of the house. A defect is a 500 that says nothing of its inside.
"""

import logging
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions

from ledger.actors import current_request
from ledger.errors import DomainError, Kind
from vendors.api.rendering import to_bytes

PROBLEM_TYPE: Final = "application/problem+json"
DOCS_PATH: Final = "/api/docs/"
STATUS_OF_KIND: Final = {
    Kind.INVALID: 422,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.STALE: 412,
    Kind.FORBIDDEN: 403,
    Kind.UNAVAILABLE: 503,
}
ADVICE: Final = {
    "not_authenticated": "Send the header Authorization: Bearer sk_test_…",
    "authentication_failed": "Look at the API key: it must be complete, not expired and not revoked.",
    "scope_missing": "Issue a key with the scope named, or use another key.",
    "rate_limited": "Wait the seconds of Retry-After, then send the same request again.",
    "card_number_not_accepted": "Turn the number into a token in the payer's browser; never send it here.",
    "unknown_field": "Remove the field; look at the API document for the fields there are.",
    "unsupported_media_type": "Send application/json.",
    "not_acceptable": "Accept application/json.",
    "idempotency_key_missing": "Send an Idempotency-Key header: a fresh random text for each new request.",
    "idempotency_key_malformed": "Use 8 to 255 visible ASCII characters, such as a random UUID.",
    "if_match_malformed": "Send the ETag of an answer as it stood there, with its quotes.",
    "invalid_request": "Correct the fields named in errors.",
}
_logger = logging.getLogger("everycent.api")


class Problem:
    """A failure as it is answered: its status, its body, its headers, and whether it is a final answer."""

    def __init__(self, status: int, code: str, detail: str, *, retryable: bool = False, **more: Any) -> None:
        self.status = status
        self.code = code
        self.retryable = retryable
        self.headers: dict[str, str] = more.pop("headers", {})
        self.body = problem_body(status, code, detail, retryable=retryable, **more)

    @property
    def is_final(self) -> bool:
        """A definite refusal: it is kept as the answer of its Idempotency-Key."""
        return 400 <= self.status < 500 and self.status != HTTPStatus.TOO_MANY_REQUESTS and not self.retryable

    def response(self) -> HttpResponse:
        """Return the answer."""
        return HttpResponse(
            to_bytes(self.body), status=self.status, content_type=PROBLEM_TYPE, headers=self.headers
        )


def problem_body(
    status: int,
    code: str,
    detail: str,
    *,
    param: str | None = None,
    advice: str | None = None,
    retryable: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """Return the body of a problem document; `more` are further members (RFC 9457, section 3.2)."""
    doc_url = f"{DOCS_PATH}#{code}"
    return {
        "type": doc_url,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "param": param,
        "advice": advice or ADVICE.get(code, ""),
        "retryable": retryable,
        "request_id": current_request().request_id,
        "doc_url": doc_url,
        **more,
    }


def problem_of(error: BaseException) -> Problem:
    """Return the problem that answers an exception; what nobody anticipated is logged and becomes a 500."""
    match error:
        case DomainError():
            return _of_domain(error)
        case exceptions.ValidationError():
            return _of_fields(error)
        case exceptions.APIException():
            return _of_framework(error)
        case Http404():
            return Problem(404, "not_found", "there is no such object")
        case PermissionDenied():
            return Problem(403, "forbidden", "this is not permitted")
        case SuspiciousOperation():
            return Problem(400, "malformed_request", "the request is malformed")
        case OperationalError() | InterfaceError():
            _logger.error("database unavailable", exc_info=error)
            return Problem(
                503,
                "temporarily_unavailable",
                "the database did not answer; send the same request again",
                retryable=True,
                headers={"Retry-After": "1"},
            )
    _logger.error("unanticipated failure", exc_info=error)
    return Problem(
        500,
        "internal_error",
        "something failed on our side; send the same request again with the same Idempotency-Key",
        retryable=True,
        advice="If it stays, tell us the request_id.",
    )


def unknown_route(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer a path of the API that does not exist."""
    return Problem(404, "unknown_route", "there is no such path in the API").response()


def _of_domain(error: DomainError) -> Problem:
    status = STATUS_OF_KIND[error.kind]
    pause = error.facts.get("retry_after_seconds", 1)
    return Problem(
        status,
        error.code,
        error.message,
        param=error.param,
        advice=error.advice_given,
        retryable=error.retryable,
        headers={"Retry-After": str(pause)} if error.retryable else {},
    )


def _of_fields(error: exceptions.ValidationError) -> Problem:
    found = list(_flatten(error.detail, ""))
    first = found[0]
    code = first["code"] if first["code"] in ADVICE else "invalid_request"
    return Problem(400, code, first["detail"], param=first["param"], errors=found)


def _of_framework(error: exceptions.APIException) -> Problem:
    codes = error.get_codes()
    headers = dict(getattr(error, "headers", {}))
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, -int(-wait // 1)))
    return Problem(
        error.status_code,
        codes if isinstance(codes, str) else error.default_code,
        str(error.detail),
        param=getattr(error, "param", None),
        retryable=bool(getattr(error, "retryable", False)),
        headers=headers,
    )


def _flatten(detail: Any, param: str) -> Iterator[dict[str, Any]]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            place = param if name == "non_field_errors" else f"{param}.{name}" if param else str(name)
            yield from _flatten(inner, place)
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, dict | list)
            if not nested:
                yield {"param": param or None, "code": inner.code, "detail": str(inner)}
            elif inner:
                yield from _flatten(inner, f"{param}.{index}")
    else:
        yield {"param": param or None, "code": detail.code, "detail": str(detail)}
