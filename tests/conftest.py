"""Embedded servers for the whole run (unless DATABASE_URL and REDIS_URL name real ones); shared fixtures.

The servers start once, in the process that the user started; pytest-xdist's workers inherit their addresses.
"""

import os
from contextlib import ExitStack

import pytest

_servers = ExitStack()


def _start_servers() -> None:
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        return
    from config.servers import temporary_servers

    postgres, valkey = _servers.enter_context(temporary_servers())
    os.environ.setdefault("DATABASE_URL", postgres.url)
    os.environ.setdefault("REDIS_URL", valkey.url)


_start_servers()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")


def pytest_unconfigure(config: pytest.Config) -> None:
    _servers.close()
