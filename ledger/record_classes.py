"""What the ground floor keeps, and how long."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from ledger.archives.carrying import carry_forward, refuse_unrest, refuse_unsealed_acts
from ledger.models import Job, OutboxMessage
from ledger.retention import Disposal, RecordClass, register


def _sent(before: datetime) -> QuerySet[OutboxMessage]:
    return OutboxMessage.objects.filter(sent_at__lt=before)


def _finished(before: datetime) -> QuerySet[Job]:
    return Job.objects.filter(finished_at__lt=before)


def _working_data(
    name: str, title: str, rows: Callable[[datetime], QuerySet[Any]], moment: str, subject: str, days: int,
    because: str,
) -> RecordClass:  # fmt: skip
    """Declare rows of no merchant that are erased after some days, because their work is done."""
    return register(
        RecordClass(
            name=name,
            title=title,
            disposal=Disposal.ERASE,
            rows=rows,
            moment=moment,
            merchant="",
            subjects=(subject,),
            days=days,
            legal_basis=f"working data: {because}",
        )
    )


JOURNAL = register(
    RecordClass(
        name="journal",
        title="journal entries and postings",
        disposal=Disposal.ARCHIVE,
        tables=("ledger_posting", "ledger_entry"),
        moment="recorded_at",
        subjects=("id", "source_id", "entry_id", "account_id"),
        days_min=1_825,
        before_file=refuse_unrest,
        before_detach=carry_forward,
        legal_basis="commercial and tax law: books and records of transactions, seven years (brief 003)",
    )
)
EVENTS = register(
    RecordClass(
        name="events",
        title="events of subjects at rest",
        disposal=Disposal.ARCHIVE,
        tables=("ledger_event",),
        moment="recorded_at",
        subjects=("id", "subject_id", "entry_id", "actor_id", "request_id"),
        days_min=1_825,
        by_stream=True,
        legal_basis="commercial and tax law: seven years from the last event of the subject (brief 003)",
    )
)
FACTS = register(
    RecordClass(
        name="facts",
        title="the register of business facts",
        disposal=Disposal.KEEP,
        tables=("ledger_fact",),
        moment="",
        subjects=("source_id",),
        legal_basis="a fact posts once for ever; it names no person and no amount",
    )
)
AUDIT = register(
    RecordClass(
        name="audit",
        title="audit records",
        disposal=Disposal.ARCHIVE,
        tables=("ledger_audit",),
        moment="at",
        subjects=("object_id", "actor_id", "request_id"),
        days_min=365,
        before_file=refuse_unsealed_acts,
        before_detach=refuse_unsealed_acts,
        legal_basis="PCI DSS 4.0, 10.5.1 asks 12 months; commercial and tax law up to seven years",
    )
)
OUTBOX = _working_data(
    "outbox", "delivered news", _sent, "due_at", "subject_id", 90, "the events that they carry are kept"
)
JOBS = _working_data(
    "jobs", "finished jobs", _finished, "created_at", "reference", 7, "what they did is in the books"
)
