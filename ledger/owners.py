"""Names of accounts' owners. The books know an owner by an id; the floor that keeps it tells the name.

A floor registers with `@names_owners`; each is asked once for all the owners on a page.
"""

from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

Namer = Callable[[list[UUID]], dict[str, str]]

_namers: Final[list[Namer]] = []


def names_owners(namer: Namer) -> Namer:
    """Register a function that returns the names of those of these owners that it knows."""
    _namers.append(namer)
    return namer


def names_of(owners: Iterable[str]) -> dict[str, str]:
    """Return the names of owners, by owner; whom nobody knows is left out."""
    ids = [found for found in map(_as_id, sorted(set(owners))) if found is not None]
    names: dict[str, str] = {}
    for namer in _namers if ids else ():
        names |= namer(ids)
    return names


def _as_id(owner: str) -> UUID | None:
    try:
        return UUID(owner)
    except ValueError:
        return None
