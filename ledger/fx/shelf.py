"""What all processes remember of house rates for a minute, in Valkey.

It is a memory, never a source: what it gives back is signed, so that nobody who can write to Valkey makes a
rate; `rates.shown` checks its age and that its sources are still fresh; and while Valkey is away, or whatever
is wrong with what is found, there is simply nothing on the shelf and the rate is reckoned anew.

Finance's changes begin a new generation: what was reckoned before one can be written late, but never found.
"""

import json
import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import redis
from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import connection

from ledger import clock

SECONDS: Final = 60
_TIMEOUT_SECONDS: Final = 0.25
_REST_SECONDS: Final = 1.0
_log = logging.getLogger("everycent.fx")


@dataclass(frozen=True, slots=True)
class Shelf:
    """The shelf of one generation; of none while Valkey is away."""

    generation: str | None

    def find(self, name: str) -> dict[str, Any] | None:
        """Return what was put there under a name in the last minute."""
        if self.generation is None:
            return None
        found = _ask("get", self._key(name))
        if not found:
            return None
        try:
            kept: dict[str, Any] = json.loads(_signer().unsign(found.decode()))
        except (BadSignature, ValueError):
            _log.warning("a rate in Valkey is not ours and is not used", extra={"rate": name})
            return None
        return kept if kept.pop("name", None) == name else None

    def put(self, name: str, what: dict[str, Any]) -> None:
        """Let the others find something for a minute."""
        if self.generation is not None:
            _ask("set", self._key(name), _signer().sign(json.dumps({**what, "name": name})), ex=SECONDS)

    def _key(self, name: str) -> str:
        return f"{_place()}:{self.generation}:{name}"


def now() -> Shelf:
    """Return the shelf of this generation; take it before reckoning what is put there."""
    found = _ask("get", f"{_place()}:generation")
    return Shelf(None if found is None else (found or b"0").decode())


def clear() -> None:
    """Let nothing that was reckoned until now be found any more."""
    _ask("incr", f"{_place()}:generation")


def _ask(command: str, *arguments: Any, **options: Any) -> Any:
    """Ask Valkey; nothing (None) while it is away, b"" when it has nothing."""
    memory = _memory(settings.REDIS_URL)
    if clock.monotonic() < memory.away_until:
        return None
    try:
        return getattr(memory.client, command)(*arguments, **options) or b""
    except redis.RedisError as error:
        memory.away_until = clock.monotonic() + _REST_SECONDS
        _log.warning("Valkey is away; rates are reckoned each time", extra={"error": str(error)})
        return None


class _Memory:
    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, max_connections=64
        )
        self.away_until = 0.0


@lru_cache(maxsize=2)
def _memory(url: str) -> _Memory:
    return _Memory(url)


def _signer() -> Signer:
    return Signer(salt="ledger.fx.shelf")


def _place() -> str:
    return f"fx:{connection.settings_dict['NAME']}"  # databases that share a server share no rates
