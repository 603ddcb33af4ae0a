"""Differences for production: every secret set, only https, no crash points, no development default."""

from django.core.exceptions import ImproperlyConfigured

from config.env import DEFAULTED, env, integer
from config.settings.base import *  # noqa: F403
from config.settings.base import CRASHPOINT_DIR

_missing = sorted(
    DEFAULTED | {name for name in ("DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS") if not env.str(name, "")}
)
if _missing:
    raise ImproperlyConfigured(f"production needs {', '.join(_missing)} (or the same with _FILE) to be set")
if CRASHPOINT_DIR:
    raise ImproperlyConfigured("CRASHPOINT_DIR must not be set in production: it kills processes on purpose")

DEBUG = False
SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # asked from inside, in plain http
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("TRUST_X_FORWARDED_PROTO", default=False) else None
)
SECURE_HSTS_SECONDS = integer("HSTS_SECONDS", 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SESSION_COOKIE_AGE = integer("SESSION_SECONDS", 8 * 3600)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
