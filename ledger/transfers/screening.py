"""Rules against money laundering, as data: a transfer so large that a person must look first, and patterns of
an account's last minute and day that are flagged.

Thresholds are per currency (settings): 10,000 means something else in yen. A currency without one is looked
at from the first unit on. The queries are bounded: who moves more often than is counted is flagged anyway.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection

from ledger.machines import OPEN
from ledger.models import Account, AmlAlert
from ledger.money import Money

LARGE: Final = "large_transfer"
FAST: Final = "fast_transfers"
MANY: Final = "many_in_a_day"
SUM: Final = "large_sum_in_a_day"
RULES: Final = (LARGE, FAST, MANY, SUM)

DAY: Final = timedelta(days=1)
COUNTED_MAX: Final = 1_000

# The newest transfers out of an account, by its index; this one is not among them yet.
_RECENT: Final = """
    SELECT count(*) FILTER (WHERE created_at > %(fast_since)s), count(*), coalesce(sum(amount_minor), 0)
    FROM (SELECT created_at, amount_minor FROM ledger_transfer
          WHERE source_id = %(account)s AND created_at > %(since)s AND created_at <= %(at)s
          ORDER BY created_at DESC LIMIT %(most)s) recent"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule saw; `holds_transfer` says that the money waits for a person."""

    rule: str
    holds_transfer: bool
    observed: dict[str, Any]


def threshold(currency: str) -> int:
    """Return the minor units from which on a transfer is looked at by a person first."""
    limits: dict[str, int] = settings.AML_THRESHOLDS_MINOR
    return limits.get(currency, 1)


def screen(source: Account, amount: Money, at: datetime) -> list[Finding]:
    """Return what the rules find in a transfer out of a locked account, before it is written."""
    limit = threshold(amount.currency)
    found = []
    if amount.minor >= limit:
        found.append(Finding(LARGE, True, {"amount_minor": amount.minor, "threshold_minor": limit}))
    patterns = _patterns(source, amount, limit, at)
    if patterns:
        known = set(
            AmlAlert.objects.filter(account=source, state=OPEN, holds_transfer=False).values_list(
                "rule", flat=True
            )
        )
        found += [finding for finding in patterns if finding.rule not in known]
    return found


def _patterns(source: Account, amount: Money, limit: int, at: datetime) -> list[Finding]:
    fast = timedelta(seconds=settings.AML_FAST_SECONDS)
    with connection.cursor() as cursor:
        cursor.execute(
            _RECENT,
            {"account": source.pk, "at": at, "since": at - DAY, "fast_since": at - fast, "most": COUNTED_MAX},
        )
        in_a_moment, in_a_day, sum_minor = cursor.fetchone()
    in_a_moment, in_a_day, sum_minor = in_a_moment + 1, in_a_day + 1, int(sum_minor) + amount.minor
    found = []
    if in_a_moment >= settings.AML_FAST_COUNT:
        seen = {"count": in_a_moment, "seconds": settings.AML_FAST_SECONDS, "limit": settings.AML_FAST_COUNT}
        found.append(Finding(FAST, False, seen))
    if in_a_day >= settings.AML_DAY_COUNT:
        found.append(Finding(MANY, False, {"count": in_a_day, "limit": settings.AML_DAY_COUNT}))
    # Each small enough not to be looked at, together not: the pattern of what is divided to stay unseen.
    if sum_minor >= limit > amount.minor:
        found.append(Finding(SUM, False, {"sum_minor": sum_minor, "threshold_minor": limit}))
    return found
