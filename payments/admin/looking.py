"""Where people look when a provider cannot be asked: a group of facts on the pages of what waits for them."""

from typing import Any

from ledger.admin import formats
from ledger.admin.base import Facts
from payments.models import ProviderOperation, Refund
from payments.models.operations import ASKED
from payments.providers import registry


def where_to_look(operation: ProviderOperation | None) -> list[Facts]:
    """Return what to look at for an operation; nothing where its provider says so itself."""
    if operation is None or operation.kind not in ASKED:
        return []
    words = registry.where_to_look(operation.provider, operation.kind, operation.idempotency_key)
    if not words:
        return []
    reference = formats.code(operation.provider_reference)
    return [
        Facts("Where to look", [("what to do", formats.sentence(words)), ("its own reference", reference)])
    ]


def refund_of(operation: ProviderOperation) -> list[tuple[str, Any]]:
    """Return the fact of which refund an operation is; nothing of any other."""
    if operation.subject_type != Refund.SUBJECT:
        return []
    return [("refund", formats.link(Refund.objects.filter(pk=operation.subject_id).first()))]
