"""Strict JSON: what a request body may be, so that nothing odd reaches a serializer or the database.

Refused with 400 (413 for size): other encodings than UTF-8, a byte order mark, duplicate keys, NaN and
infinities (also `1e999`), NUL and lone surrogates, nesting deeper than 32, integers beyond Python's digit
limit, anything but an object at the top, and card numbers anywhere.
"""

import json
import math
import re
from typing import IO, Any, Final

from django.core.exceptions import RequestDataTooBig
from django.http import UnreadablePostError
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

from ledger.card_numbers import find_card_number
from vendors.api.rendering import canonical

BODY_BYTES_MAX: Final = 256 * 1024
DEPTH_MAX: Final = 32
_FORBIDDEN: Final = re.compile("[\x00\ud800-\udfff]")


class BodyTooLarge(APIException):
    """More bytes than a request may have."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = f"the body is larger than {BODY_BYTES_MAX} bytes"
    default_code = "body_too_large"


class LengthRequired(APIException):
    """A body of a length that is not told; it would be taken for an empty one."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "send the length of the body in Content-Length"
    default_code = "length_required"


class StrictJsonParser(BaseParser):
    """The only parser of the API."""

    media_type = "application/json"
    bytes_max = BODY_BYTES_MAX

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None
    ) -> dict[str, Any]:
        """Return the body as a dict.

        :raises ParseError: 400 with a code that says what is wrong. :raises BodyTooLarge: 413.
        """
        try:
            raw = stream.read(self.bytes_max + 1)
        except RequestDataTooBig as error:
            raise BodyTooLarge from error
        except UnreadablePostError as error:
            raise ParseError("the body could not be read to its end", code="body_unreadable") from error
        return parse(raw, self.bytes_max)


def parse(raw: bytes, bytes_max: int = BODY_BYTES_MAX) -> dict[str, Any]:
    """Return the object that the bytes of a body state.

    :raises ParseError: 400 with a code that says what is wrong. :raises BodyTooLarge: 413.
    """
    if len(raw) > bytes_max:
        raise BodyTooLarge(f"the body is larger than {bytes_max} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError("the body is not UTF-8", code="json_encoding") from error
    if text.startswith("\ufeff"):
        raise ParseError("the body begins with a byte order mark", code="json_encoding")
    try:
        body = json.loads(text, object_pairs_hook=_object, parse_float=_finite, parse_constant=_no_constant)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise ParseError("the body is not valid JSON", code="json_malformed") from error
    if not isinstance(body, dict):
        raise ParseError("the body must be a JSON object", code="json_not_an_object")
    _check(body)
    if find_card_number(canonical(body)):
        raise ParseError(
            "the body holds what looks like a card number; send a token of the payment method instead",
            code="card_number_not_accepted",
        )
    return body


def _check(body: dict[str, Any]) -> None:
    """Look at every key and value without recursion: depth, and text that PostgreSQL could not keep."""
    level: list[Any] = [body]
    for _ in range(DEPTH_MAX):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.keys())
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, str) and _FORBIDDEN.search(value):
                raise ParseError("the body holds NUL or half of a surrogate pair", code="json_text")
        if not below:
            return
        level = below
    if any(isinstance(value, dict | list) for value in level):
        raise _too_deep()
    _check({"": [value for value in level if isinstance(value, str)]})


def _too_deep() -> ParseError:
    return ParseError(f"the body is nested deeper than {DEPTH_MAX}", code="json_too_deep")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ParseError("an object of the body has the same key twice", code="json_duplicate_key")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ParseError("a number of the body is out of range", code="json_number")
    return number


def _no_constant(name: str) -> None:
    raise ParseError(f"{name} is not JSON", code="json_number")
