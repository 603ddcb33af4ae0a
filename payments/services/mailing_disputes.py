"""Mail a merchant that the answer to a dispute is due: one message for each warning.

The warning is an event (`dispute.evidence_due_soon`); its handler writes a job, once for each event, and the
job sends the mail. A job whose worker died after the mail server took the message, and before that was noted,
sends it again: at least once, each time under the same Message-ID, by which mailboxes know the second one.
Nobody holds a transaction while the mail server is asked.
"""

from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from ledger import jobs
from ledger.ids import show
from ledger.locks import phased
from ledger.models import Event
from payments import dispute_reasons, dispute_selectors
from payments.models import Dispute
from payments.selectors import ALL
from payments.services import answering_disputes
from vendors import selectors as vendor_selectors
from vendors.models import Merchant

JOB: Final = "mail_dispute_warning"
TEMPLATE: Final = "payments/mail/dispute_warning.txt"


@phased
def plan(event: Event) -> None:
    """Write the job that mails a warning; hearing of it twice writes one."""
    jobs.schedule(JOB, f"{event.subject_id}:{event.sequence}", event.occurred_at)


def send_by_job(reference: str, at: datetime) -> None:
    """Send the mail, unless the merchant named no address or the answer is not awaited any more.

    :raises OSError: the mail server did not take it (so does `smtplib.SMTPException`); the job tries again.
    """
    subject, _, sequence = reference.partition(":")
    event = Event.objects.get(subject_id=UUID(subject), sequence=int(sequence))
    dispute = dispute_selectors.dispute(ALL, event.subject_id)
    merchant = vendor_selectors.merchant(dispute.merchant_id)
    if merchant.notice_address and dispute.awaits_answer and dispute.due_at and at < dispute.due_at:
        message(event, dispute, merchant, at).send()


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
