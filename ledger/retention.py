"""Retention: how long each class of records is kept, and legal holds that stop the clock.

Every floor registers its classes in `record_classes.py`. A class is archived (a month goes to a sealed file,
then leaves its table) or erased (rows are deleted or emptied). How many days is a row of the table of
policies, in force from an instant; the default of the house is 2,555 days (brief 003). A hold covers a class
or all, a merchant, a subject, a period; nothing that an open hold covers is archived or erased.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Q, QuerySet

from ledger import audit, clock, ids
from ledger.actors import SYSTEM, Actor
from ledger.errors import Conflict, Invalid, NotFound
from ledger.locks import lock_one, phased
from ledger.models import Account, LegalHold, RetentionPolicy

DAYS_DEFAULT: Final = 2_555
HOLDS_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('ledger_legal_hold'))"
"""Taken by whoever places a hold, by the archiver for its last look before a month leaves, and by whoever
erases."""
ERASED_AT_ONCE: Final = 5_000


class UnknownClass(NotFound):
    """A class of records that nobody registered."""

    code = "record_class_unknown"


class BadPolicy(Invalid):
    """A policy that may not be."""

    code = "retention_invalid"


class HoldLifted(Conflict):
    """The hold was lifted before."""

    code = "hold_lifted"


class Disposal(StrEnum):
    """What becomes of records past their time."""

    ARCHIVE = "archive"
    ERASE = "erase"
    KEEP = "keep"


Rows = Callable[[datetime], "QuerySet[Any]"]


def nothing_before(begins: datetime, ends: datetime) -> None:
    """Stand in where nothing keeps a month and nothing must stay in its place."""


def delete(rows: "QuerySet[Any]") -> int:
    """Delete rows; return how many."""
    return rows.delete()[0]


@dataclass(frozen=True, slots=True)
class RecordClass:
    """One class of records.

    `tables` are archived together by month; or `rows(before)` finds what is past an instant and `erase`
    disposes of it. `moment`, `merchant` and `subjects` are the columns by which a hold is applied.
    `before_file(begins, ends)` refuses a month that is not at rest; `before_detach` looks once more, and puts
    in its place what must stay when it leaves. `by_stream`: a month holds the streams of the subjects that
    began in it, and only those at rest leave (`archives.streams`).
    `days` and `legal_basis` hold until a policy says otherwise; no policy goes below `days_min`.
    """

    name: str
    title: str
    legal_basis: str
    disposal: Disposal
    moment: str
    tables: tuple[str, ...] = ()
    rows: Rows | None = None
    erase: "Callable[[QuerySet[Any]], int]" = delete
    merchant: str = "merchant_id"
    subjects: tuple[str, ...] = ()
    days: int = DAYS_DEFAULT
    days_min: int = 1
    by_stream: bool = False
    before_file: Callable[[datetime, datetime], None] = nothing_before
    before_detach: Callable[[datetime, datetime], None] = nothing_before


registry: Final[dict[str, RecordClass]] = {}
_belonging: Final[list[Callable[[UUID], Iterable[UUID]]]] = []


def register(kept: RecordClass) -> RecordClass:
    """Make a class of records known.

    :raises ValueError: its name is taken.
    """
    if registry.setdefault(kept.name, kept) is not kept:
        raise ValueError(f"two classes of records are called {kept.name}")
    return kept


def belongs(function: "Callable[[UUID], Iterable[UUID]]") -> "Callable[[UUID], Iterable[UUID]]":
    """Register who knows what belongs to a subject: a hold on a payment covers its refunds."""
    _belonging.append(function)
    return function


def find_class(name: str) -> RecordClass:
    """Return a class of records.

    :raises UnknownClass: there is none of this name.
    """
    if name not in registry:
        raise UnknownClass(f"there is no class of records {name!r}", param="record_class")
    return registry[name]


# --- policies -----------------------------------------------------------------------------------------------
def policy(name: str, at: datetime) -> RetentionPolicy:
    """Return the policy of a class in force at an instant: the latest that had begun."""
    kept = find_class(name)
    found = (
        RetentionPolicy.objects.filter(record_class=name, valid_from__lte=at).order_by("-valid_from").first()
    )
    return found or _default(kept)


def horizon(name: str, at: datetime) -> datetime:
    """Return the instant before which records of a class are past their time."""
    return at - timedelta(days=policy(name, at).days)


@phased
def set_policy(
    *, record_class: str, days: int, legal_basis: str, valid_from: datetime, reason: str, actor: Actor,
    at: datetime,
) -> RetentionPolicy:  # fmt: skip
    """Decide how long a class is kept, from an instant on that has not passed.

    :raises UnknownClass: no such class. :raises BadPolicy: too few days, no basis, or a date that has passed.
    """
    kept = find_class(record_class)
    if days < kept.days_min:
        raise BadPolicy(f"{kept.title} are kept for at least {kept.days_min} days", param="days")
    if not legal_basis.strip() or not reason.strip():
        raise BadPolicy("a policy names its legal basis and a reason", param="legal_basis")
    if valid_from < at:
        raise BadPolicy("a policy cannot begin in the past", param="valid_from")
    if RetentionPolicy.objects.filter(record_class=record_class, valid_from=valid_from).exists():
        raise BadPolicy("another policy begins at this instant", param="valid_from")
    was = policy(record_class, valid_from)
    made = RetentionPolicy.objects.create(
        record_class=record_class, days=days, legal_basis=legal_basis.strip(), valid_from=valid_from,
        set_by=actor.label or actor.id, reason=reason.strip(),
    )  # fmt: skip
    audit.record(
        actor=actor, action="retention.set", subject=made, reason=reason, at=at,
        before={"record_class": record_class, "days": was.days, "legal_basis": was.legal_basis},
        after={"record_class": record_class, "days": days, "legal_basis": legal_basis,
               "valid_from": valid_from},
    )  # fmt: skip
    return made


def write_defaults(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Write the first policy of every class that has none; run after each migrate."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT to_regclass('ledger_retention') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return
    policies = RetentionPolicy.objects.using(using)
    known = set(policies.values_list("record_class", flat=True).distinct())
    policies.bulk_create(_default(kept) for name, kept in registry.items() if name not in known)


def _default(kept: RecordClass) -> RetentionPolicy:
    return RetentionPolicy(
        record_class=kept.name, days=kept.days, legal_basis=kept.legal_basis, valid_from=clock.EPOCH,
        set_by=SYSTEM.id, reason="the default of the house",
    )  # fmt: skip


# --- holds --------------------------------------------------------------------------------------------------
@phased
def place_hold(
    *, reason: str, actor: Actor, at: datetime, record_class: str = "", merchant_id: UUID | None = None,
    subject: str = "", covers_from: datetime | None = None, covers_to: datetime | None = None,
) -> LegalHold:  # fmt: skip
    """Stop archiving and erasing what the hold covers, from now until it is lifted.

    :raises UnknownClass: no such class. :raises BadPolicy: no reason, or a period that ends before it begins.
    """
    if record_class:
        find_class(record_class)
    if not reason.strip():
        raise BadPolicy("a hold is placed with a reason", param="reason")
    if covers_from and covers_to and covers_from >= covers_to:
        raise BadPolicy("the period ends before it begins", param="covers_to")
    with connection.cursor() as cursor:
        cursor.execute(HOLDS_LOCK)
    hold = LegalHold.objects.create(
        record_class=record_class, merchant_id=merchant_id, subject=subject.strip(), covers_from=covers_from,
        covers_to=covers_to, reason=reason.strip(), placed_by=actor.label or actor.id, placed_at=at,
    )  # fmt: skip
    audit.record(actor=actor, action="hold.placed", subject=hold, reason=reason, at=at, after=_scope(hold))
    return hold


@phased
def lift_hold(*, hold_id: UUID, reason: str, actor: Actor, at: datetime) -> LegalHold:
    """End a hold; what it covered is disposed of by the next run.

    :raises NotFound: there is no such hold. :raises HoldLifted: it was lifted before.
    """
    hold = lock_one(LegalHold.objects.filter(pk=hold_id))
    if hold.lifted_at is not None:
        raise HoldLifted("the hold was lifted before")
    hold.lifted_at, hold.lifted_by, hold.lift_reason = at, actor.label or actor.id, reason.strip()
    hold.save(update_fields=["lifted_at", "lifted_by", "lift_reason"])
    audit.record(actor=actor, action="hold.lifted", subject=hold, reason=reason, at=at, before=_scope(hold))
    return hold


def holds_on(name: str) -> list[LegalHold]:
    """Return the open holds that name a class, or all classes."""
    return list(LegalHold.objects.filter(record_class__in=["", name], lifted_at__isnull=True).order_by("pk"))


def holds_on_month(
    kept: RecordClass, table: str, month_from: datetime, month_to: datetime
) -> list[LegalHold]:
    """Return the open holds that cover any row of one table's month (`table` is its partition)."""
    return [
        hold
        for hold in holds_on(kept.name)
        if (kept.by_stream or hold.covers_from is None or hold.covers_from < month_to)
        and (kept.by_stream or hold.covers_to is None or hold.covers_to > month_from)
        and _names_a_row(kept, table, hold)
    ]


def keys_of(subject: str) -> tuple[str, UUID | None]:
    """Return both forms of what a hold names: the text, and the key that a public id or UUID stands for."""
    prefix = subject.partition("_")[0]
    try:
        return subject, ids.parse(prefix, subject)
    except NotFound:
        pass
    try:
        return subject, UUID(subject)
    except ValueError:
        return subject, None


def keys_covered(subject: str) -> tuple[str, list[UUID]]:
    """Return the text that a hold names, its key, and the keys of what belongs to it."""
    text, key = keys_of(subject)
    if key is None:
        return text, []
    return text, [key, *(one for function in _belonging for one in function(key))]


def _accounts_covered(keys: Sequence[UUID]) -> list[str]:
    """Return the row ids of accounts that are themselves named, or owned by what is."""
    rows = Account.objects.filter(Q(public_uuid__in=keys) | Q(owner__in=[str(key) for key in keys]))
    return [str(key) for key in rows.values_list("pk", flat=True)]


def _names_a_row(kept: RecordClass, table: str, hold: LegalHold) -> bool:
    terms: list[str] = []
    values: list[Any] = []
    if hold.merchant_id:
        terms.append(f"{kept.merchant} = %s")
        values.append(str(hold.merchant_id))
    if hold.subject:
        text, keys = keys_covered(hold.subject)
        columns = [column for column in kept.subjects if column in _columns(table)]
        terms.append(f"({' OR '.join(f'{column}::text = ANY (%s)' for column in columns) or 'false'})")
        wanted = [text, *map(str, keys)]
        values += [_accounts_covered(keys) if column == "account_id" else wanted for column in columns]
    if kept.by_stream:  # what happened to a subject of the month may have happened years later
        for bound, sign in ((hold.covers_from, ">="), (hold.covers_to, "<")):
            if bound is not None:
                terms.append(f"{kept.moment} {sign} %s")
                values.append(bound)
    if not terms:
        return True
    with connection.cursor() as cursor:
        quoted = connection.ops.quote_name(table)
        cursor.execute(f"SELECT EXISTS (SELECT FROM {quoted} WHERE {' AND '.join(terms)})", values)  # noqa: S608
        return bool(cursor.fetchone()[0])


def _columns(table: str) -> list[str]:
    with connection.cursor() as cursor:
        return [column.name for column in connection.introspection.get_table_description(cursor, table)]


def held(kept: RecordClass) -> Q | None:
    """Return the condition of the rows of an erasable class that open holds cover; None without any."""
    covered: Q | None = None
    for hold in holds_on(kept.name):
        of_hold = Q(**({kept.merchant: hold.merchant_id} if hold.merchant_id and kept.merchant else {}))
        if hold.covers_from:
            of_hold &= Q(**{f"{kept.moment}__gte": hold.covers_from})
        if hold.covers_to:
            of_hold &= Q(**{f"{kept.moment}__lt": hold.covers_to})
        if hold.subject and kept.subjects:
            of_hold &= _of_subject(kept, hold.subject)
        of_hold = of_hold or Q(pk__isnull=False)
        covered = of_hold if covered is None else covered | of_hold
    return covered


def _of_subject(kept: RecordClass, subject: str) -> Q:
    text, keys = keys_covered(subject)
    found = Q()
    for column in kept.subjects:
        is_key = column in {"id", "pk"} or column.endswith("_id")
        if not is_key:
            found |= Q(**{column: text})
        elif keys:
            found |= Q(**{f"{column}__in": keys})
    return found or Q(pk__isnull=True)


def _scope(hold: LegalHold) -> dict[str, Any]:
    return {
        "record_class": hold.record_class or "all", "merchant_id": hold.merchant_id, "subject": hold.subject,
        "covers_from": hold.covers_from, "covers_to": hold.covers_to, "placed_by": hold.placed_by,
    }  # fmt: skip


# --- erasing ------------------------------------------------------------------------------------------------
def erase_due(at: datetime) -> dict[str, int]:
    """Erase what is past its time and not held, of every erasable class; return how many rows of each."""
    return {
        name: count
        for name, kept in sorted(registry.items())
        if kept.disposal is Disposal.ERASE and (count := erase(name, at))
    }


def erase(name: str, at: datetime) -> int:
    """Erase what is past its time and not held, of one class, in batches; return how many rows."""
    kept = find_class(name)
    erased = 0
    while batch := _erase_batch(kept, at):
        erased += batch
    return erased


@phased
def _erase_batch(kept: RecordClass, at: datetime) -> int:
    if kept.rows is None:
        raise UnknownClass(f"{kept.title} are archived, not erased")
    with connection.cursor() as cursor:
        cursor.execute(HOLDS_LOCK)  # what is placed from now on is placed after these rows went
    in_force = policy(kept.name, at)
    due = kept.rows(at - timedelta(days=in_force.days))
    spared = held(kept)
    if spared is not None:
        due = due.exclude(spared)
    keys = list(due.order_by("pk").values_list("pk", flat=True)[:ERASED_AT_ONCE])
    if not keys:
        return 0
    count = kept.erase(due.model._default_manager.filter(pk__in=keys))
    audit.record(
        actor=SYSTEM, action="retention.erased", subject=in_force, at=at,
        reason=f"past {in_force.days} days: {in_force.legal_basis}",
        after={"record_class": kept.name, "rows": len(keys), "first": keys[0], "last": keys[-1]},
    )  # fmt: skip
    return count
