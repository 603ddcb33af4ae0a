"""The audit log: what people and keys did, in the transaction of its effect; append only (PCI DSS 10.2).

`before` and `after` are masked here: a field on the list never reaches the table.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from ledger.actors import Actor, current_request
from ledger.locks import require_phase
from ledger.models import AuditRecord

MASK: Final = "•••"
MASKED_FIELDS: Final = frozenset(
    {"pan", "card_number", "number", "cvc", "cvv", "secret", "password", "token", "method_token", "iban",
     "account_number", "api_key", "secret_hash"}
)  # fmt: skip


def record(
    *, actor: Actor, action: str, subject: Any, at: datetime, reason: str = "", outcome: str = "done",
    before: dict[str, Any] | None = None, after: dict[str, Any] | None = None,
) -> AuditRecord:  # fmt: skip
    """Write one act on `subject` (a model row with an id) in the caller's phase."""
    require_phase()
    request = current_request()
    merchant_id: UUID | None = getattr(subject, "merchant_id", None)
    return AuditRecord.objects.create(
        at=at, merchant_id=merchant_id, actor_kind=actor.kind, actor_id=actor.id, actor_label=actor.label,
        role=request.role, action=action, object_type=subject._meta.label_lower,
        object_id=getattr(subject, "public_id", None) or str(subject.pk), outcome=outcome, reason=reason,
        before=mask(before or {}), after=mask(after or {}), request_id=request.request_id, ip=request.ip,
        user_agent=request.user_agent[:300],
    )  # fmt: skip


def mask(values: dict[str, Any]) -> dict[str, Any]:
    """Return a copy in which the fields on the list are hidden, at any depth."""
    masked: dict[str, Any] = {}
    for name, value in values.items():
        if name in MASKED_FIELDS:
            masked[name] = MASK
        else:
            masked[name] = mask(value) if isinstance(value, dict) else value
    return masked
