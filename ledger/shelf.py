"""What all processes remember of one kind of thing for a short time, in Valkey.

It is a memory, never a source: what it gives back is signed, so that nobody who can write to Valkey makes a
fact; and while Valkey is away, or whatever is wrong with what is found, there is simply nothing on the shelf.

Things lie in scopes (a customer, a merchant, one for all). A change begins a new generation of its scope,
named at random: what was read before the change can be written late, but never found, and a Valkey that lost
its memory gives out no name twice.
"""

import json
import logging
import secrets
from functools import lru_cache
from typing import Any, Final

import redis
from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import connection
from django.utils.crypto import salted_hmac

from ledger import clock

_TIMEOUT_SECONDS: Final = 0.25
_REST_SECONDS: Final = 1.0
_GENERATION_SECONDS: Final = 3_600  # a forgotten generation only makes things be read again
_LEAD_SECONDS: Final = 2
_log = logging.getLogger("everycent.shelf")

# Only who still leads may put a thing down: one that was slow for longer than its lead holds nothing.
_LAND: Final = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1"""
_LEAVE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"


class Shelf:
    """The things of one kind; each is kept for `seconds`."""

    def __init__(self, kind: str, seconds: int) -> None:
        self.kind, self.seconds = kind, seconds

    def generation(self, scope: str) -> str | None:
        """Return the generation of a scope, None while Valkey is away; take it before reading what is put."""
        key = self._key(scope, "generation")
        found = _ask("get", key)
        if found == b"":
            _ask("set", key, secrets.token_hex(8), nx=True, ex=_GENERATION_SECONDS)
            found = _ask("get", key)
        return found.decode() if found else None

    def clear(self, scope: str) -> None:
        """Let nothing of a scope that was read until now be found any more."""
        _ask("set", self._key(scope, "generation"), secrets.token_hex(8), ex=_GENERATION_SECONDS)

    def find(self, scope: str, generation: str, name: str) -> Any | None:
        """Return what was put there under a name, in this generation and not long ago."""
        key = self._thing(scope, generation, name)
        found = _ask("get", key)
        if not found:
            return None
        try:
            kept = json.loads(self._signer().unsign(found.decode()))
        except (BadSignature, ValueError):
            _log.warning("a thing in Valkey is not ours and is not used", extra={"kind": self.kind})
            return None
        is_it = isinstance(kept, list) and kept[:1] == [key]
        return kept[1] if is_it else None

    def put(self, scope: str, generation: str, name: str, what: Any, lead: str | None = None) -> None:
        """Let the others find a thing; with a lead, only while it is still held."""
        key = self._thing(scope, generation, name)
        signed = self._signer().sign(json.dumps([key, what]))
        if lead is None:
            _ask("set", key, signed, ex=self.seconds)
        else:
            _ask("eval", _LAND, 2, key, f"{key}:lead", lead, signed, self.seconds)

    def lead(self, scope: str, generation: str, name: str) -> str | None:
        """Become the one of all processes who reads a thing; None when another one is. It ends by itself."""
        token = secrets.token_hex(8)
        key = f"{self._thing(scope, generation, name)}:lead"
        return token if _ask("set", key, token, nx=True, px=_LEAD_SECONDS * 1_000) else None

    def leave(self, scope: str, generation: str, name: str, lead: str) -> None:
        """Give a lead back, for nothing was read."""
        _ask("eval", _LEAVE, 1, f"{self._thing(scope, generation, name)}:lead", lead)

    def _thing(self, scope: str, generation: str, name: str) -> str:
        return self._key(scope, f"{generation}:{self._hidden(name)}")

    def _key(self, scope: str, rest: str) -> str:
        # Databases that share a server share nothing.
        return f"shelf:{connection.settings_dict['NAME']}:{self.kind}:{self._hidden(scope)}:{rest}"

    def _hidden(self, text: str) -> str:
        # What is asked for is not to be read, nor guessed, from a key: somebody may ask for a card number.
        return salted_hmac(f"ledger.shelf.{self.kind}", text, algorithm="sha256").hexdigest()[:32]

    def _signer(self) -> Signer:
        return Signer(salt=f"ledger.shelf.{self.kind}")


def _ask(command: str, *arguments: Any, **options: Any) -> Any:
    """Ask Valkey; nothing (None) while it is away, b"" when it has nothing."""
    memory = _memory(settings.REDIS_URL)
    if clock.monotonic() < memory.away_until:
        return None
    try:
        return getattr(memory.client, command)(*arguments, **options) or b""
    except redis.RedisError as error:
        memory.away_until = clock.monotonic() + _REST_SECONDS
        _log.warning("Valkey is away; everything is read each time", extra={"error": str(error)})
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
