"""Typed reading of the environment, once, at the start.

Every variable may also be given as NAME_FILE, a path whose content is the value (for mounted secrets).
A wrong value stops the start with one line that names the variable; nothing else reads `os.environ`.
"""

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.FileAwareEnv()


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
    value: str = env.str(name, default=development_default or "")
    if not value:
        raise ImproperlyConfigured(f"{name} (or {name}_FILE) must be set")
    return value


def path(name: str, default: Path) -> Path:
    """Read a path."""
    return Path(env.str(name, default=str(default)))
