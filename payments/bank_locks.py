"""Locks of the bank files: one gatherer and one hearer a rail, and a file."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from django.db import connection

from ledger import locks
from payments.models import BankFile, ProviderOperation
from payments.models.bank_files import BankFileNotFound

_GATHERING: Final = "SELECT pg_advisory_xact_lock(hashtext('payments_bankfile'), hashtext(%s))"


def gathering(rail: str) -> None:
    """Let nobody else make files of a rail until this phase ends."""
    locks.require_phase()
    with connection.cursor() as cursor:
        cursor.execute(_GATHERING, [rail])


def operations(ids: Collection[UUID]) -> list[ProviderOperation]:
    """Lock and return operations; their subjects are not touched with them."""
    return locks.lock(ProviderOperation.objects.filter(pk__in=list(ids)))


def file(file_id: UUID) -> BankFile:
    """Lock and return a bank file.

    :raises BankFileNotFound: there is none.
    """
    return locks.lock_one(BankFile.objects.filter(pk=file_id), missing=BankFileNotFound)
