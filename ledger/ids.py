"""Identifiers: time-ordered UUIDs as keys, shown as prefixed strings such as `pay_01kah…`.

The shown form is Crockford base 32 of the 128 bits, lower case, 26 characters: it sorts as the key does,
holds no letters that are easily confused, and its prefix says what it names.
"""

import functools
import hashlib
import os
import re
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Final

from ledger.errors import NotFound

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_TO_PYTHONS: Final = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")  # the digits of int(…, 32)
_LENGTH: Final = 26
_PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)  # two letters at once
_SHIFTS: Final = tuple(range(5 * (_LENGTH - 2), -1, -10))
_SHOWN: Final = re.compile(rf"[0-7][{_ALPHABET}]{{25}}")  # 128 bits: of the first letter only three count
_REMEMBERED: Final = 2_048


class BadId(NotFound):
    """A text that cannot be one of our identifiers; to the caller it is simply not there."""

    code = "not_found"


class _Ticks:
    """Moments in steps of a quarter of a microsecond, each later than the one before, of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> tuple[int, int]:
        """Return milliseconds, and the fraction of the millisecond in 4096ths."""
        with self._lock:
            nanoseconds = time.time_ns()
            now = nanoseconds // 1_000_000 << 12 | (nanoseconds % 1_000_000 << 12) // 1_000_000
            self._last = max(now, self._last + 1)
            return self._last >> 12, self._last & 0xFFF


_ticks: Final = _Ticks()


def uuid7() -> uuid.UUID:
    """Return a new version 7 UUID (RFC 9562, 6.2 method 3): milliseconds, their fraction, 62 random bits.

    Those of one process are made in ascending order.
    """
    milliseconds, fraction = _ticks.next()
    random = int.from_bytes(os.urandom(8), "big") >> 2
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random)


def uuid7_of(key: uuid.UUID, name: str) -> uuid.UUID:
    """Return a version 7 UUID made out of another and a name: always the same, of the same millisecond.

    What has it begins, and leaves with its month, as the other does; a version 5 UUID names no month.
    """
    digest = hashlib.blake2b(name.encode(), key=key.bytes, digest_size=10).digest()
    chance = int.from_bytes(digest, "big")
    fraction, rest = chance >> 68, chance & (1 << 62) - 1
    return uuid.UUID(int=key.int >> 80 << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | rest)


def moment(key: uuid.UUID) -> datetime:
    """Return when a version 7 UUID was made (to the millisecond, by the clock of whoever made it)."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=key.int >> 80)


def show(prefix: str, key: uuid.UUID) -> str:
    """Return the public form of a key."""
    return _shown(prefix, key.int)


def parse(prefix: str, text: object) -> uuid.UUID:
    """Return the key that a public form names.

    :raises BadId: another prefix, another length, a letter outside the alphabet, or too large a value.
    """
    head, _, tail = text.partition("_") if isinstance(text, str) else ("", "", "")
    if head != prefix or not _SHOWN.fullmatch(tail):
        raise BadId(f"no object has the id given; ids of this kind begin with {prefix}_")
    return uuid.UUID(int=int(tail.translate(_TO_PYTHONS), 32))


@functools.lru_cache(maxsize=_REMEMBERED)  # a payment says its own id a dozen times: events, news, answer
def _shown(prefix: str, value: int) -> str:
    pairs = [_PAIRS[value >> shift & 1023] for shift in _SHIFTS]
    return f"{prefix}_{''.join(pairs)}"
