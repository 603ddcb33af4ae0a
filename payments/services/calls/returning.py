"""A payer is back from a provider's page: tell the provider, where it must be told, and conclude.

What he brought is kept with the operation before the call, so that the recovery goes on where we stopped. It
is anybody's word until the provider has taken it: what the provider refuses changes nothing, and the payment
waits on, for the payer or for the end of his time.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from ledger.actors import provider_actor
from ledger.locks import phased
from payments import locks
from payments.models import ProviderOperation
from payments.models.operations import Kind
from payments.providers import registry
from payments.providers.outcomes import Outcome, Rejected
from payments.services.calls import operations

BROUGHT: Final = "brought"  # in `request`: what the payer brought back
NAMES_MAX: Final = 8
VALUE_MAX: Final = 8_000


def come_back(operation_id: UUID, answer: Mapping[str, str], at: datetime) -> str:
    """Go on with an authorization whose payer is back; return the merchant's page ("": he named none).

    :raises OperationNotFound: there is none.
    """
    operation = _keep(operation_id, answer)
    if is_back(operation):
        outcome = go_on(operation, at)
        if outcome is not None:
            actor = provider_actor(operation.provider)
            operations.conclude(operation, outcome, actor=actor, at=at)
    return str(operation.request.get("return_url", ""))


def is_back(operation: ProviderOperation) -> bool:
    """Say whether the payer of an open authorization brought something that the provider is to be told."""
    return operation.is_awaited and BROUGHT in operation.request


def go_on(operation: ProviderOperation, at: datetime) -> Outcome | None:
    """Tell the provider what the payer brought; None when that is good for nothing, and the payment waits on.

    :raises CallInTransaction: a database transaction is open.
    """
    outcome = operations.finish(operation, operation.request[BROUGHT])
    if isinstance(outcome, Rejected):
        _forget(operation.pk)
        return None
    return outcome


@phased
def _keep(operation_id: UUID, answer: Mapping[str, str]) -> ProviderOperation:
    operation = locks.operation(operation_id)
    brought = {name: text[:VALUE_MAX] for name, text in list(answer.items())[:NAMES_MAX] if text}
    waits = operation.kind == Kind.AUTHORIZE and operation.is_awaited and BROUGHT not in operation.request
    if waits and brought and registry.finisher(operation.provider) is not None:
        operation.request = {**operation.request, BROUGHT: brought}
        operation.save(update_fields=["request"])
    return operation


@phased
def _forget(operation_id: UUID) -> None:
    operation = locks.operation(operation_id)
    if BROUGHT in operation.request:
        operation.request = {name: kept for name, kept in operation.request.items() if name != BROUGHT}
        operation.save(update_fields=["request"])
