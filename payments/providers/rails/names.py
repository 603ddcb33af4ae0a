"""Pure: how an entry of ours is named towards banks: 32 hexadecimal digits and a letter, 33 characters.

Banks carry at most 35 characters, and not all carry an underscore, so the operation's id goes in another
dress. The letter says whether the capture that the money means has the operation's key, or its sale's.
"""

import re
from typing import Final
from uuid import UUID

from ledger import ids
from payments.providers.requests import capture_key

OPERATION: Final = "op"
SALE: Final = "S"
OTHER: Final = "E"
_NAME: Final = re.compile(r"([0-9A-F]{32})([SE])")


def end_to_end(operation_id: UUID, *, is_sale: bool) -> str:
    """Return the end-to-end id of an operation."""
    return f"{operation_id.hex.upper()}{SALE if is_sale else OTHER}"


def operation_id(end_to_end: str) -> UUID | None:
    """Return the operation that an end-to-end id names; None when it is none of ours."""
    found = _NAME.fullmatch(end_to_end)
    return UUID(found[1]) if found else None


def booked_key(end_to_end: str) -> str:
    """Return the key of the operation whose money an end-to-end id names: a sale's is its capture's."""
    found = _NAME.fullmatch(end_to_end)
    if found is None:
        return end_to_end
    key = ids.show(OPERATION, UUID(found[1]))
    return capture_key(key) if found[2] == SALE else key


def asked_key(end_to_end: str) -> str:
    """Return the key of the operation that an end-to-end id names: a sale's is the sale's own."""
    asked = operation_id(end_to_end)
    return end_to_end if asked is None else ids.show(OPERATION, asked)


def movement(rail: str, reference: str) -> str:
    """Return the key of what a bank took back, by its own reference."""
    return f"{rail}:{reference}"


# --- what a payer quotes ------------------------------------------------------------------------------------
_FOUR: Final = "([0-9A-HJKMNP-TV-Z]{4})"  # Crockford base 32, as our ids
_QUOTED: Final = re.compile(rf"\bEC ?{_FOUR}[ -]?{_FOUR}[ -]?{_FOUR}\b")
_ARRIVED: Final = ":in"
"""After the reference of an authorization: its money has come."""


def payer_reference(key: str) -> str:
    """Return what a payer quotes: EC and the last twelve characters (60 bits) of the operation's key."""
    return f"EC{key[-12:].upper()}"


def quoted(text: str) -> str:
    """Return the reference that a payer quoted in a text; people write blanks and dashes into it."""
    found = _QUOTED.search(text.upper())
    return f"EC{''.join(found.groups())}" if found else ""


def arrived(reference: str) -> str:
    """Return how an authorization is named once its money has come."""
    return f"{reference}{_ARRIVED}"


def has_arrived(reference: str) -> bool:
    """Say whether an authorization's money has come, by its name."""
    return reference.endswith(_ARRIVED)
