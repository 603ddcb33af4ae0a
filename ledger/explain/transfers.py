"""Transfers, holds and alerts: a transfer by who asked for it and who agreed, a hold by who placed it."""

from collections.abc import Sequence
from uuid import UUID

from ledger.explain.registry import Scope, causes_events, explains, first_events, keys_of
from ledger.explain.types import Explanation, Link, Part, one
from ledger.models import Event
from ledger.models.transfers import AmlAlert, Hold, Transfer
from ledger.money import Money

TRANSFER, HOLD, ALERT = Transfer.PREFIX, Hold.PREFIX, AmlAlert.PREFIX


@causes_events(Transfer.SUBJECT)
def of_transfer_events(events: Sequence[Event], scope: Scope) -> dict[UUID, list[Link]]:
    """A transfer that completed after its first event was asked for by that one."""
    made = first_events({event.subject_id for event in events if event.sequence > 1}, scope)
    return {
        event.pk: [Link("asked for", "", made[event.subject_id])]
        for event in events
        if event.sequence > 1 and event.subject_id in made
    }


@explains(TRANSFER)
def transfers(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain transfers by who asked for them."""
    keys = keys_of(TRANSFER, tails)
    rows = list(scope.of(Transfer.objects.filter(pk__in=list(keys)).select_related("hold", "refunds")))
    made = first_events([row.pk for row in rows], scope)
    found = {}
    for row in rows:
        causes = [_asked(made.get(row.pk))]
        if row.hold is not None:
            causes.append(Link("out of the hold", "", row.hold.public_id))
        if row.refunds is not None:
            causes.append(Link("takes back", "", row.refunds.public_id))
        found[keys[row.pk]] = Explanation(
            ref=row.public_id,
            kind="transfer",
            title=f"{row.type.replace('_', ' ')}, {row.state}".replace("_", " "),
            amounts=one(row.amount),
            causes=tuple(causes),
            evidence=(("for", row.description),) if row.description else (),
            at=row.created_at,
            page=("ledger_transfer", str(row.pk)),
        )
    return found


@explains(HOLD)
def holds(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain what holds keep: the amount that was set aside less what was committed or let go."""
    keys = keys_of(HOLD, tails)
    rows = list(scope.of(Hold.objects.filter(pk__in=list(keys)).select_related("reviews")))
    made = first_events([row.pk for row in rows], scope)
    found = {}
    for row in rows:
        causes = [_asked(made.get(row.pk))]
        if row.reviews is not None:
            causes.append(Link("while it is looked at", "", row.reviews.public_id))
        parts = [Part("set aside", Money(row.amount_minor, row.currency), "", False)]
        if row.committed_minor:
            parts.append(Part("committed", Money(-row.committed_minor, row.currency), "", False))
        let_go = 0 if row.is_open else row.amount_minor - row.committed_minor
        if let_go:
            parts.append(Part(f"let go, {row.state}", Money(-let_go, row.currency), "", False))
        found[keys[row.pk]] = Explanation(
            ref=row.public_id,
            kind="hold",
            title=f"for a {row.type.replace('_', ' ')}, {row.state.replace('_', ' ')}",
            amounts=one(row.remaining),
            parts=tuple(parts),
            causes=tuple(causes),
            at=row.created_at,
            page=("ledger_hold", str(row.pk)),
        )
    return found


@explains(ALERT)
def alerts(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain alerts by the event that raised them; a merchant is not told of them."""
    keys = keys_of(ALERT, tails) if scope.merchant_id is None else {}
    rows = list(AmlAlert.objects.filter(pk__in=list(keys)))
    made = first_events([row.pk for row in rows], scope)
    return {
        keys[row.pk]: Explanation(
            ref=row.public_id,
            kind="alert",
            title=f"{row.rule.replace('_', ' ')}, {row.state}",
            amounts=one(Money(row.amount_minor, row.currency)),
            causes=(_asked(made.get(row.pk)),),
            page=("ledger_amlalert", str(row.pk)),
        )
        for row in rows
    }


def _asked(event_ref: str | None) -> Link:
    if event_ref is None:
        return Link("asked for", "no event tells how it came to be")
    return Link("asked for", "", event_ref)
