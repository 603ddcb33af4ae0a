"""Restoration: a corrupted row, or a balance, set right from what the books tell, after two people looked.

The difference is frozen when it is proposed and looked at again when it is applied. Who proposes may not
approve, and the two who approve are two: by constraint here, by guards in the moves, and in SQL, where
`ledger_guard_state` lets a row jump only in the transaction that applies its restoration.
"""

from datetime import datetime
from typing import Any, Final

from django.db import models
from django.db.models import F, Q

from ledger.actors import Actor
from ledger.errors import Forbidden, NotFound
from ledger.recorded import Recorded
from ledger.states import NEW, Edge, Machine, StateField

PROPOSED: Final = "proposed"
APPROVED: Final = "approved"
APPLIED: Final = "applied"
REJECTED: Final = "rejected"

RESTORATION: Final = Machine(
    "restoration",
    [
        Edge("propose", {NEW}, PROPOSED, "restoration.proposed", by="staff"),
        Edge("approve", {PROPOSED}, APPROVED, "restoration.approved", by="staff"),
        Edge("apply", {APPROVED}, APPLIED, "restoration.applied", by="staff"),
        Edge("reject", {PROPOSED, APPROVED}, REJECTED, "restoration.rejected", by="staff"),
    ],
)


class RestorationNotFound(NotFound):
    """There is no such restoration."""

    code = "restoration_not_found"


class TwoApprovers(Forbidden):
    """Two people approve a restoration, and neither of them is the one who proposed it."""

    code = "two_approvers_required"
    advice = "Ask somebody else to approve it."


class Restoration(Recorded):
    """One proposal to set one row, or one balance, right."""

    PREFIX = "rst"
    SUBJECT = "restoration"
    NotFound = RestorationNotFound

    merchant_id = models.UUIDField()
    subject_type = models.CharField(max_length=40)  # of a row with events, or `account`
    subject_key = models.CharField(max_length=40)
    sequence = models.BigIntegerField()  # of the last event, or the account's version, when it was proposed
    # [{"name", "found", "told"}]: each column as it was found and as the books tell it, as in events
    difference = models.JSONField()
    reason = models.CharField(max_length=1000)
    state = StateField(RESTORATION)
    proposer = models.CharField(max_length=120)
    first_approver = models.CharField(max_length=120, blank=True)
    second_approver = models.CharField(max_length=120, blank=True)
    rejecter = models.CharField(max_length=120, blank=True)
    decision_reason = models.CharField(max_length=1000, blank=True)
    proposed_at = models.DateTimeField()
    approved_at = models.DateTimeField(null=True, blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    rejected_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "ledger_restoration"
        constraints = [
            models.CheckConstraint(
                condition=~Q(state=APPLIED)
                | (
                    ~Q(first_approver="")
                    & ~Q(second_approver="")
                    & ~Q(first_approver=F("second_approver"))
                    & ~Q(first_approver=F("proposer"))
                    & ~Q(second_approver=F("proposer"))
                ),
                name="ledger_restoration_two_approvers",
            ),
            models.UniqueConstraint(
                fields=["subject_type", "subject_key"],
                condition=Q(state__in=[PROPOSED, APPROVED]),
                name="ledger_restoration_one_open",
            ),
        ]
        indexes = [models.Index(fields=["state", "id"], name="ledger_restoration_by_state")]

    def __str__(self) -> str:
        return f"{self.subject_type} {self.subject_key}"

    @RESTORATION.edge("propose")
    def propose(self, by: Actor, at: datetime) -> None:
        """Begin: what was found and what it should be."""
        self.proposer, self.proposed_at = person(by), at

    @RESTORATION.edge("approve")
    def approve(self, by: Actor, at: datetime) -> None:
        """A first person other than the proposer agrees. :raises TwoApprovers: it is the proposer."""
        self._refuse(person(by), self.proposer)
        self.first_approver, self.approved_at = person(by), at

    @RESTORATION.edge("apply")
    def apply(self, by: Actor, at: datetime) -> None:
        """A second person agrees, so it is done. :raises TwoApprovers: it is one of the two before."""
        self._refuse(person(by), self.proposer, self.first_approver)
        self.second_approver, self.applied_at = person(by), at

    @RESTORATION.edge("reject")
    def reject(self, by: Actor, reason: str, at: datetime) -> None:
        """Somebody, also the proposer, ends it; nothing is changed."""
        self.rejecter, self.decision_reason, self.rejected_at = person(by), reason, at

    def as_event(self) -> dict[str, Any]:
        """Return the payload of this restoration's events: which columns, not their values."""
        return {
            "id": self.public_id,
            "subject_type": self.subject_type,
            "subject": self.subject_key,
            "columns": sorted(change["name"] for change in self.difference),
            "proposer": self.proposer,
            "first_approver": self.first_approver,
            "second_approver": self.second_approver,
            "reason": self.decision_reason or self.reason,
        }

    def _refuse(self, who: str, *others: str) -> None:
        if who in others:
            raise TwoApprovers("who proposed or approved a restoration may not approve it (again)")


def person(actor: Actor) -> str:
    """Return an actor as one text that no two people share."""
    return f"{actor.kind}:{actor.id}"
