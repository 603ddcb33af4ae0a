"""The database of the tests: made and migrated once in a run, and copied for each worker of pytest-xdist.

Migrating takes ten seconds of a core, a copy less than one. The first worker that needs a database makes the
template, the others wait for it. Only on the embedded servers of `tests.embedded`, which go with all that is
on them; on a server of somebody else each worker makes its own, and takes it away again.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import connections
from django.test.utils import setup_databases
from psycopg import sql

from config import grants

ARE_EMBEDDED: Final = "TESTS_SERVERS_ARE_EMBEDDED"
SHARDS: Final = "BOOKS_SHARDS"
TEMPLATE: Final = "test_template"


def is_copied() -> bool:
    """Say whether this process is one of several on embedded servers, with the books in one piece."""
    return all(map(os.environ.get, (ARE_EMBEDDED, "PYTEST_XDIST_WORKER"))) and not os.environ.get(SHARDS)


def copy(shared: Path, finish: Callable[[], None]) -> None:
    """Make this worker's database as a copy of the template, and the template if it is not there.

    `shared` is a folder of all workers of the run; `finish` is done with a template that was migrated.
    """
    owner: Any = connections[grants.OWNER]
    wanted = owner.settings_dict["TEST"]["NAME"]
    with _alone(shared):
        if not (shared / "template.made").exists():
            owner.settings_dict["TEST"]["NAME"] = TEMPLATE
            setup_databases(0, False, aliases={grants.OWNER}, serialized_aliases=set())
            finish()
            connections.close_all()  # one that is in use cannot be copied
            owner.settings_dict["TEST"]["NAME"] = wanted
            (shared / "template.made").touch()
    _make(wanted, shared)
    settings.DATABASES[grants.OWNER]["NAME"] = owner.settings_dict["NAME"] = wanted
    connections["default"].creation.set_as_test_mirror(owner.settings_dict)


def copy_for_a_house(shared: Path) -> dict[str, str]:
    """Make a copy of the template for a house's programs; return its addresses, for both roles."""
    name = f"house_{os.environ['PYTEST_XDIST_WORKER']}"
    _make(name, shared)
    return {
        role: f"{os.environ[role].rpartition('/')[0]}/{name}"
        for role in ("DATABASE_URL", "MIGRATION_DATABASE_URL")
    }


def _make(name: str, shared: Path) -> None:
    """Copy the template; a copy has the rights on what is in it, but not those on the database itself."""
    parts = {
        "name": sql.Identifier(name),
        "template": sql.Identifier(TEMPLATE),
        "role": sql.Identifier(settings.DATABASES["default"]["USER"]),
    }
    statements = (
        "DROP DATABASE IF EXISTS {name}",
        "CREATE DATABASE {name} TEMPLATE {template}",
        "REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC, {role}",
    )
    owner: Any = connections[grants.OWNER]
    with _alone(shared), owner._nodb_cursor() as cursor:
        for statement in statements:
            cursor.execute(sql.SQL(statement).format(**parts))


@contextmanager
def _alone(shared: Path) -> Iterator[None]:
    """Let one worker at a time make or copy."""
    with (shared / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
