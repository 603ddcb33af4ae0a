"""The bank that holds our accounts, asked for its statements (the sandbox bank in development and tests)."""

from collections.abc import Iterator
from datetime import date

from django.conf import settings

from payments.providers import registry


def statements_of(day: date) -> Iterator[bytes]:
    """Yield the statement files of a day, one an account, as the bank delivers them.

    :raises ProviderUnavailable: the bank does not answer. :raises ProviderRefused: it refuses.
    """
    bank = registry.bank(settings.PAYOUT_PROVIDER)
    for summary in bank.statements(day):
        yield bank.statement(summary.id)
