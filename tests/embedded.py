"""A pytest plugin, loaded first (`-p tests.embedded`): the servers the tests run on.

Embedded PostgreSQL and Valkey start once, in the process that the user started, unless DATABASE_URL and
REDIS_URL name real ones; pytest-xdist's workers inherit the addresses. Run as `python -m pytest`.
"""

import os
from contextlib import ExitStack

import pytest

_servers = ExitStack()

if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
    from config.servers import temporary_servers

    postgres, valkey = _servers.enter_context(temporary_servers())
    os.environ.setdefault("DATABASE_URL", postgres.url)
    os.environ.setdefault("REDIS_URL", valkey.url)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this process started."""
    _servers.close()
