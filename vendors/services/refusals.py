"""Refused attempts to use an API key, in the audit log (PCI DSS 10.2.1.4); a stranger cannot fill it.

One caller's attempts with one key leave one record a minute from each process: that they were made and when
they began and went on is kept, how many there were is in the request log.
"""

from datetime import datetime, timedelta
from typing import Final

from ledger import audit
from ledger.actors import Actor, current_request
from ledger.locks import phased
from vendors.models import ApiKey

NOTED_EVERY: Final = timedelta(minutes=1)
REMEMBERED_MAX: Final = 10_000
_noted: Final[dict[tuple[str, str, str], datetime]] = {}


def note(key: ApiKey | None, why: str, at: datetime) -> None:
    """Record that a key was refused; `key` is None when nobody has it."""
    who = (key.public_id if key else "", why, current_request().ip or "")
    last = _noted.get(who)
    if last is not None and last <= at < last + NOTED_EVERY:
        return
    if len(_noted) >= REMEMBERED_MAX:
        _noted.clear()
    _noted[who] = at
    _record(key, why, at)


@phased
def _record(key: ApiKey | None, why: str, at: datetime) -> None:
    after = {"refused": why}
    if key is None:
        stranger = Actor("api_key", "unknown")
        audit.record_one(
            audit.Act(
                stranger, "api_key.refused", "vendors.apikey", "unknown", at, outcome="refused", after=after
            )
        )
        return
    actor = Actor("api_key", key.public_id, key.label, role=f"{key.mode} key")
    audit.record(actor=actor, action="api_key.refused", subject=key, at=at, outcome="refused", after=after)
