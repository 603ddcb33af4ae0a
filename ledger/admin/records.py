"""Records for staff: events, the outbox and jobs. A dead message may be tried again."""

from collections.abc import Iterable
from datetime import datetime

from django.contrib import admin
from django.utils.safestring import SafeString

from ledger import audit, jobs, outbox
from ledger.actors import Actor
from ledger.admin import filters, formats
from ledger.admin.base import (
    Facts,
    Panel,
    ReasonedAction,
    ViewOnlyAdmin,
    code_column,
    link_column,
    moment_column,
)
from ledger.locks import phased
from ledger.models import Event, Job, OutboxMessage
from ledger.states import Machine

ACTORS = ("api_key", "staff", "operator", "system", "provider")


@admin.register(Event)
class EventAdmin(ViewOnlyAdmin):
    """Facts about subjects, in sequence, signed and chained."""

    list_display = ["type_shown", "subject", "sequence", "moved", "by", "happened"]
    list_filter = [
        filters.one_of("subject_type", sorted(Machine.registry)),
        filters.one_of("actor_kind", ACTORS),
    ]
    search_fields = ["=id", "=subject_id"]

    happened = moment_column("occurred_at", "happened")

    @admin.display(description="event")
    def type_shown(self, row: Event) -> str:
        return row.type

    @admin.display(description="subject")
    def subject(self, row: Event) -> SafeString:
        return formats.code(row.subject_id)

    @admin.display(description="moved")
    def moved(self, row: Event) -> str:
        return f"{row.from_state or 'new'} → {row.to_state}".replace("_", " ")

    @admin.display(description="by")
    def by(self, row: Event) -> str:
        return f"{row.actor_kind} {row.actor_id}"

    def panels(self, row: Event) -> Iterable[Panel]:
        yield Panel(
            "Messages to handlers",
            ["handler", "state", "tries", "due", "sent", "last error"],
            [
                [
                    formats.link(message, message.handler),
                    formats.badge(_message_state(message)),
                    message.tries,
                    formats.moment(message.due_at),
                    formats.moment(message.sent_at),
                    message.last_error or formats.NOTHING,
                ]
                for message in row.messages.order_by("pk")
            ],
            empty="nobody listens to this event",
        )


def _message_state(message: OutboxMessage) -> str:
    return "sent" if message.sent_at else "dead" if message.dead_at else "waiting"


@phased
def _retry_message(message: OutboxMessage, actor: Actor, reason: str, at: datetime) -> None:
    outbox.retry_dead(message.pk, at)
    audit.record(actor=actor, action="outbox.retried", subject=message, reason=reason, at=at)


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ViewOnlyAdmin):
    """Events on their way to handlers."""

    list_display = ["handler", "event_shown", "state", "tries", "due", "sent", "last_error"]
    list_select_related = ["event"]
    list_filter = [("dead_at", admin.EmptyFieldListFilter), ("sent_at", admin.EmptyFieldListFilter)]
    search_fields = ["=subject_id"]
    reasoned_actions = [
        ReasonedAction(
            name="retry",
            label="Try again",
            permission="ledger.retry_dead",
            perform=_retry_message,
            done="The message is due now.",
            is_offered=lambda message: message.dead_at is not None,
            explains="The handler is asked again from its first try on. Handlers are safe to run twice.",
        )
    ]
    event_shown = link_column("event")
    due = moment_column("due_at")
    sent = moment_column("sent_at")

    @admin.display(description="state")
    def state(self, row: OutboxMessage) -> SafeString:
        return formats.badge(_message_state(row))


def _job_state(job: Job) -> str:
    return "done" if job.finished_at else "dead" if job.dead_at else "waiting"


@admin.register(Job)
class JobAdmin(ViewOnlyAdmin):
    """Work to be done, as rows; the broker only hurries them."""

    list_display = ["kind", "reference_shown", "queue", "state", "tries", "due", "finished", "last_error"]
    list_filter = [
        filters.one_of("kind", lambda: sorted(jobs.kinds)),
        ("dead_at", admin.EmptyFieldListFilter),
        ("finished_at", admin.EmptyFieldListFilter),
    ]
    search_fields = ["=reference"]
    reference_shown = code_column("reference")
    due = moment_column("run_at", "due")
    finished = moment_column("finished_at")

    @admin.display(description="state")
    def state(self, row: Job) -> SafeString:
        return formats.badge(_job_state(row))

    def facts(self, row: Job) -> list[Facts]:
        [group] = super().facts(row)
        known = "yes" if row.kind in jobs.kinds else "no"
        return [Facts(group.title, [("state", formats.badge(_job_state(row))), *group.items,
                                    ("known to this release", known)])]  # fmt: skip
