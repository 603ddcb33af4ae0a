"""Identifiers: time-ordered UUIDs as keys, shown as prefixed strings such as `pay_01kah…`.

The shown form is Crockford base 32 of the 128 bits, lower case, 26 characters: it sorts as the key does,
holds no letters that are easily confused, and its prefix says what it names.
"""

import os
import time
import uuid
from typing import Final

from ledger.errors import NotFound

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES: Final = {letter: value for value, letter in enumerate(_ALPHABET)}
_LENGTH: Final = 26


class BadId(NotFound):
    """A text that cannot be one of our identifiers; to the caller it is simply not there."""

    code = "not_found"


def uuid7() -> uuid.UUID:
    """Return a new version 7 UUID (RFC 9562): 48 bits of milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64
    return uuid.UUID(int=value | 0b10 << 62 | random & (1 << 62) - 1)


def show(prefix: str, key: uuid.UUID) -> str:
    """Return the public form of a key."""
    value, letters = key.int, []
    for _ in range(_LENGTH):
        letters.append(_ALPHABET[value & 31])
        value >>= 5
    return f"{prefix}_{''.join(reversed(letters))}"


def parse(prefix: str, text: object) -> uuid.UUID:
    """Return the key that a public form names.

    :raises BadId: another prefix, another length, a letter outside the alphabet, or too large a value.
    """
    head, _, tail = text.partition("_") if isinstance(text, str) else ("", "", "")
    if head != prefix or len(tail) != _LENGTH:
        raise BadId(f"no object has the id given; ids of this kind begin with {prefix}_")
    value = 0
    for letter in tail:
        digit = _VALUES.get(letter)
        if digit is None:
            raise BadId(f"no object has the id given; ids of this kind begin with {prefix}_")
        value = value << 5 | digit
    if value >> 128:
        raise BadId(f"no object has the id given; ids of this kind begin with {prefix}_")
    return uuid.UUID(int=value)
