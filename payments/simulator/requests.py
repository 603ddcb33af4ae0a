"""One request to the network's HTTP face, read: its shape is checked here, what it may do by the laws."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from payments.simulator import scenarios
from payments.simulator.disputes import read_evidence
from payments.simulator.errors import Refused
from payments.simulator.laws import Call

BODY_MAX_BYTES = 8_000_000  # the files of a dispute, in base64


@dataclass(slots=True)
class Request:
    """One request, read."""

    method: str
    path: str
    query: dict[str, str]
    credential: str
    idempotency_key: str
    raw: bytes
    query_string: str = ""
    authorization: str = ""
    base_url: str = ""
    content_type: str = ""
    paypal_request_id: str = ""
    api_key: str = ""
    arguments: tuple[str, ...] = field(default=())

    def body(self) -> dict[str, Any]:
        """The JSON object sent, or an empty one.

        :raises Refused: not a JSON object.
        """
        if not self.raw:
            return {}
        try:
            value = json.loads(self.raw)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise Refused(400, "malformed_json", "The body is a JSON object")
        return value

    def integer(self, name: str, default: int) -> int:
        """A whole number of the query."""
        value = self.query.get(name, "")
        return int(value) if re.fullmatch(r"[0-9]{1,15}", value) else default


def read(environ: dict[str, Any]) -> Request:
    """Read a request of the web server.

    :raises Refused: its body is too large.
    """
    length = environ.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > BODY_MAX_BYTES:
        raise Refused(413, "too_large", "A body has at most 8 MB")
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        query=dict(parse_qsl(environ.get("QUERY_STRING", ""))),
        credential=environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer "),
        idempotency_key=environ.get("HTTP_IDEMPOTENCY_KEY", ""),
        base_url=f"http://{environ.get('HTTP_HOST', '')}",
        raw=environ["wsgi.input"].read(BODY_MAX_BYTES + 1),
        query_string=environ.get("QUERY_STRING", ""),
        authorization=environ.get("HTTP_AUTHORIZATION", ""),
        content_type=environ.get("CONTENT_TYPE", ""),
        paypal_request_id=environ.get("HTTP_PAYPAL_REQUEST_ID", ""),
        api_key=environ.get("HTTP_X_API_KEY", ""),
    )


def call(kind: str, request: Request) -> Call:
    """Read a request for an operation.

    :raises Refused: its key or body is not well-formed.
    """
    key = request.idempotency_key
    if not re.fullmatch(r"[\x21-\x7e]{8,255}", key):
        raise Refused(400, "idempotency_key_missing", "An Idempotency-Key of 8 to 255 characters is needed")
    body = request.body()
    canonical = json.dumps([request.path, body], sort_keys=True, separators=(",", ":"))
    request_hash = hashlib.sha256(canonical.encode()).hexdigest()
    parent = request.arguments[0] if request.arguments else None
    reference = text(body, "reference") if "reference" in body or not parent else ""
    if kind == "void":
        return Call(kind, key, request_hash, reference, parent)
    if kind in ("challenge", "accept"):
        evidence = json.dumps(read_evidence(body)) if kind == "challenge" else ""
        return Call(kind, key, request_hash, reference, dispute_id=parent, evidence=evidence)
    amount = whole(body, "amount")
    if parent:
        return Call(kind, key, request_hash, reference, parent, amount=amount)
    currency = text(body, "currency")
    if kind == "authorize":
        return Call(
            kind, key, request_hash, reference, token=text(body, "token"), amount=amount, currency=currency,
            wants_capture=body.get("capture") is True, base_url=request.base_url,
            return_url=_web_address(body, "return_url"),
            exemption=text(body, "exemption") if "exemption" in body else "",
            is_verification=body.get("purpose") == "verification",
        )  # fmt: skip
    destination = json.dumps(_destination(body))
    return Call(kind, key, request_hash, reference, destination=destination, amount=amount, currency=currency)


def _destination(body: dict[str, Any]) -> dict[str, str]:
    destination = body.get("destination")
    if not isinstance(destination, dict):
        raise Refused(422, "bad_destination", "A destination is {holder, iban}", param="destination")
    fields = {
        name: text(destination, name)
        for name in ("holder", "iban", "account", "country")
        if destination.get(name)
    }
    if "iban" in fields:
        fields["iban"] = scenarios.check_iban(fields["iban"])
    elif "account" not in fields:
        raise Refused(
            422, "bad_destination", "A destination needs an iban or an account", param="destination"
        )
    return fields


def text(body: dict[str, Any], name: str) -> str:
    """A text of the body.

    :raises Refused: it is none.
    """
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 255 or not _is_storable(value):
        raise Refused(422, "bad_field", f"{name} is a text of 1 to 255 characters", param=name)
    return value


def _web_address(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    is_one = isinstance(value, str) and len(value) <= 2_000 and re.fullmatch(r"(https?://[!-~]+)?", value)
    if not is_one:
        raise Refused(422, "bad_field", f"{name} is a web address", param=name)
    return str(value)


def _is_storable(value: str) -> bool:
    # Half of a surrogate pair is JSON, but no character; a NUL would end the text for others.
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def whole(body: dict[str, Any], name: str) -> int:
    """A whole number of the body.

    :raises Refused: it is none.
    """
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(422, "bad_field", f"{name} is a whole number", param=name)
    return value
