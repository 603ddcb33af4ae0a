"""The integrity desk: what broke an invariant and since when, the runs that looked, and restorations with
their difference and their approvers."""

from collections.abc import Iterable
from datetime import datetime

from django.contrib import admin
from django.utils.safestring import SafeString

from ledger.actors import Actor
from ledger.admin import filters, formats
from ledger.admin.base import Facts, Panel, ReasonedAction, ViewOnlyAdmin, badge_column, by, moment_column
from ledger.admin.history import history_link, shown
from ledger.history import rebuilding, restoring
from ledger.models import InvariantRun, InvariantViolation, Restoration
from ledger.models.restorations import APPROVED, PROPOSED

DECIDES = "ledger.decide_restoration"


def _propose(row: InvariantViolation, actor: Actor, reason: str, at: datetime) -> None:
    restoring.propose(
        subject_type=row.subject_type, subject_key=row.subject_key, reason=reason, actor=actor, at=at
    )


def _can_be_proposed(row: InvariantViolation) -> bool:
    kinds = {*rebuilding.models(), restoring.ACCOUNT}
    return row.gone_at is None and bool(row.subject_key) and row.subject_type in kinds


@admin.register(InvariantViolation)
class ViolationAdmin(ViewOnlyAdmin):
    """What is not as it always is."""

    list_display = ["number", "detail_shown", "state", "first_seen", "last_seen"]
    list_filter = [("gone_at", admin.EmptyFieldListFilter)]
    search_fields = ["=subject_key"]
    hidden_fields = ["id", "fingerprint"]
    ordering = ("-last_seen_at",)
    first_seen = moment_column("first_seen_at", "first seen")
    last_seen = moment_column("last_seen_at", "last seen")
    reasoned_actions = [
        ReasonedAction(
            name="propose",
            label="Propose restoration",
            permission=DECIDES,
            perform=_propose,
            done="The restoration is proposed. Two other people must approve it.",
            is_offered=_can_be_proposed,
            explains="The difference between the row and what the books tell is frozen now. Nothing changes "
            "until two people other than you have approved it.",
        )
    ]

    @admin.display(description="found")
    def detail_shown(self, row: InvariantViolation) -> SafeString:
        return formats.wrapped(row.detail[:200])

    @admin.display(description="state")
    def state(self, row: InvariantViolation) -> SafeString:
        return formats.badge("gone" if row.gone_at else "broken")

    def facts(self, row: InvariantViolation) -> list[Facts]:
        [group] = super().facts(row)
        items = [("state", formats.badge("gone" if row.gone_at else "broken")), *group.items]
        return [Facts(group.title, [*items, ("history", history_link(row.subject_type, row.subject_key))])]


@admin.register(InvariantRun)
class InvariantRunAdmin(ViewOnlyAdmin):
    """When the invariants were checked."""

    list_display = ["kind", "started", "finished", "checked", "broken", "milliseconds"]
    list_filter = ["kind"]
    started = moment_column("started_at", "started")
    finished = moment_column("finished_at", "finished")

    @admin.display(description="milliseconds")
    def milliseconds(self, row: InvariantRun) -> str:
        return f"{row.duration_ms:,}"


@admin.register(Restoration)
class RestorationAdmin(ViewOnlyAdmin):
    """Rows and balances that were, or are to be, set right."""

    list_display = ["subject", "state_shown", "proposer", "first_approver", "second_approver", "proposed"]
    list_filter = [filters.state_of(Restoration)]
    search_fields = ["=subject_key"]
    hidden_fields = ["difference", "event_hash", "id"]
    state_shown = badge_column("state")
    proposed = moment_column("proposed_at", "proposed")
    reasoned_actions = [
        ReasonedAction(
            name="approve",
            label="Approve",
            permission=DECIDES,
            perform=by(restoring.approve, "restoration_id", of_merchant=False),
            done="Approved. The second approval of two people applies it.",
            is_offered=lambda row: row.state in (PROPOSED, APPROVED),
            explains="Two people other than the one who proposed it must approve. The second approval writes "
            "the row as the books tell it, if what is wrong is still what is shown here.",
            is_dangerous=True,
        ),
        ReasonedAction(
            name="reject",
            label="Reject",
            permission=DECIDES,
            perform=by(restoring.reject, "restoration_id", of_merchant=False),
            done="Rejected; nothing was changed.",
            is_offered=lambda row: row.state in (PROPOSED, APPROVED),
        ),
    ]

    @admin.display(description="subject")
    def subject(self, row: Restoration) -> str:
        return f"{row.subject_type.replace('_', ' ')} {row.subject_key}"

    def facts(self, row: Restoration) -> list[Facts]:
        [group] = super().facts(row)
        return [
            Facts(group.title, [*group.items, ("history", history_link(row.subject_type, row.subject_key))])
        ]

    def panels(self, row: Restoration) -> Iterable[Panel]:
        yield Panel(
            "Difference",
            ["column", "as it was found", "as the books tell it"],
            [
                [
                    formats.code(change["name"]),
                    shown(self.admin_site, row.subject_type, change["name"], change["found"]),
                    shown(self.admin_site, row.subject_type, change["name"], change["told"]),
                ]
                for change in row.difference
            ],
        )
