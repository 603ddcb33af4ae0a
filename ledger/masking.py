"""Masking: card numbers, secrets and account numbers never leave the moment of their use.

A value is hidden when its field's name says what it is, and also, whatever the name, when it looks like a
card number or carries the prefix of a key. Works at any depth of dictionaries and lists, on keys as well, and
returns plain JSON values. Source: PCI DSS 4.0, 3.3 to 3.5 and 10.3; law 7 of DESIGN.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from ledger.card_numbers import hide_card_numbers
from ledger.money import Money

MASK: Final = "•••"
DEPTH_MAX: Final = 32
MASKED_FIELDS: Final = frozenset(
    {"number", "card_number", "account_number", "api_key", "private_key", "signing_key", "security_code",
     "bank_account", "sort_code", "track_data", "request_body", "response_body"}
)  # fmt: skip
MASKED_WORDS: Final = frozenset(
    {"pan", "cvc", "cvc2", "cvv", "cvv2", "cavv", "pin", "secret", "secrets", "password", "passwd",
     "passphrase", "token", "iban", "authorization", "cookie", "credential", "credentials", "track1",
     "track2"}
)  # fmt: skip
SECRETS: Final = re.compile(
    r"(?i)\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9_-]+|\bwhsec_[A-Za-z0-9+/=_-]+|\bvp_(?:live|test)_[A-Za-z0-9_-]+"
    r"|(?<=bearer )[^\s\"',]+|(?<=basic )[A-Za-z0-9+/=]{8,}|\beyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)
"""Keys, webhook secrets, bearer tokens, basic credentials, JWTs, passwords in addresses."""

# Most texts hold nothing: these are quicker than looking for each thing, and never miss one.
_SHORTEST: Final = 9
_DIGITS: Final = re.compile(r"\d(?:\D{0,2}\d){12}")
_MARKS: Final = ("k_live_", "k_test_", "whsec_", "vp_", "bearer ", "basic ", "eyj", "://")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_WORD: Final = re.compile(r"[^a-z0-9]+")
_names: Final[dict[str, bool]] = {}
_NAMES_MAX: Final = 4_096


def mask_text(text: str) -> str:
    """Return a text without card numbers, keys and secrets, and without what PostgreSQL cannot store."""
    if text.isprintable() and (len(text) < _SHORTEST or not _is_suspect(text)):
        return text
    storable = _UNSTORABLE.sub("\ufffd", text)
    return hide_card_numbers(SECRETS.sub(MASK, storable), MASK)


def may_hold_secrets(text: str) -> bool:
    """Say whether a text might hold what is masked; one of which it says no holds nothing of the kind."""
    return len(text) >= _SHORTEST and _is_suspect(text)


def mask(value: Any, depth: int = 0) -> Any:
    """Return a copy as plain JSON values, in which everything that may not be kept is hidden."""
    if isinstance(value, str):
        return mask_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(10**12) < value < 10**12 or mask_text(str(abs(value))) != MASK else MASK
    if depth >= DEPTH_MAX or isinstance(value, bytes | bytearray | memoryview):
        return MASK
    if isinstance(value, Mapping):
        return {
            mask_text(str(name)): MASK if is_masked_name(str(name)) and inner not in (None, "") else
            mask(inner, depth + 1)
            for name, inner in value.items()
        }  # fmt: skip
    return _mask_other(value, depth)


def is_masked_name(name: str) -> bool:
    """Say whether a field of this name is never shown: `cardNumber`, `client_secret`, `X-Token`."""
    known = _names.get(name)
    if known is None:
        words = _NO_WORD.sub("_", _CAMEL.sub("_", name).lower()).strip("_")
        known = words in MASKED_FIELDS or not MASKED_WORDS.isdisjoint(words.split("_"))
        if len(_names) < _NAMES_MAX:  # names come from callers too: they may not fill the memory
            _names[name] = known
    return known


def _is_suspect(text: str) -> bool:
    if _DIGITS.search(text):
        return True
    lower = text.lower()
    return any(map(lower.__contains__, _MARKS))


def _mask_other(value: Any, depth: int) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, Money):
        return {"amount": value.minor, "currency": value.currency}
    if isinstance(value, Iterable):
        return [mask(inner, depth + 1) for inner in value]
    return mask_text(str(value))
