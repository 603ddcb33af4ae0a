"""What finance sets is not edited: it ends, by the next of its kind or by a word."""

from datetime import datetime

from ledger import audit
from ledger.actors import Actor
from ledger.errors import Conflict
from ledger.models import FxSpread, FxTableRate


class AlreadyEnded(Conflict):
    """It has ended."""

    code = "fx_already_ended"


def end(row: FxTableRate | FxSpread, name: str, reason: str, actor: Actor, at: datetime) -> None:
    """End what finance has set now, or at its beginning when that is still to come; `name` is its audit's.

    :raises AlreadyEnded: it has ended.
    """
    if row.valid_to is not None and row.valid_to <= at:
        raise AlreadyEnded(f"the {name.removeprefix('fx_')} has ended")
    was = row.valid_to.isoformat() if row.valid_to else None
    row.valid_to = max(at, row.valid_from)
    row.save(update_fields=["valid_to"])
    audit.record(
        actor=actor, action=f"{name}.ended", subject=row, at=at, reason=reason,
        before={"valid_to": was}, after={"valid_to": row.valid_to.isoformat()},
    )  # fmt: skip
