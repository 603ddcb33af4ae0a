"""Pay a settlement batch by a bank transfer through the provider: claim, call, conclude.

1. Claim (one phase): the money moves from available to in transit, payout and operation are written.
2. Call: no transaction is open; the operation's key makes it safe to repeat.
3. Conclude (one phase), by whoever learns the outcome first. Paid: the bank statement will show it. Failed
   for certain: the money is available again, the batch payable by the next attempt. Not known: the money
   stays in transit until the recovery has asked; a batch in transit cannot be paid again.
"""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings

from ledger import crashpoints
from ledger.actors import Actor
from ledger.crashpoints import crashpoint
from ledger.errors import Conflict
from ledger.events import Cause
from ledger.locks import phased
from ledger.recording import no_answer, record
from payments import locks as payment_locks
from payments.models import ProviderOperation
from payments.models.operations import Kind
from payments.providers.outcomes import Approved, Declined, Outcome, Pending, Rejected
from payments.services.calls import contradicting, operations, performing
from payments.services.calls.operations import Intent
from settlements import locks, posting_rules
from settlements.models import Payout, SettlementBatch
from settlements.services import Answer
from settlements.states import PayoutState
from vendors import locks as vendor_locks
from vendors.models import Vendor

crashpoints.register("payout.before_commit", "payout.after_commit")  # the others are performing's transfer.*

SUBJECT = "payout"
LEG = "transfer"
ACCOUNT_END = 4


class VendorNotPayable(Conflict):
    """The vendor is not active, so nothing is paid to it now."""

    code = "vendor_not_payable"
    advice = "Activate or reinstate the vendor first; the settlement stays payable."


def process(
    *,
    merchant_id: UUID,
    batch_id: UUID,
    operation_id: UUID,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> SettlementBatch:
    """Pay a batch; a second call with the same `operation_id` finds the first one's payout and ends it.

    :raises SettlementNotFound: the merchant has no such batch. :raises StateConflict: it is not payable
        (paid, being paid, or carried). :raises VendorNotPayable: the vendor is not active.
    """
    batch: SettlementBatch = performing.perform(
        partial(_claim, merchant_id, batch_id, operation_id, actor, at),
        merchant_id=merchant_id,
        operation_id=operation_id,
        actor=actor,
        at=at,
        answer=answer,
    )
    return batch


@phased
def _claim(
    merchant_id: UUID, batch_id: UUID, operation_id: UUID, actor: Actor, at: datetime
) -> ProviderOperation:
    vendor_id = SettlementBatch.objects.filter(merchant_id=merchant_id, pk=batch_id).values_list("vendor_id")
    vendor = vendor_locks.vendor(merchant_id, vendor_id[0][0]) if vendor_id else None
    batch = locks.batch(merchant_id, batch_id)
    if vendor is None or not vendor.is_active:
        raise VendorNotPayable("the vendor is not active", param="vendor_id")
    payout = _new_payout(batch, vendor, operation_id, at)
    with record(payout, batch, actor=actor, at=at, cause=Cause("operation", str(operation_id))) as entry:
        payout.create()
        batch.start_paying()
        entry.post(posting_rules.payout_created(payout, batch), step="create", kind="payout")
        entry.announce(payout.as_event())
        entry.announce(batch.as_event(), subject=batch)
    intent = Intent(
        operation_id=operation_id,
        merchant_id=merchant_id,
        kind=Kind.TRANSFER,
        subject_type=SUBJECT,
        subject_id=payout.pk,
        leg=LEG,
        provider=payout.provider,
        amount=payout.amount,
        request={"destination": vendor.payout_destination, "reference": payout.public_id},
    )
    return operations.claim(intent, actor=actor, at=at)


def _new_payout(batch: SettlementBatch, vendor: Vendor, payout_id: UUID, at: datetime) -> Payout:
    destination = vendor.payout_destination
    account = str(destination.get("iban") or destination.get("account") or "")
    return Payout(
        id=payout_id,
        merchant_id=batch.merchant_id,
        batch=batch,
        attempt=batch.payouts.count() + 1,
        amount_minor=batch.net_minor,
        currency=batch.currency,
        provider=settings.PAYOUT_PROVIDER,
        account_end=account[-ACCOUNT_END:],
        occurred_at=at,
    )


@operations.concludes(Kind.TRANSFER)
def conclude_transfer(
    *, operation_id: UUID, outcome: Outcome, actor: Actor, at: datetime, answer: Answer = no_answer
) -> SettlementBatch:
    """End a transfer by its outcome, in a phase of its own; the first to arrive wins."""
    batch = _conclude(operation_id, outcome, actor, at, answer)
    crashpoint("payout.after_commit")
    return batch


@phased
def _conclude(
    operation_id: UUID, outcome: Outcome, actor: Actor, at: datetime, answer: Answer
) -> SettlementBatch:
    operation = payment_locks.operation(operation_id)
    payout, batch = locks.payout_with_batch(operation.subject_id)
    if operation.is_awaited:
        cause = {"actor": actor, "at": at, "cause": Cause("operation", str(operation_id))}
        match operations.checked(operation, outcome):
            case Approved() as approved:
                _paid(payout, batch, approved, at, cause)
                operations.close(operation, approved, at)
            case (Declined() | Rejected()) as refused:
                _failed(payout, batch, refused, cause)
                operations.close(operation, refused, at)
            case Pending() as pending:
                _sent(payout, pending, cause)
                operations.note(operation, pending, at)
            case not_final:
                operations.note(operation, not_final, at)
    else:
        contradicting.note(operation, outcome, actor=actor, at=at)
    answer(batch)
    crashpoint("payout.before_commit")
    return batch


def _paid(
    payout: Payout, batch: SettlementBatch, outcome: Approved, at: datetime, cause: dict[str, Any]
) -> None:
    with record(payout, batch, **cause) as entry:
        payout.mark_paid(outcome.reference, at)
        batch.mark_paid(at)
        entry.announce(payout.as_event())
        entry.announce(batch.as_event(), subject=batch)


def _failed(
    payout: Payout, batch: SettlementBatch, outcome: Declined | Rejected, cause: dict[str, Any]
) -> None:
    with record(payout, batch, **cause) as entry:
        payout.fail(outcome.code)
        batch.stop_paying()
        entry.post(posting_rules.payout_failed(payout, batch), step="fail", kind="payout_failed")
        entry.announce(payout.as_event())
        entry.announce(batch.as_event(), subject=batch)


def _sent(payout: Payout, outcome: Pending, cause: dict[str, Any]) -> None:
    """The provider took it: said once; later answers that still say "later" change nothing."""
    if payout.state != PayoutState.CREATED:
        return
    with record(payout, **cause) as entry:
        payout.send(outcome.reference or "")
        entry.announce(payout.as_event())
