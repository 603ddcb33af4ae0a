"""What this floor explains of vendors' shares: their money by postings, their commission by the terms that
were frozen on them. And why a capture's or refund's postings are what they are: fees and commissions."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ledger import ids
from ledger.explain import sources
from ledger.explain.entries import leg_text, posting_ref
from ledger.explain.registry import Scope, causes_postings, explains, first_events, keys_of
from ledger.explain.types import Explanation, Link, Part, one
from ledger.models import JournalEntry, Posting
from ledger.money import Money
from payments.explanations.payments import FEE, OURS
from payments.models import Dispute, Payment, PaymentTransaction, ProviderOperation, Refund
from vendors import commission
from vendors.explanations import RULE, terms

SHARE = PaymentTransaction.PREFIX
TERMS = "terms"
COMMISSION = ("commission", "commission_back")


@explains(SHARE)
def shares(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain shares (`ptx_…`) and the commission agreed on them (`ptx_….terms`)."""
    heads = {tail: tail.partition(".")[0] for tail in tails}
    keys = {head: key for key, head in keys_of(SHARE, set(heads.values())).items()}
    rows = scope.of(
        PaymentTransaction.objects.filter(pk__in=list(keys.values())).select_related("vendor", "payment")
    ).in_bulk()
    made = first_events(rows, scope)
    whole = [rows[keys[tail]] for tail in heads if tail in keys and keys[tail] in rows]
    postings, lacking = _postings_of(whole, scope)
    found = {}
    for tail, head in heads.items():
        row = rows.get(keys[head]) if head in keys else None
        if row is None:
            continue
        if tail == head:
            parts, problems = postings.get(row.pk, []), lacking.get(row.payment_id, ())
            found[tail] = _share(row, parts, made.get(row.pk), problems)
        elif tail == f"{head}.{TERMS}":
            found[tail] = _terms(row, made.get(row.pk))
    return found


def _share(
    row: PaymentTransaction, parts: list[Part], made: str | None, problems: tuple[str, ...]
) -> Explanation:
    returned = row.commission_refunded_minor + row.commission_disputed_minor
    kept = row.commission_captured_minor - returned
    gone = row.refunded_minor + row.disputed_minor
    return Explanation(
        ref=row.public_id,
        kind="share",
        title=f"{row.vendor.name}'s part of {row.payment.number}, less commission, refunds and disputes",
        amounts=one(row.money(row.captured_minor - gone - kept)),
        parts=tuple(parts),
        causes=(Link("created", "", made),) if made else (Link("created", "no event tells of it"),),
        problems=problems,
        at=row.created_at,
        page=("payments_paymenttransaction", str(row.pk)),
    )


def _terms(row: PaymentTransaction, made: str | None) -> Explanation:
    agreed = terms(row.commission_rate_bps, row.commission_fixed_minor)
    due = commission.compute(row.amount, row.commission_rate_bps, row.commission_fixed_minor)
    problems: tuple[str, ...] = ()
    causes = [Link("frozen with the share", "", made)] if made else []
    if due != row.commission:
        problems = (f"{agreed} of {row.amount.display()} is {due.display()}",)
    elif row.commission_rule_id is None:
        problems = ("no rule says that a commission is taken",)
    else:
        causes.append(Link("rule", agreed, ids.show(RULE, row.commission_rule_id)))
    return Explanation(
        ref=f"{row.public_id}.{TERMS}",
        kind="commission",
        title=f"{agreed} of {row.amount.display()} for {row.vendor.name}'s part of {row.payment.number}",
        amounts=one(row.commission),
        causes=tuple(causes),
        problems=problems,
        at=row.created_at,
        page=("payments_paymenttransaction", str(row.pk)),
    )


def _postings_of(
    rows: Sequence[PaymentTransaction], scope: Scope
) -> tuple[dict[UUID, list[Part]], dict[UUID, tuple[str, ...]]]:
    """Return each vendor's postings of each payment and of its refunds, from the vendor's side.

    Beside it stands, by payment, why some could not be read back from archives.
    """
    if not rows:
        return {}, {}
    payments = {row.payment_id for row in rows}
    payment_of = dict.fromkeys(payments) | {key: key for key in payments}
    refunds = Refund.objects.filter(payment__in=payments).values_list("pk", "payment_id")
    payment_of |= dict(refunds)
    disputes = Dispute.objects.filter(payment__in=payments).values_list("pk", "payment_id")
    payment_of |= dict(disputes)
    booked = sources.booked(OURS, list(payment_of), scope)
    share_of = {(str(row.payment_id), str(row.vendor_id)): row.pk for row in rows}
    found: dict[UUID, list[Part]] = {}
    for entry, leg in ((entry, leg) for entry, legs in booked.entries for leg in legs):
        share = share_of.get((str(payment_of[entry.source_id]), leg.account.owner))
        if share is not None:
            label = leg_text(leg, {leg.account.owner: "the vendor"})
            part = Part(label, Money(-leg.amount, leg.currency), posting_ref(leg.entry_id, leg.line))
            found.setdefault(share, []).append(part)
    of_payment: dict[UUID, list[UUID]] = {}
    for source, payment in payment_of.items():
        if payment is not None:
            of_payment.setdefault(payment, []).append(source)
    return found, {payment: booked.lacking(own) for payment, own in of_payment.items()}


# --- why postings of captures and refunds are what they are ------------------------------------------------
@causes_postings(Payment.SUBJECT)
def of_captures(pairs: Sequence[tuple[JournalEntry, Posting]], scope: Scope) -> dict[Any, list[Link]]:
    """Lead fees to the operation they were kept of, commissions to the share they were agreed on."""
    found = commissions(pairs, {entry.source_id: entry.source_id for entry, _ in pairs}, scope)
    fees = [(entry, posting) for entry, posting in pairs if posting.purpose == "fee"]
    operations = ProviderOperation.objects.filter(
        subject_type=Payment.SUBJECT, subject_id__in={entry.source_id for entry, _ in fees},
        leg__in={entry.step for entry, _ in fees}, outcome="approved",
    ) if fees else ()  # fmt: skip
    by_leg = {(row.subject_id, row.leg): row for row in operations}
    for entry, posting in fees:
        row = by_leg.get((entry.source_id, entry.step))
        if row is not None:
            link = Link("the provider's fee", "", f"{row.public_id}.{FEE}")
            found.setdefault((posting.entry_id, posting.line), []).append(link)
    return found


@causes_postings(Refund.SUBJECT)
def of_refunds(pairs: Sequence[tuple[JournalEntry, Posting]], scope: Scope) -> dict[Any, list[Link]]:
    """Lead commissions that were given back to the share they were agreed on."""
    refunds = Refund.objects.filter(pk__in={entry.source_id for entry, _ in pairs})
    return commissions(pairs, dict(refunds.values_list("pk", "payment_id")), scope)


def commissions(
    pairs: Sequence[tuple[JournalEntry, Posting]], payment_of: dict[UUID, UUID], scope: Scope
) -> dict[Any, list[Link]]:
    """Lead commissions that moved to the share they were agreed on; `payment_of` the entry's source."""
    taken = [(entry, posting) for entry, posting in pairs if posting.purpose in COMMISSION]
    if not taken:
        return {}
    owners = _vendors_of([posting for _, posting in taken], scope)
    rows = scope.of(
        PaymentTransaction.objects.filter(
            payment__in={payment_of.get(entry.source_id) for entry, _ in taken} - {None}
        )
    )
    shares_by = {(row.payment_id, str(row.vendor_id)): row.public_id for row in rows}
    found: dict[Any, list[Link]] = {}
    for entry, posting in taken:
        key = (posting.entry_id, posting.line)
        share = shares_by.get((payment_of.get(entry.source_id), owners.get(key, "")))
        link = Link("commission agreed", "", f"{share}.{TERMS}") if share else NO_SHARE
        found[key] = [link]
    return found


NO_SHARE = Link("commission agreed", "no share of a vendor is there that it could be taken of")


def _vendors_of(wanted: Sequence[Posting], scope: Scope) -> dict[tuple[UUID, int], str]:
    """Return whose commission a posting is: the line of our income stands after the vendor's own."""
    booked = sources.in_books({leg.entry_id for leg in wanted}, scope)
    owners = {
        (leg.entry_id, leg.line): leg.account.owner
        for _, legs in booked.entries
        for leg in legs
        if leg.purpose in COMMISSION
    }
    return {
        (leg.entry_id, leg.line): owners[leg.entry_id, leg.line]
        or owners.get((leg.entry_id, leg.line - 1), "")
        for leg in wanted
    }
