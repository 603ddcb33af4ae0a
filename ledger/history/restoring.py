"""Set a corrupted row, or an account's balance, right from what the books tell: proposed by one person,
approved by two others, applied once, and an event itself.

Only a row (or a balance) is ever restored: what the signed events or the hashed entries tell is taken for
true, and where one of those is the corrupted witness nothing here helps; that is a backup's work. The
difference is frozen when it is proposed and must still be the same when the second approval applies it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from ledger import audit, changes, events, ids, outbox
from ledger.actors import Actor
from ledger.errors import Conflict
from ledger.events import Cause
from ledger.history import balances, comparing, rebuilding
from ledger.history.comparing import TABLE
from ledger.history.rebuilding import Rebuilt
from ledger.locks import lock, lock_one, phased
from ledger.models import Account, Event, Restoration
from ledger.models.restorations import APPROVED, RestorationNotFound
from ledger.recording import record

ACCOUNT: Final = "account"
CAUSE: Final = "restoration"
RESTORED: Final = "restored"


class NothingToRestore(Conflict):
    """The row is what the books tell."""

    code = "nothing_to_restore"


class NotRestorable(Conflict):
    """The corrupted witness is not the row, or a column that the history does not keep is lost."""

    code = "not_restorable"
    advice = "Restore events and entries from a backup; a row is restored only from whole ones."


class StaleDifference(Conflict):
    """The row or its events changed since the restoration was proposed."""

    code = "restoration_stale"
    advice = "Reject it, look again, and propose what is to be done now."


class AlreadyProposed(Conflict):
    """A restoration of this row waits for its approvers."""

    code = "restoration_open"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be set right, as it stands now, and how."""

    merchant_id: UUID
    sequence: int
    difference: list[dict[str, Any]]
    apply: Callable[[Restoration, Actor, datetime], None]

    @property
    def essence(self) -> object:
        """What must not have changed between proposal and application.

        An account moves on with every posting; what is wrong with its balance stays the same amount.
        """
        if len(self.difference) == 1 and self.difference[0]["name"] == "balance":
            return balances.offset_of(self.difference)
        return self.sequence, self.difference


@phased
def propose(*, subject_type: str, subject_key: str, reason: str, actor: Actor, at: datetime) -> Restoration:
    """Freeze what is wrong with a row, or with the balance of an `account`, for others to approve.

    :raises NothingToRestore: :raises NotRestorable: :raises NoSuchSubject: :raises AlreadyProposed:
    """
    restoration_open = Restoration.objects.filter(
        subject_type=subject_type, subject_key=subject_key, state__in=("proposed", APPROVED)
    ).first()
    if restoration_open is not None:
        raise AlreadyProposed(f"{restoration_open.public_id} waits for its approvers")
    found = _find(subject_type, subject_key)
    restoration = Restoration(
        merchant_id=found.merchant_id, subject_type=subject_type, subject_key=subject_key,
        sequence=found.sequence, difference=found.difference, reason=reason,
    )  # fmt: skip
    with record(restoration, actor=actor, at=at) as entry:
        restoration.propose(actor, at)
        entry.announce(restoration.as_event())
    _audit(restoration, "proposed", reason, actor, at)
    return restoration


@phased
def approve(*, restoration_id: UUID, reason: str, actor: Actor, at: datetime) -> Restoration:
    """Agree to a restoration; the second of two people applies it.

    :raises RestorationNotFound: :raises TwoApprovers: :raises StateConflict: it is closed.
    :raises StaleDifference: what was found at the proposal is not what is found now.
    """
    restoration = lock_one(Restoration.objects.filter(pk=restoration_id), RestorationNotFound)
    if restoration.state != APPROVED:
        with record(restoration, actor=actor, at=at) as entry:
            restoration.approve(actor, at)
            entry.announce(restoration.as_event())
        _audit(restoration, "approved", reason, actor, at)
        return restoration
    found = _find_again(restoration)
    with record(restoration, actor=actor, at=at) as entry:
        restoration.apply(actor, at)
        entry.announce(restoration.as_event())
    found.apply(restoration, actor, at)
    _audit(restoration, "applied", reason, actor, at)
    return restoration


@phased
def reject(*, restoration_id: UUID, reason: str, actor: Actor, at: datetime) -> Restoration:
    """End a restoration without doing anything.

    :raises RestorationNotFound: :raises StateConflict: it is closed.
    """
    restoration = lock_one(Restoration.objects.filter(pk=restoration_id), RestorationNotFound)
    with record(restoration, actor=actor, at=at) as entry:
        restoration.reject(actor, reason, at)
        entry.announce(restoration.as_event())
    _audit(restoration, "rejected", reason, actor, at)
    return restoration


def _find_again(restoration: Restoration) -> Finding:
    try:
        found = _find(restoration.subject_type, restoration.subject_key)
    except NothingToRestore as error:
        raise StaleDifference("there is nothing to restore any more") from error
    frozen = Finding(restoration.merchant_id, restoration.sequence, restoration.difference, found.apply)
    if found.essence != frozen.essence:
        raise StaleDifference("what is wrong now is not what was looked at")
    return found


def _find(subject_type: str, subject_key: str) -> Finding:
    try:
        if subject_type == ACCOUNT:
            return _find_balance(int(subject_key))
        return _find_row(subject_type, UUID(subject_key))
    except ValueError as error:
        raise rebuilding.NoSuchSubject(f"{subject_key} is no key of {subject_type}") from error


# --- balances -------------------------------------------------------------------------------------------
def _find_balance(account_id: int) -> Finding:
    lock(Account.objects.filter(pk=account_id))
    verdict = balances.compare_account(account_id)
    if verdict.holds:
        raise NothingToRestore(f"the balance of account {account_id} is the sum of its postings")
    if verdict.corrupted != [TABLE]:
        raise NotRestorable(str(verdict), corrupted=verdict.corrupted)
    return Finding(verdict.merchant_id, verdict.version, verdict.difference, _apply_balance)


def _apply_balance(restoration: Restoration, actor: Actor, at: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_restore_balance(%s)", [int(restoration.subject_key)])


# --- rows -----------------------------------------------------------------------------------------------
def _find_row(subject_type: str, subject_id: UUID) -> Finding:
    model: Any = rebuilding.model_of(subject_type)
    lock(model.objects.filter(pk=subject_id))
    verdict = comparing.compare(subject_type, subject_id)
    if verdict.holds:
        raise NothingToRestore(f"{subject_type} {subject_id} is what its events tell")
    if verdict.corrupted != [TABLE]:
        raise NotRestorable(str(verdict), corrupted=verdict.corrupted)
    rebuilt = rebuilding.rebuild(subject_type, subject_id)
    if not rebuilt.is_whole or (verdict.is_missing and rebuilt.hidden):
        raise NotRestorable(f"the history of {subject_type} {subject_id} does not keep all of the row")
    if verdict.is_missing:
        said = {"state": rebuilt.state, **rebuilt.said}
        difference = [{"name": name, "found": None, "told": told} for name, told in sorted(said.items())]
    else:
        difference = [
            {"name": found.name, "found": found.found, "told": found.told}
            for found in verdict.differences
            if found.name not in rebuilt.hidden
        ]
    if not difference:
        raise NotRestorable(f"only {', '.join(rebuilt.hidden)} differs, of which no value is kept")

    def apply(restoration: Restoration, actor: Actor, at: datetime) -> None:
        _apply_row(restoration, rebuilt, actor, at, is_missing=verdict.is_missing)

    return Finding(rebuilt.merchant_id, rebuilt.sequence, difference, apply)


def _apply_row(
    restoration: Restoration, rebuilt: Rebuilt, actor: Actor, at: datetime, *, is_missing: bool
) -> None:
    """Write the row as its events tell it, and its own event of that; the restoration is applied already.

    `_base_manager`, because the rows' own manager refuses to write: this is the one place that may.
    """
    model: Any = type(rebuilt.row())
    was = "" if is_missing else model.objects.values_list("state", flat=True).get(pk=rebuilt.subject_id)
    names = [change["name"] for change in restoration.difference if change["name"] in rebuilt.said]
    event = events.build(
        events.Fact(
            id=ids.uuid7(), merchant_id=rebuilt.merchant_id, subject_type=rebuilt.subject_type,
            subject_id=rebuilt.subject_id, sequence=rebuilt.sequence + 1,
            type=f"{rebuilt.subject_type}.{RESTORED}", from_state=was, to_state=rebuilt.state,
            payload={"restoration": restoration.public_id, "columns": names},
            changes={name: rebuilt.said[name] for name in names}, cause=Cause(CAUSE, str(restoration.pk)),
            actor=actor, entry_id=None, occurred_at=at, previous_hash=rebuilt.event_hash,
        )
    )  # fmt: skip
    marks = {"version": event.sequence, "event_hash": event.hash, "state": rebuilt.state}
    if is_missing:
        row = rebuilt.row()
        row.__dict__.update(marks)
        model._base_manager.bulk_create([row])
    else:
        values = {name: changes.decode(rebuilt.said[name]) for name in names}
        model._base_manager.filter(pk=rebuilt.subject_id).update(**values, **marks)
    Event.objects.bulk_create([event])
    outbox.enqueue([event], at)


def _audit(restoration: Restoration, verb: str, reason: str, actor: Actor, at: datetime) -> None:
    audit.record(
        actor=actor,
        action=f"restoration.{verb}",
        subject=restoration,
        at=at,
        reason=reason,
        before={change["name"]: change["found"] for change in restoration.difference},
        after={change["name"]: change["told"] for change in restoration.difference},
    )
