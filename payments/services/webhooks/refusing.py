"""Badly signed callbacks: evidence up to a limit, then a count. Anybody can send them, so they cost little.

1. The door admits only so many a second per source and per provider; the others are counted in this process
   and added to the next one that is written.
2. Of what is written, the first ones of a source and of a provider each day are kept whole; beyond that a row
   per source and day counts them, with a digest over all.
3. Sources are networks (IPv4 /24, IPv6 /48), and so many a day; the rest count together. Rows age out
   (`record_classes.py`).
"""

import hashlib
import ipaddress
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import F, Sum

from ledger.ids import uuid7
from ledger.locks import phased, require_phase
from payments.models import ProviderWebhook, RefusedCallbacks
from payments.providers.errors import BadSignature

KEPT_OF_A_SOURCE: Final = 10  # whole messages a day
KEPT_OF_A_PROVIDER: Final = 100
SOURCES_OF_A_PROVIDER: Final = 500
OTHERS: Final = "others"
UNKNOWN: Final = "unknown"
COUNTED_AT_MOST: Final = 1_000
_PREFIX: Final = {4: 24, 6: 48}


def source_of(address: str | None) -> str:
    """Return the network that an address stands for; who has one has the next."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return UNKNOWN
    return str(ipaddress.ip_network((parsed, _PREFIX[parsed.version]), strict=False))


def count(provider: str, source: str) -> None:
    """Count a message that the door did not admit, in this process; lost when the process ends."""
    with _lock:
        if len(_turned_away) < COUNTED_AT_MOST or (provider, source) in _turned_away:
            _turned_away[provider, source] += 1
        else:
            _turned_away[provider, OTHERS] += 1


@phased
def keep(
    *, provider: str, source: str, headers: Mapping[str, str], raw_body: bytes, error: BadSignature,
    at: datetime, merchant_id: UUID | None = None,
) -> ProviderWebhook | None:  # fmt: skip
    """Count a badly signed message and keep it whole, never applied, as evidence; None when it is beyond.

    `merchant_id` is that of a merchant who recorded it.
    """
    row_id, kept = _count(provider, source, headers, raw_body, at)
    if kept >= KEPT_OF_A_SOURCE or _kept_today(provider, at) >= KEPT_OF_A_PROVIDER:
        return None
    webhook = ProviderWebhook(
        merchant_id=merchant_id,
        provider=provider,
        event_id=_storable(headers.get("webhook-id", ""))[:100],
        headers={name: _storable(value) for name, value in headers.items()},
        source=source,
        body=raw_body,
        is_verified=False,
    )
    webhook.refuse(error.message, at)
    webhook.save(force_insert=True)
    RefusedCallbacks.objects.filter(pk=row_id).update(kept=F("kept") + 1)
    return webhook


def _count(
    provider: str, source: str, headers: Mapping[str, str], raw_body: bytes, at: datetime
) -> tuple[UUID, int]:
    """Count it with those of its source that were turned away; return the row and how many it keeps whole."""
    require_phase()
    of_the_day = RefusedCallbacks.objects.filter(provider=provider, day=at.astimezone(UTC).date())
    if not of_the_day.filter(source=source).exists() and of_the_day.count() >= SOURCES_OF_A_PROVIDER:
        source = OTHERS
    with _lock:
        seen = 1 + _turned_away.pop((provider, source), 0)
    digest = hashlib.sha256(repr(sorted(headers.items())).encode("utf-8", "replace") + raw_body).digest()
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO payments_refusedcallbacks AS r
                   (id, provider, source, day, seen, kept, digest, first_at, last_at)
               VALUES (%s, %s, %s, %s, %s, 0, %s, %s, %s)
               ON CONFLICT (provider, day, source) DO UPDATE
               SET seen = r.seen + excluded.seen, last_at = excluded.last_at,
                   digest = sha256(r.digest || excluded.digest)
               RETURNING id, kept""",
            [uuid7(), provider, source, at.astimezone(UTC).date(), seen, digest, at, at],
        )
        found: tuple[UUID, int] = cursor.fetchone()
    return found


def _kept_today(provider: str, at: datetime) -> int:
    rows = RefusedCallbacks.objects.filter(provider=provider, day=at.astimezone(UTC).date())
    return rows.aggregate(kept=Sum("kept"))["kept"] or 0


def _storable(text: str) -> str:
    return "".join(filter(str.isprintable, text.encode("utf-8", "replace").decode()))


_turned_away: Counter[tuple[str, str]] = Counter()
_lock = threading.Lock()
