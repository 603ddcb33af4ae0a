"""Production settings with throw-away secrets and addresses where nothing listens; for `make lint` only."""

import importlib
import os

os.environ.update(
    DATABASE_URL="postgresql://lint@127.0.0.1:9/lint",
    REDIS_URL="redis://127.0.0.1:9/0",
    ALLOWED_HOSTS="everycent.example",
)

from config.env import DEFAULTED
from config.settings import base

for _name in DEFAULTED:
    os.environ[_name] = "whsec_bGludC1vbmx5LTAxMjM0NTY3ODktYWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo="
DEFAULTED.clear()
importlib.reload(base)

from config.settings.prod import *  # noqa: E402,F403
