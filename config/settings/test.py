"""Differences for tests: a fast password hasher, sandbox only."""

from config.settings.base import *  # noqa: F403

WHITENOISE_USE_FINDERS = True
STATIC_ROOT = None
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
