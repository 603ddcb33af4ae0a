"""The audit log: who did what, in which role, to what, from where and why; append only (PCI DSS 10.2).

A record is written in the transaction of its effect. `before`, `after`, the reason and every other text are
masked here: no card number, secret or account number reaches the table, whatever its field is called. Whoever
reads the log leaves a record of it (`note_reading`), and refusals are kept as well.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.db import connection

from ledger.actors import Actor, current_request
from ledger.ids import uuid7
from ledger.locks import changes_in_phase, require_phase
from ledger.masking import MASK, mask, mask_text
from ledger.models import AuditRecord

__all__ = ["MASK", "Act", "act_on", "mask", "note_reading", "record", "record_many"]

READ: Final = "audit.read"
_LENGTHS: Final = {
    name: getattr(AuditRecord._meta.get_field(name), "max_length", None) or 0
    for name in ("actor_kind", "actor_id", "actor_label", "role", "action", "object_type", "object_id",
                 "outcome", "request_id", "user_agent")
}  # fmt: skip
_COLUMNS: Final = (
    "id", "at", "merchant_id", "actor_kind", "actor_id", "actor_label", "role", "action", "object_type",
    "object_id", "outcome", "reason", "before", "after", "request_id", "ip", "user_agent",
)  # fmt: skip
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_COPY: Final = f"COPY ledger_audit ({', '.join(_COLUMNS)}) FROM STDIN"


@dataclass(frozen=True, slots=True)
class Act:
    """One act: who did what to which object, when and why; `outcome` is done, refused or failed."""

    actor: Actor
    action: str
    object_type: str
    object_id: str
    at: datetime
    merchant_id: UUID | None = None
    reason: str = ""
    outcome: str = "done"
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


def record(
    *, actor: Actor, action: str, subject: Any, at: datetime, reason: str = "", outcome: str = "done",
    before: Mapping[str, Any] | None = None, after: Mapping[str, Any] | None = None,
) -> AuditRecord:  # fmt: skip
    """Write one act on `subject` (a model row with an id) in the caller's phase.

    Without `before` and `after`, they are the columns of the locked row that the phase has changed.
    """
    if before is None and after is None:
        before, after = _changes(subject)
    act = act_on(subject, actor=actor, action=action, at=at, reason=reason, outcome=outcome,
                 before=before or {}, after=after or {})  # fmt: skip
    return record_one(act)


def record_one(act: Act) -> AuditRecord:
    """Write one act in the caller's phase."""
    require_phase()
    values = dict(zip(_COLUMNS, _row(act, _surroundings(act.actor)), strict=True))
    return AuditRecord.objects.create(**values)


def record_many(acts: Iterable[Act]) -> int:
    """Write any number of acts in the caller's phase by COPY, in constant memory; return how many.

    Each is masked like a single one. Either all of them are kept or, with the phase, none.
    """
    require_phase()
    written = 0
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(_COPY) as copy:
        surroundings: dict[Actor, tuple[str, ...]] = {}
        for act in acts:
            around = surroundings.get(act.actor)
            if around is None:
                around = surroundings[act.actor] = _surroundings(act.actor)
            row = _row(act, around)
            row[12], row[13] = _json(row[12]), _json(row[13])
            copy.write_row(row)
            written += 1
    return written


def _changes(subject: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    hidden = {*getattr(subject, "UNTOLD", ()), "secret_sha256"}
    both = changes_in_phase(subject)
    before, after = ({name: MASK if name in hidden else side[name] for name in side} for side in both)
    for side in (before, after):
        side.pop("event_hash", None)
    return before, after


def act_on(subject: Any, *, actor: Actor, action: str, at: datetime, **more: Any) -> Act:
    """Return an act on a model row: its type, its public id or key, and its merchant."""
    return Act(
        actor=actor, action=action, object_type=subject._meta.label_lower,
        object_id=getattr(subject, "public_id", None) or str(subject.pk), at=at,
        merchant_id=getattr(subject, "merchant_id", None), **more,
    )  # fmt: skip


def note_reading(
    *, actor: Actor, what: str, sought: Mapping[str, Any], at: datetime, merchant_id: UUID | None = None
) -> None:
    """Record that somebody reads the audit log: `what` is list, record, story or export (PCI DSS 10.2.1.3).

    Runs in the caller's phase, once for each request, before anything is shown.
    """
    record_one(Act(actor, READ, "ledger.auditrecord", what, at, merchant_id, after={"sought": dict(sought)}))


def _surroundings(actor: Actor) -> tuple[str, ...]:
    """Return what is the same for all acts of one actor in one request: who, in which role, from where."""
    request = current_request()
    return (
        _text("actor_kind", actor.kind), _text("actor_id", actor.id), _text("actor_label", actor.label),
        _text("role", request.role or actor.role or actor.kind), _text("request_id", request.request_id),
        request.ip or "", _text("user_agent", request.user_agent),
    )  # fmt: skip


def _row(act: Act, surroundings: tuple[str, ...]) -> list[Any]:
    kind, actor_id, label, role, request_id, ip, user_agent = surroundings
    return [
        uuid7(), act.at, act.merchant_id, kind, actor_id, label, role, _word("action", act.action),
        _word("object_type", act.object_type), _text("object_id", act.object_id),
        _word("outcome", act.outcome), mask_text(act.reason), mask(act.before), mask(act.after),
        request_id, ip or None, user_agent,
    ]  # fmt: skip


def _text(column: str, value: str) -> str:
    # A record of what happened is never refused for the length of a text.
    return mask_text(value)[: _LENGTHS[column]]


_word: Final = lru_cache(maxsize=2_048)(_text)  # for what the code says, never for what a caller sent


def _json(value: Any) -> str:
    return _encode(value) if value else "{}"
