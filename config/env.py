"""Typed reading of the environment, once, at the start.

Every variable may also be given as NAME_FILE, a path whose content is the value (for mounted secrets).
A wrong value stops the start with one line that names the variable; nothing else reads `os.environ`.
"""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.FileAwareEnv()

# Names of the secrets that no one set: production refuses to start with any (config.settings.prod).
DEFAULTED: set[str] = set()

_SERVERS = ("smtp", "smtp+tls", "smtps")
_MAIL = {
    **{scheme: f"{scheme}://user:password@host:port" for scheme in _SERVERS},
    "consolemail": "consolemail://", "filemail": "filemail:///folder",
}  # fmt: skip
_DATABASE_OPTIONS = "-c statement_timeout=15s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s"
OWNER_OPTIONS = "-c lock_timeout=5s"  # a migration may work for long, but waits for nobody


def integer(name: str, default: int, *, minimum: int = 0, maximum: int = 2**31) -> int:
    """Read a whole number within bounds."""
    raw = env.str(name, default=str(default))
    try:
        value = int(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {raw!r}") from error
    if not minimum <= value <= maximum:
        raise ImproperlyConfigured(f"{name} must be between {minimum} and {maximum}, not {value}")
    return value


def integers(name: str, *, minimum: int = 1, maximum: int = 366) -> dict[str, int]:
    """Read whole numbers by name, written `name=number,name=number`; none by default."""
    found = {}
    for pair in filter(None, (part.strip() for part in env.str(name, default="").split(","))):
        key, _, number = pair.partition("=")
        if not key or not number.isdecimal() or not minimum <= int(number) <= maximum:
            raise ImproperlyConfigured(
                f"{name} must be name=number with commas between, {minimum} to {maximum}, not {pair!r}"
            )
        found[key] = int(number)
    return found


def seconds(name: str, default: float, *, minimum: float = 0.0, maximum: float = 86_400.0) -> float:
    """Read a duration in seconds."""
    raw = env.str(name, default=str(default))
    try:
        value = float(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a number of seconds, not {raw!r}") from error
    if not minimum <= value <= maximum:
        raise ImproperlyConfigured(f"{name} must be between {minimum} and {maximum} seconds, not {value}")
    return value


def secret(name: str, *, development_default: str | None = None) -> str:
    """Read a secret; without a development default its absence stops the start."""
    value: str = env.str(name, default="")
    if not value and development_default:
        DEFAULTED.add(name)
        value = development_default
    if not value:
        raise ImproperlyConfigured(f"{name} (or {name}_FILE) must be set")
    return value


def path(name: str, default: Path) -> Path:
    """Read a path."""
    return Path(env.str(name, default=str(default)))


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """Read one word out of a list."""
    value: str = env.str(name, default=default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return value


def mail(name: str, default: str) -> dict[str, Any]:
    """Read how mail leaves the house, as Django's settings: a mail server, the log, or a folder of files."""
    value: str = env.str(name, default="") or default
    parts = urlsplit(value)
    if parts.scheme not in _MAIL or (parts.scheme in _SERVERS and not parts.hostname):
        raise ImproperlyConfigured(f"{name} must be written as {', '.join(_MAIL.values())}")
    found: dict[str, Any] = {
        setting: chosen for setting, chosen in env.email_url_config(value).items() if chosen is not None
    }
    if parts.scheme == "filemail":
        found["EMAIL_FILE_PATH"] = unquote(parts.path)
    return found


def amounts(name: str, default: dict[str, int]) -> dict[str, int]:
    """Read minor units by currency, written as USD=1000000,EUR=1000000; they replace the default whole."""
    raw = env.str(name, default="")
    if not raw:
        return default
    found = {}
    for pair in raw.split(","):
        currency, _, minor = pair.strip().partition("=")
        if len(currency) != 3 or not currency.isupper() or not minor.isdecimal() or int(minor) < 1:
            raise ImproperlyConfigured(f"{name} must be written as USD=1000000,EUR=1000000, not {pair!r}")
        found[currency] = int(minor)
    return found


def database(
    name: str, default: str, *, keep_seconds: int, options: str = _DATABASE_OPTIONS
) -> dict[str, Any]:
    """Read a PostgreSQL address and add the limits that every session of ours has."""
    value = env.str(name, default="") or default
    if not value.startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured(f"{name} must be a postgresql:// address")
    found: dict[str, Any] = env.db_url_config(value)
    found["ENGINE"] = "config.postgres"
    found["CONN_MAX_AGE"] = keep_seconds
    found["CONN_HEALTH_CHECKS"] = True
    found.setdefault("OPTIONS", {}).setdefault("options", options)
    return found
