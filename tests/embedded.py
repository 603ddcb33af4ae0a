"""A pytest plugin, loaded first (`-p tests.embedded`): the servers the tests run on, and as whom.

Embedded PostgreSQL and Valkey start once, in the process that the user started, unless DATABASE_URL and
REDIS_URL name real ones; pytest-xdist's workers inherit the addresses. Run as `python -m pytest`.

Tests run as the application's role on a database that the owner made. A server named by one address has no
such role: it is made there, and the address is then the owner's.
"""

import gc
import os
from contextlib import ExitStack

import pytest

from config import database_roles

# Made and not yet freed, before the youngest are looked through; how often before the older are.
GARBAGE_THRESHOLDS = (50_000, 20, 20)

_servers = ExitStack()

if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
    from config.servers import temporary_servers

    postgres, valkey = _servers.enter_context(temporary_servers())
    if not os.environ.get("DATABASE_URL"):
        os.environ.update(database_roles.addresses(postgres.url))
        os.environ["TESTS_SERVERS_ARE_EMBEDDED"] = "1"  # workers copy one database: tests.kit.databases
    os.environ.setdefault("REDIS_URL", valkey.url)
if not os.environ.get("MIGRATION_DATABASE_URL"):
    os.environ.update(database_roles.split(os.environ["DATABASE_URL"]))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Look for garbage seldom, and never among the thousands of tests and models that stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this process started."""
    _servers.close()
