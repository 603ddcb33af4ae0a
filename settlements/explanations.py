"""What this floor explains of money out: payouts by their batch, batches by their lines and by what was
recovered, and what the events of batches, payouts and matches stand for."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Sum

from ledger.chart import Code
from ledger.explain import accounts, acts, sources
from ledger.explain.entries import posting_ref
from ledger.explain.registry import Scope, causes_events, explains, keys_of
from ledger.explain.types import PARTS_MAX, Explanation, Link, Part, one
from ledger.ids import show
from ledger.models import Account, Event
from ledger.money import Money
from settlements.bank_explanations import line_ref
from settlements.models import BatchLine, Match, Payout, SettlementBatch

BATCH, PAYOUT = SettlementBatch.PREFIX, Payout.PREFIX


@causes_events(SettlementBatch.SUBJECT)
def of_batch_events(events: Sequence[Event], scope: Scope) -> dict[UUID, list[Link]]:
    """A batch that closed moved what its lines say."""
    closed = [event for event in events if event.type == "settlement.closed"]
    return {event.pk: [Link("the batch", "", _batch_ref(event.subject_id))] for event in closed}


@causes_events(Payout.SUBJECT)
def of_payout_events(events: Sequence[Event], scope: Scope) -> dict[UUID, list[Link]]:
    """A payout is reconciled by the bank's line that shows it."""
    seen = {event.subject_id: event.pk for event in events if event.type == "payout.reconciled"}
    found: dict[UUID, list[Link]] = {
        key: [Link("line of the bank's statement", "no line is matched with the payout")]
        for key in seen.values()
    }
    for payout_id, line_id in Match.objects.filter(payout__in=list(seen)).values_list("payout_id", "line_id"):
        found[seen[payout_id]] = [Link("line of the bank's statement", "", line_ref(line_id))]
    return found


@causes_events(Match.SUBJECT)
def of_match_events(events: Sequence[Event], scope: Scope) -> dict[UUID, list[Link]]:
    """A match is caused by the bank's line."""
    rows = dict(
        Match.objects.filter(pk__in=[event.subject_id for event in events]).values_list("pk", "line_id")
    )
    return {
        event.pk: [Link("line of the bank's statement", "", line_ref(rows[event.subject_id]))]
        for event in events
        if event.subject_id in rows
    }


@explains(PAYOUT)
def payouts(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain payouts: each pays the net of one batch."""
    keys = keys_of(PAYOUT, tails)
    rows = list(scope.of(Payout.objects.filter(pk__in=list(keys)).select_related("batch__vendor", "match")))
    made = _made(keys, scope)
    return {
        keys[row.pk]: Explanation(
            ref=row.public_id,
            kind="payout",
            title=f"payout to {row.batch.vendor.name}, account …{row.account_end}, {row.state}",
            amounts=one(row.amount),
            parts=(Part(f"net of {row.batch.number}", row.amount, _batch_ref(row.batch_id)),),
            causes=(_asked(made.get(row.pk)),),
            evidence=tuple(
                (label, text)
                for label, text in (
                    ("provider's reference", row.provider_reference),
                    ("refused with", row.failure_code),
                    ("line of the bank's statement", line_ref(_line_of(row))),
                )
                if text
            ),
            at=row.paid_at or row.occurred_at,
            page=("settlements_payout", str(row.pk)),
        )
        for row in rows
    }


@explains(BATCH)
def batches(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain batches (`set_…`), their lines of one purpose (`set_….sale`, or a page: `set_….sale.p2`)."""
    heads = {tail: tail.partition(".")[0] for tail in tails}
    keys = {head: key for key, head in keys_of(BATCH, set(heads.values())).items()}
    rows = scope.of(
        SettlementBatch.objects.filter(pk__in=list(keys.values())).select_related("vendor")
    ).in_bulk()
    groups = {
        tail: (rows[keys[head]], tail.partition(".")[2])
        for tail, head in heads.items()
        if tail != head and keys.get(head) in rows
    }
    whole = [rows[keys[tail]] for tail in heads if keys.get(tail) in rows]
    return (_whole(whole, scope) if whole else {}) | (_groups(groups) if groups else {})


def _whole(rows: Sequence[SettlementBatch], scope: Scope) -> dict[str, Explanation]:
    sums = BatchLine.objects.filter(batch__in=[row.pk for row in rows]).values("batch_id", "purpose")
    parts: dict[UUID, list[Part]] = {row.pk: [] for row in rows}
    by_id = {row.pk: row for row in rows}
    for line in sums.annotate(total=Sum("amount_minor")).order_by("batch_id", "-purpose"):
        row = by_id[line["batch_id"]]
        ref = f"{row.public_id}.{line['purpose']}"
        parts[row.pk].append(Part(line["purpose"].replace("_", " "), _money(line["total"], row), ref))
    recovered = _recovered([row for row in rows if row.recovered_minor], scope)
    made = _made(by_id, scope)
    found = {}
    for row in rows:
        is_carried = row.state == "carried"
        shown = parts[row.pk] if is_carried else parts[row.pk] + recovered.get(row.pk, [])
        found[row.public_id.partition("_")[2]] = Explanation(
            ref=row.public_id,
            kind="settlement batch",
            title=f"{row.number} with {row.vendor.name}, {row.business_date}, {row.items} lines, {row.state}",
            amounts=one(_money(0, row) if is_carried else row.net),
            parts=tuple(shown) or (Part("carried to the next batch", _money(0, row), "", False),),
            causes=(_asked(made.get(row.pk)),),
            at=row.occurred_at,
            page=("settlements_settlementbatch", str(row.pk)),
        )
    return found


def _recovered(rows: Sequence[SettlementBatch], scope: Scope) -> dict[UUID, list[Part]]:
    """Return what the vendor owed us: the movements of his receivable account up to the batch's entry."""
    if not rows:
        return {}
    booked = sources.booked([SettlementBatch.SUBJECT], [row.pk for row in rows], scope)
    entries = {entry.source_id: entry for entry, _ in booked.entries if entry.step == "close"}
    owed = scope.of(
        Account.objects.filter(
            code=Code.VENDOR_RECEIVABLE.value,
            merchant_id__in={row.merchant_id for row in rows},
            owner__in={str(row.vendor_id) for row in rows},
        )
    )
    by_owner = {(row.merchant_id, row.owner, row.currency): accounts.short(row) for row in owed}
    parts = {}
    for row in rows:
        account = by_owner.get((row.merchant_id, str(row.vendor_id), row.currency))
        entry = entries.get(row.pk)
        if account is not None and entry is not None:
            ref = accounts.Stretch(account, high=entry.recorded_at).ref
            parts[row.pk] = [Part("recovered of what was owed", -row.recovered, ref)]
    return parts


def _groups(wanted: dict[str, tuple[SettlementBatch, str]]) -> dict[str, Explanation]:
    lines: dict[tuple[UUID, str], list[BatchLine]] = {}
    purposes = {rest.partition(".")[0] for _, rest in wanted.values()}
    rows = BatchLine.objects.filter(batch__in={row.pk for row, _ in wanted.values()}, purpose__in=purposes)
    for line in rows.order_by("batch_id", "id"):
        lines.setdefault((line.batch_id, line.purpose), []).append(line)
    found = {}
    for tail, (row, rest) in wanted.items():
        purpose, _, page = rest.partition(".p")
        own = lines.get((row.pk, purpose), [])
        if not own or (page and not page.isdecimal()):
            continue
        parts = _parts_of(row, purpose, own, int(page) if page else None)
        if parts:
            total = sum(part.amount.minor for part in parts)
            found[tail] = Explanation(
                ref=f"{BATCH}_{tail}",
                kind="lines of a batch",
                title=f"{_counted(own)} in {row.number}{f', page {page}' if page else ''}",
                amounts=one(_money(total, row)),
                parts=tuple(parts),
                at=row.occurred_at,
                page=("settlements_settlementbatch", str(row.pk)),
            )
    return found


def _parts_of(row: SettlementBatch, purpose: str, own: Sequence[BatchLine], page: int | None) -> list[Part]:
    if page is None and len(own) > PARTS_MAX:
        return [
            Part(
                f"lines {start + 1} to {min(start + PARTS_MAX, len(own))}",
                _money(sum(line.amount_minor for line in own[start : start + PARTS_MAX]), row),
                f"{row.public_id}.{purpose}.p{start // PARTS_MAX}",
            )
            for start in range(0, len(own), PARTS_MAX)
        ]
    start = (page or 0) * PARTS_MAX
    return [
        Part(f"line {number}", _money(line.amount_minor, row), posting_ref(line.entry_id, line.line))
        for number, line in enumerate(own[start : start + PARTS_MAX], start + 1)
    ]


def _counted(lines: Sequence[BatchLine]) -> str:
    return f"{len(lines)} {'posting' if len(lines) == 1 else 'postings'}"


def _made(subject_ids: Any, scope: Scope) -> dict[UUID, Event]:
    rows = scope.of(Event.objects.filter(subject_id__in=list(subject_ids), sequence=1))
    return {event.subject_id: event for event in rows}


def _asked(event: Event | None) -> Link:
    if event is None:
        return Link("asked for", "no event tells how it came to be")
    link = acts.actor_link(event.actor_kind, event.actor_id, event.request_id)
    return Link(f"asked for by {link.label}", link.text, is_outside=link.is_outside)


def _line_of(row: Payout) -> int | None:
    match = getattr(row, "match", None)
    return match.line_id if match else None


def _money(minor: int, row: SettlementBatch) -> Money:
    return Money(minor, row.currency)


def _batch_ref(batch_id: UUID) -> str:
    return show(BATCH, batch_id)
