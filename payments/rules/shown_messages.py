"""Pure: a provider's message as people may see it: no signature, card or account number, no secret."""

import json
from collections.abc import Mapping
from typing import Final

from ledger.masking import MASK, is_masked_name, mask, mask_text
from payments.providers.transport import scrub

_SIGNING: Final = frozenset({"signature", "sig"})


def payload(body: bytes | memoryview | None) -> str:
    """Return a body as text; JSON is written anew, so that values are hidden by their names too."""
    text = bytes(body or b"").decode("utf-8", "replace")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return mask_text(str(scrub(text)))
    return json.dumps(mask(_unsigned(scrub(told))), indent=2, ensure_ascii=False)


def headers(given: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that came with it."""
    return {
        name: MASK if _signs(name) or is_masked_name(name) else mask_text(str(value))
        for name, value in given.items()
    }


def _signs(name: str) -> bool:
    lower = name.lower()
    return lower.endswith("signature") or not _SIGNING.isdisjoint(lower.replace("_", "-").split("-"))


def _unsigned(value: object) -> object:
    """Some providers sign in the body: Adyen's `hmacSignature`."""
    if isinstance(value, dict):
        return {name: MASK if _signs(name) else _unsigned(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_unsigned(inner) for inner in value]
    return value
