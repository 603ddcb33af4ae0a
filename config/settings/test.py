"""Differences for tests: a fast password hasher, sandbox only."""

from config.settings.base import *  # noqa: F403
from config.settings.base import DATABASES

# The owner makes and migrates the tests' database; the tests run on it as the application.
DATABASES["owner"]["TEST"] = {"DEPENDENCIES": []}
DATABASES["default"]["TEST"] = {"MIRROR": "owner"}
WHITENOISE_USE_FINDERS = True
# Look a file up when asked: each test's client is a new house, which would list all.
WHITENOISE_AUTOREFRESH = True
STATIC_ROOT = None
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# All tests come from one address; those of the limit set it themselves.
REFUSED_CALLBACK_RATES = {name: {"per_second": 10_000, "burst": 10_000} for name in ("source", "provider")}
# How busy the machine is says nothing of what is tested; tests of these limits set them themselves.
FRAUD_BUDGET_MS = 60_000
FRAUD_FACTS_TIMEOUT_SECONDS = 14.0  # PostgreSQL gives every statement 15
BANK_ACCOUNTS_ARE_SHARED = True  # each test has a merchant of its own, and all have the sandbox's one bank
