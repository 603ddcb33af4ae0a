"""What settlements tells in a payment's story: the batch, the payout, the lines of the bank's statement."""

from collections.abc import Iterable
from uuid import UUID

from ledger.admin import formats
from ledger.admin.story import Context, Item, made_at, tells
from settlements.models import BatchLine, FundedOperation, Match, Payout


@tells("payment")
def settled_in(context: Context) -> Iterable[Item]:
    """Tell in which batches the payment's postings were reckoned, how they were paid, what the bank shows."""
    lines = (
        BatchLine.objects.filter(entry_id__in=context.entry_ids)
        .select_related("batch__vendor")
        .order_by("batch_id", "id")
    )
    parts: dict[UUID, list[BatchLine]] = {}
    for line in lines:
        parts.setdefault(line.batch_id, []).append(line)
    for own in parts.values():
        batch = own[0].batch
        part = formats.money_text(sum(line.amount_minor for line in own), batch.currency)
        yield Item(
            at=batch.occurred_at, kind="settlement",
            title=f"{batch.number} reckoned with {batch.vendor.name}",
            detail=f"{part} of its net {formats.money_text(batch.net_minor, batch.currency)}",
            badge=formats.badge(batch.state), link=formats.page_of(batch), tone="money",
            written=made_at(batch.pk),
        )  # fmt: skip
    yield from _paid_out(list(parts))
    yield from _funded(context)


def _paid_out(batch_ids: list[UUID]) -> Iterable[Item]:
    if not batch_ids:
        return
    payouts = Payout.objects.filter(batch_id__in=batch_ids).select_related("batch__vendor")
    for payout in payouts.order_by("occurred_at"):
        amount = formats.money_text(payout.amount_minor, payout.currency)
        yield Item(
            at=payout.paid_at or payout.occurred_at, kind="payout",
            title=f"{amount} to {payout.batch.vendor.name}, account …{payout.account_end}",
            detail=payout.provider_reference or payout.failure_code, badge=formats.badge(payout.state),
            link=formats.page_of(payout), tone="bad" if payout.failure_code else "money",
            written=made_at(payout.pk),
        )  # fmt: skip
    matches = Match.objects.filter(payout__batch_id__in=batch_ids).select_related("line__statement")
    for match in matches.order_by("occurred_at"):
        yield _bank_line(match, "the bank shows the payout")


def _funded(context: Context) -> Iterable[Item]:
    funded = (
        FundedOperation.objects.filter(operation__payment_id=context.subject.pk)
        .select_related("match__line__statement", "operation")
        .order_by("id")
    )
    for one in funded:
        part = formats.money_text(one.amount_minor - one.fee_minor, one.match.currency)
        yield _bank_line(one.match, f"the bank shows the {one.operation.leg.replace(':', ' ')}: {part} of it")


def _bank_line(match: Match, title: str) -> Item:
    line = match.line
    total = formats.money_text(line.amount_minor, line.currency)
    return Item(
        at=match.occurred_at,
        kind="bank line",
        title=title,
        detail=f"line {line.line_no} of statement {line.statement.reference}: {total}",
        badge=formats.badge("reconciled"),
        link=formats.page_of(line),
        tone="good",
        written=made_at(match.pk),
    )
