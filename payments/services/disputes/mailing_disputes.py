"""Mail a merchant that the answer to a dispute is due: one message for each warning.

The warning is an event (`dispute.evidence_due_soon`); its handler writes a job, once for each event, and the
job sends the mail. A job whose worker died after the mail server took the message, and before that was noted,
sends it again: at least once, each time under the same Message-ID, by which mailboxes know the second one.
Nobody holds a transaction while the mail server is asked. One that puts the message off is asked again after
growing pauses; one that refuses it for good (SMTP 5xx, RFC 5321 4.2.1) is not, and a person is told.
"""

import smtplib
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import QuerySet
from django.template.loader import render_to_string

from ledger import audit, jobs
from ledger.actors import SYSTEM
from ledger.ids import show
from ledger.locks import phased
from ledger.models import Event, Job
from payments import dispute_selectors
from payments.models import Dispute
from payments.rules import dispute_reasons
from payments.selectors import ALL
from payments.services.disputes import answering_disputes
from vendors import selectors as vendor_selectors
from vendors.models import Merchant

JOB: Final = "mail_dispute_warning"
TEMPLATE: Final = "payments/mail/dispute_warning.txt"
REFUSED: Final = "dispute.warning_not_mailed"
_FOR_GOOD: Final = 500


@phased
def plan(event: Event) -> None:
    """Write the job that mails a warning; hearing of it twice writes one."""
    jobs.schedule(JOB, f"{event.subject_id}:{event.sequence}", event.occurred_at)


def send_by_job(reference: str, at: datetime) -> None:
    """Send the mail, unless the merchant named no address or the answer is not awaited any more.

    :raises OSError: the mail server did not take it (so does `smtplib.SMTPException`); the job tries again.
    :raises Hopeless: it refused the message for good; a record on the dispute says so.
    """
    subject, _, sequence = reference.partition(":")
    event = Event.objects.get(subject_id=UUID(subject), sequence=int(sequence))
    dispute = dispute_selectors.dispute(ALL, event.subject_id)
    merchant = vendor_selectors.merchant(dispute.merchant_id)
    if merchant.notice_address and dispute.awaits_answer and dispute.due_at and at < dispute.due_at:
        try:
            message(event, dispute, merchant, at).send()
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            if _code(error) < _FOR_GOOD:
                raise
            _tell(dispute, str(error), at)
            raise jobs.Hopeless(str(error)) from error


@phased
def _tell(dispute: Dispute, words: str, at: datetime) -> None:
    audit.record(
        actor=SYSTEM, action=REFUSED, subject=dispute, at=at, reason=words[:300], outcome="failed",
        before={}, after={},
    )  # fmt: skip


def _code(error: smtplib.SMTPException) -> int:
    """Return the SMTP code of a refusal; of several recipients the mildest."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return min(code for code, _ in error.recipients.values())
    return int(getattr(error, "smtp_code", 0))


def mails_of(dispute: Dispute) -> QuerySet[Job]:
    """Return the jobs that mail a dispute's warnings, the oldest first."""
    return Job.objects.filter(kind=JOB, reference__startswith=f"{dispute.pk}:").order_by("pk")


def message(event: Event, dispute: Dispute, merchant: Merchant, at: datetime) -> EmailMessage:
    """Return the mail of a warning as of a moment."""
    days_left = dispute.days_left(at)
    text = render_to_string(
        TEMPLATE,
        {
            "dispute": dispute,
            "payment": dispute.payment,
            "merchant": merchant,
            "days_left": days_left,
            "stage": dispute.state.replace("_", " "),
            "reason": dispute_reasons.title(dispute.scheme, dispute.reason_code),
            "due_at": dispute.due_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if dispute.due_at else "",
            "missing": [need.says for need in answering_disputes.missing(dispute)],
            "url": f"{settings.EVERYCENT_URL}/api/v1/disputes/{dispute.public_id}",
        },
    )
    return EmailMessage(
        subject=f"Dispute {dispute.number}: answer due in {_days(days_left)}",
        body=text,
        to=[merchant.notice_address],
        headers={"Message-ID": _message_id(event), "Auto-Submitted": "auto-generated"},
    )


def _days(left: int | None) -> str:
    return "less than a day" if not left else "1 day" if left == 1 else f"{left} days"


def _message_id(event: Event) -> str:
    """Return the same id however often the mail of a warning is sent."""
    _, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return f"<{show('evt', event.pk)}@{address.rpartition('@')[2]}>"
