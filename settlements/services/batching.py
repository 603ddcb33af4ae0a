"""Close a settlement batch: all that is pending for a vendor in one currency, reckoned and made payable.

1. The vendor's accounts are locked, so nobody posts to them meanwhile.
2. All postings not yet in a batch are summed; the sum must be the balance, or nothing happens.
3. What the vendor owes us is recovered first. Nothing left: the batch is carried and its items wait, unless
   they come to nothing by themselves.
4. One INSERT ... SELECT makes the lines, however many; one entry moves the money.
"""

from datetime import date, datetime
from uuid import UUID

from django.db import connection
from django.db.models import Max

from ledger import clock, crashpoints
from ledger.actors import Actor
from ledger.chart import Code
from ledger.crashpoints import crashpoint
from ledger.errors import Conflict, Invalid
from ledger.journal import Leg
from ledger.locks import phased
from ledger.money import Money, check_currency
from ledger.recording import no_answer, record
from payments import numbers
from settlements import locks, posting_rules, selectors
from settlements.calculation import Reckoning, reckon
from settlements.models import SettlementBatch
from settlements.selectors import Unbatched
from settlements.services import Answer
from vendors import selectors as vendor_selectors

crashpoints.register("settlement.before_commit", "settlement.after_commit")

NUMBER = "SET"


class NothingToSettle(Conflict):
    """Nothing has come in for this vendor and currency since the last settlement."""

    code = "nothing_to_settle"
    advice = "Wait until the vendor has new sales or refunds in this currency."


class BusinessDateInFuture(Invalid):
    """A settlement cannot belong to a day that has not begun."""

    code = "business_date_in_future"
    advice = "Leave business_date out for today (UTC), or send a day that has begun."


class BooksDisagree(RuntimeError):
    """The postings not in any batch do not sum to the account's balance: a defect, nothing is settled."""


def settle(
    *,
    merchant_id: UUID,
    vendor_id: UUID,
    currency: str,
    batch_id: UUID,
    actor: Actor,
    at: datetime,
    business_date: date | None = None,
    answer: Answer = no_answer,
) -> SettlementBatch:
    """Close a batch of all that is pending for a vendor; a second call with the same `batch_id` finds it.

    :raises NothingToSettle: nothing came in since the last batch. :raises BusinessDateInFuture: see there.
    :raises VendorNotFound: the merchant has no such vendor. :raises BadCurrency: see there.
    """
    check_currency(currency)
    vendor_selectors.vendor(merchant_id, vendor_id)
    day = business_date or clock.business_date(at)
    if day > clock.business_date(at):
        raise BusinessDateInFuture(f"{day} has not begun", param="business_date")
    batch = SettlementBatch(
        id=batch_id,
        merchant_id=merchant_id,
        vendor_id=vendor_id,
        number=numbers.take(merchant_id, NUMBER, at),
        currency=currency,
        business_date=day,
        occurred_at=at,
    )
    closed = _close(batch, actor, answer)
    crashpoint("settlement.after_commit")
    return closed


@phased
def _close(batch: SettlementBatch, actor: Actor, answer: Answer) -> SettlementBatch:
    pending_ref = posting_rules.vendor_account(Code.VENDOR_PENDING, batch)
    receivable_ref = posting_rules.vendor_account(Code.VENDOR_RECEIVABLE, batch)
    available_ref = posting_rules.vendor_account(Code.VENDOR_AVAILABLE, batch)
    held = locks.accounts(pending_ref, receivable_ref, available_ref)
    known = SettlementBatch.objects.filter(merchant_id=batch.merchant_id, pk=batch.pk).first()
    if known is not None:
        answer(known)
        return known
    found = _items(batch, -held[pending_ref])
    reckoning = reckon(found.sums, owed=held[receivable_ref])
    earlier = SettlementBatch.objects.filter(
        merchant_id=batch.merchant_id, vendor_id=batch.vendor_id, currency=batch.currency
    )
    _refuse_nothing_new(reckoning, selectors.latest(earlier))
    same_day = earlier.filter(business_date=batch.business_date).aggregate(last=Max("sequence"))
    batch.sequence = (same_day["last"] or 0) + 1
    if not reckoning.is_payable:
        with record(batch, actor=actor, at=batch.occurred_at) as entry:
            batch.carry(reckoning)
            entry.announce(batch.as_event())
        if not found.total:
            _write_lines(batch, found)  # they come to nothing: none of them waits for another batch
    else:
        with record(batch, actor=actor, at=batch.occurred_at) as entry:
            batch.close(reckoning)
            entry.post(_legs(batch), step="close", kind="settlement")
            entry.announce(batch.as_event())
        _write_lines(batch, found)
    answer(batch)
    crashpoint("settlement.before_commit")
    return batch


def _legs(batch: SettlementBatch) -> list[Leg]:
    return posting_rules.batch_closed(batch)


def _items(batch: SettlementBatch, pending: Money) -> Unbatched:
    """Return what is not yet in a batch; it comes to the pending balance or the step stops.

    Looks at recent postings first; only when they do not explain the balance, at all of them.
    """
    for since in (selectors.swept_until(batch), selectors.EVER):
        found = selectors.unbatched(batch.merchant_id, batch.vendor_id, batch.currency, since)
        if found.total == pending.minor:
            return found
    raise BooksDisagree(f"vendor {batch.vendor_id}: items {found.total}, balance {pending.minor}")


def _refuse_nothing_new(reckoning: Reckoning, last: SettlementBatch | None) -> None:
    is_same = (
        last is not None
        and not reckoning.pending.is_zero
        and last.state == "carried"
        and (last.items, last.net_minor) == (reckoning.items, reckoning.net.minor)
    )
    if not reckoning.items or is_same:
        raise NothingToSettle("nothing has come in since the last settlement")


def _write_lines(batch: SettlementBatch, found: Unbatched) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO settlements_batchline (batch_id, entry_id, line, purpose, amount_minor)
                SELECT %(batch)s, p.entry_id, p.line, p.purpose, -p.amount {selectors.UNBATCHED}""",
            {"batch": batch.pk, **selectors.unbatched_of(found.account_id, found.since)},
        )
        written = cursor.rowcount
    if written != batch.items:
        raise BooksDisagree(f"{batch.number}: {written} lines written of {batch.items}")
