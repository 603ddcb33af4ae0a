"""Who acted: the outside end of an event. A key's request, a person's reasoned act, a provider, or the
timetable of the house."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from ledger import ids
from ledger.explain import seals
from ledger.explain.registry import Scope, explains, keys_of, links_cause, refers_to
from ledger.explain.types import Explanation, Link
from ledger.models import AuditRecord, Event

AUDIT: Final = "aud"


def actors_of(events: Sequence[Event], scope: Scope) -> dict[UUID, Link]:
    """Return who acted in each event; one query, and only when a person did."""
    people = [event for event in events if event.actor_kind == "staff"]
    records: dict[tuple[str, str], list[AuditRecord]] = {}
    if people:
        rows = AuditRecord.objects.filter(
            at__in={event.occurred_at for event in people}, actor_id__in={event.actor_id for event in people}
        )
        for row in rows.order_by("at", "id"):
            records.setdefault((row.actor_id, row.at.isoformat()), []).append(row)
    return {
        event.pk: actor_link(event.actor_kind, event.actor_id, event.request_id)
        if event.actor_kind != "staff"
        else _person(event, scope, records.get((event.actor_id, event.occurred_at.isoformat()), []))
        for event in events
    }


def actor_link(kind: str, actor_id: str, request_id: str) -> Link:
    """Return the outside end that a key, a provider or the house is; a person needs an audit record."""
    match kind:
        case "api_key":
            name = f"API request {request_id}" if request_id else "API request whose id was not kept"
            return Link("request", f"{name}, by {actor_id}", is_outside=True)
        case "provider":
            return Link("provider", f"told by {actor_id}", is_outside=True)
        case "system":
            return Link("schedule", f"the house's own timetable {request_id}".rstrip(), is_outside=True)
        case "staff":
            return Link("person", f"member of staff {actor_id}; no audit record was found")
    return Link("actor", f"{kind} {actor_id} is no kind of actor that is known")


def _person(event: Event, scope: Scope, records: Sequence[AuditRecord]) -> Link:
    named = [row for row in records if row.object_id.endswith(ids.show("", event.subject_id))]
    for row in named or [row for row in records if row.merchant_id == event.merchant_id]:
        return Link("person", _who(row, scope), ids.show(AUDIT, row.pk))
    return actor_link(event.actor_kind, event.actor_id, event.request_id)


def _who(record: AuditRecord, scope: Scope) -> str:
    """Return who acted and why; a merchant is not told which of the platform's people it was."""
    if record.actor_kind == "staff" and scope.merchant_id is not None:
        return "a member of the platform's staff"
    by = record.actor_label or record.actor_id
    return f"{by}: {record.reason}" if record.reason else by


@refers_to(AuditRecord)
def _of_record(record: AuditRecord) -> str:
    return ids.show(AUDIT, record.pk)


@explains(AUDIT)
def people(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain audit records: a person's or key's act, with its reason, is an end."""
    keys = keys_of(AUDIT, tails)
    found = {}
    records = list(scope.of(AuditRecord.objects.filter(pk__in=list(keys))))
    states = seals.of_acts(records)
    for record in records:
        what = record.action.replace("_", " ").replace(".", " ")
        found[keys[record.pk]] = Explanation(
            ref=ids.show(AUDIT, record.pk),
            kind="audit record",
            title=f"{what} {record.object_id}",
            causes=(Link("person", _who(record, scope), is_outside=True),),
            evidence=tuple(
                (label, text)
                for label, text in (("request", record.request_id), ("outcome", record.outcome))
                if text
            ),
            seal=states[record.pk],
            at=record.at,
            page=("ledger_auditrecord", str(record.pk)),
        )
    return found


@links_cause("sweep")
def _sweep(name: str) -> Link:
    return Link("schedule", f"the timetable: {name}", is_outside=True)


@links_cause("request")
def _request(name: str) -> Link:
    return Link("request", f"a request of its own, {name}", is_outside=True)


@links_cause("event")
def _event(key: str) -> Link:
    try:
        return Link("heard the event", "", ids.show("evt", UUID(key)))
    except ValueError:
        return Link("event", f"{key} is no event's id")
