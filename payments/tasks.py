"""Background work of this floor: jobs of single payments, and sweeps that the timetable starts.

Everything here is safe to run twice, late and in parallel; a killed run is made up for by the next one.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from celery import shared_task

from ledger import clock
from ledger.jobs import runs
from payments import locks
from payments.services.bank_files import gathering_entries, handing_files, hearing_banks
from payments.services.calls import fetching_rates, recovering
from payments.services.disputes import mailing_disputes, warning_disputes
from payments.services.marketplace import carrying_sagas, marketplace
from payments.services.methods import encryption_keys
from payments.services.payments import authorizing, capturing, completing, releasing, straying, voiding
from payments.services.refunds import returned_refunds
from payments.services.routes import provider_health
from payments.services.webhooks import webhook_applying

APPLYING_SECONDS = 15.0  # with one message whose rows stay locked (25 s) below the limit of a task


@runs(authorizing.CAPTURE_JOB, queue="money")
def capture(reference: str, at: datetime) -> None:
    """Capture a payment that is to be captured by us."""
    capturing.capture_by_job(UUID(reference), at)


@runs(authorizing.AUTHORIZE_JOB, queue="money")
def authorize(reference: str, at: datetime) -> None:
    """Authorize a payment that a reviewer let go on."""
    authorizing.authorize_by_job(UUID(reference), at)


@runs(authorizing.VOID_LATE_JOB, queue="money")
def void_late(reference: str, at: datetime) -> None:
    """Give back an authorization that came after the payment was cancelled."""
    voiding.void_late_by_job(UUID(reference), at)


@runs(releasing.JOB, queue="money")
def release_rest(reference: str, at: datetime) -> None:
    """Give back what a closed payment did not take."""
    releasing.release_by_job(UUID(reference), at)


@runs(straying.JOB, queue="money")
def void_stray(reference: str, at: datetime) -> None:
    """Give back what a provider reserved after the payment had gone on with another."""
    straying.void_by_job(UUID(reference), at)


@runs(returned_refunds.ASK_JOB, queue="money")
def ask_returned_refund(reference: str, at: datetime) -> None:
    """Ask about a refund whose money had come back and that is spoken of again."""
    returned_refunds.ask_by_job(reference, at)


@runs(authorizing.TIME_OUT_JOB, queue="money")
def time_out_action(reference: str, at: datetime) -> None:
    """Give up a payment whose customer did not act in time."""
    voiding.time_out_by_job(UUID(reference), at)


@runs(marketplace.JOB, queue="money")
def carry_saga(reference: str, at: datetime) -> None:
    """Carry a marketplace payment as far as it goes now."""
    carrying_sagas.carry_by_job(reference, at)


@runs(mailing_disputes.JOB, queue="reports")
def mail_dispute_warning(reference: str, at: datetime) -> None:
    """Mail a merchant that the answer to a dispute is due."""
    mailing_disputes.send_by_job(reference, at)


@runs(gathering_entries.HAND_OVER_JOB, queue="money")
def hand_over_bank_file(reference: str, at: datetime) -> None:
    """Hand a gathered file to its bank."""
    handing_files.hand_over(UUID(reference), at)


@shared_task
def gather_bank_entries(**_: Any) -> None:
    """Put the debits and credits that wait into files to the banks."""
    gathering_entries.gather(clock.now())


@shared_task
def hear_banks(**_: Any) -> None:
    """Take in what banks' files say of our entries."""
    hearing_banks.hear(clock.now())


@shared_task
def apply_webhooks(**_: Any) -> None:
    """Apply what providers told us, as long as there is much of it."""
    until = clock.monotonic() + APPLYING_SECONDS
    # Each batch at its own instant: leases count from it, and a long backlog outlives those of the first.
    while webhook_applying.apply_some(clock.now(), until) >= locks.SUBJECT_AT_ONCE:
        if clock.monotonic() > until:
            break


@shared_task
def recover_operations(**_: Any) -> None:
    """Ask about every provider operation that is due to be asked about."""
    recovering.sweep(clock.now())


@shared_task
def expire_payments(**_: Any) -> None:
    """Let authorizations and unused payments lapse, and warn of those that will soon."""
    completing.expire_due(clock.now())
    completing.warn_due(clock.now())


@shared_task
def complete_payments(**_: Any) -> None:
    """Complete payments from which nothing more is expected."""
    completing.complete_due(clock.now())


@shared_task
def warn_of_disputes(**_: Any) -> None:
    """Warn of disputes whose answer is due soon."""
    warning_disputes.sweep(clock.now())


@shared_task
def fetch_fx_rates(**_: Any) -> None:
    """Take in the newest rates of the feed."""
    fetching_rates.fetch(clock.now())


@shared_task
def probe_providers(**_: Any) -> None:
    """Ask each provider whether it answers, for those who choose one."""
    provider_health.probe()


@shared_task
def rotate_encryption_keys(**_: Any) -> None:
    """Make the next key pair for browsers in time; erase the private halves that are past their grace."""
    encryption_keys.rotate(clock.now())
