"""Fixtures that every test may use."""

from django.test import TransactionTestCase

# Tests with real commits leave their rows: the books refuse to be truncated. Each makes its own merchant.
TransactionTestCase._fixture_teardown = lambda self: None  # type: ignore[method-assign]
