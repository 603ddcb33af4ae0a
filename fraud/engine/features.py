"""From a request and what is remembered to features; and the opaque keys by which we remember.

A customer, a card's fingerprint, an address are never stored: an HMAC under the house's pepper is, cut to
128 bits. Equal values meet, and nobody who reads the table learns who they are. A new pepper forgets
everything and empties the lists: it is changed only on purpose.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fraud.engine.types import (
    ATTEMPTS_READ_MAX,
    DAY_SECONDS,
    HOUR_SECONDS,
    VELOCITY_DIMENSIONS,
    Dimension,
    Features,
    ListHit,
    ListKind,
    ScreeningRequest,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Keys:
    """Opaque keys of an attempt by dimension; what was not told is not there."""

    by_dimension: dict[str, str]

    def get(self, dimension: Dimension) -> str | None:
        return self.by_dimension.get(dimension)


def opaque(dimension: str, value: str, pepper: str) -> str:
    """Return the key under which a value of a dimension is remembered: 32 hex digits."""
    text = f"{dimension}\0{_normal(dimension, value)}"
    return hmac.new(pepper.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def keys_of(request: ScreeningRequest, pepper: str) -> Keys:
    """Return the keys of a request."""
    told = {
        Dimension.CUSTOMER: request.customer_ref,
        Dimension.METHOD: request.method_fingerprint,
        Dimension.IP: request.ip,
        Dimension.EMAIL: request.email,
        Dimension.COUNTRY: request.country,
    }
    return Keys({str(name): opaque(name, value, pepper) for name, value in told.items() if value})


def features_from(row: dict[str, Any], keys: Keys) -> Features:
    """Return the features out of the row that `velocity.FACTS_SQL` answers with."""
    usage: dict[tuple[str, int], Usage] = {}
    for dimension in VELOCITY_DIMENSIONS:
        if keys.get(dimension) is None:
            continue
        hour, day = row[dimension][:3], row[dimension][3:]
        is_capped = day[0] >= ATTEMPTS_READ_MAX
        usage[dimension, HOUR_SECONDS] = _usage(hour, is_capped=is_capped)
        usage[dimension, DAY_SECONDS] = _usage(day, is_capped=is_capped)
    hits = [
        ListHit(ListKind(kind), dimension, entry)
        for kind, dimension, entry in (text.split(" ") for text in row["lists"] or [])
    ]
    return Features(usage, tuple(hits))


def _normal(dimension: str, value: str) -> str:
    stripped = value.strip()
    if dimension in {Dimension.EMAIL, Dimension.COUNTRY}:
        return stripped.casefold()
    return stripped


def _usage(figures: Sequence[int], *, is_capped: bool) -> Usage:
    attempts, failures, sum_minor = figures
    return Usage(attempts, failures, sum_minor, is_capped)
