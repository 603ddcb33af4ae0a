"""Publish rules and keep lists: every change is a new row in force from a time, with its audit record.

`sync_defaults` writes the house's rules of `engine/defaults.py` after each migrate, each version once.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from fraud.engine.defaults import ANY, DEFAULT_RULES
from fraud.engine.features import opaque
from fraud.engine.types import ATTEMPTS_READ_MAX, Decision, Dimension, ListKind, Rule, RuleKind
from fraud.models import ListEntry, RiskRule
from ledger import audit
from ledger.actors import Actor
from ledger.errors import Invalid, NotFound
from ledger.locks import phased
from ledger.money import AMOUNT_MAX, check_currency

PER_CURRENCY: Final = frozenset({RuleKind.AMOUNT, RuleKind.VELOCITY_SUM})
BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""From when the first version of each of the house's rules holds: a payment of any day has rules."""
EFFECTS: Final = frozenset({Decision.REVIEW.value, Decision.DECLINE.value})


class UnknownRule(NotFound):
    """The house has no rule of this code."""

    code = "fraud_rule_not_found"


class BadLimits(Invalid):
    """Limits that the rule could not be evaluated with."""

    code = "fraud_limits_invalid"
    advice = 'Give {currency: {"review": n, "decline": n}} for amounts and sums, {"*": {...}} for counts.'


class ListEntryNotFound(NotFound):
    """No such entry, or it has ended."""

    code = "fraud_list_entry_not_found"


@phased
def publish_rule(
    *,
    merchant_id: uuid.UUID,
    code: str,
    actor: Actor,
    reason: str,
    at: datetime,
    limits: Mapping[str, Mapping[str, int]] | None = None,
    is_active: bool = True,
    fail_posture: Decision | None = None,
) -> RiskRule:
    """Put a merchant's own version of a rule in force from `at`; the one before ends then.

    Currencies that `limits` does not name keep the house's; `is_active` false switches the rule off.

    :raises UnknownRule: the house has no rule of this code.
    :raises BadLimits: see there.
    """
    base = next((rule for rule in DEFAULT_RULES if rule.code == code), None)
    if base is None:
        raise UnknownRule(f"there is no rule {code!r}", param="code")
    wanted = {name: dict(values) for name, values in (limits or {}).items()}
    check_limits(base.kind, wanted)
    before = _end_open(merchant_id, code, at)
    rule = _insert(
        base,
        merchant_id=merchant_id,
        limits=wanted,
        version=before.version + 1 if before else 1,
        valid_from=at,
        is_active=is_active,
        fail_posture=fail_posture or base.fail_posture,
    )
    audit.record(
        actor=actor,
        action="fraud_rule.published",
        subject=rule,
        at=at,
        reason=reason,
        before={"limits": before.limits, "is_active": before.is_active} if before else {},
        after={"code": code, "limits": wanted, "is_active": is_active, "version": rule.version},
    )
    return rule


def check_limits(kind: RuleKind, limits: Mapping[str, Mapping[str, int]]) -> None:
    """Refuse limits that could not be evaluated.

    :raises BadLimits: not per currency where they must be (or the reverse), names other than review and
        decline, figures that are not whole and positive, review above decline, or a count beyond
        what is read.
    :raises BadCurrency: no such currency.
    """
    highest = AMOUNT_MAX * ATTEMPTS_READ_MAX if kind in PER_CURRENCY else ATTEMPTS_READ_MAX - 1
    for name, values in limits.items():
        if (name != ANY) != (kind in PER_CURRENCY):
            raise BadLimits(f"{kind} takes no limits for {name!r}", param="limits")
        if name != ANY:
            check_currency(name)
        if kind in {RuleKind.LEVELS, RuleKind.REVIEW_WINDOW, RuleKind.LISTS}:
            raise BadLimits(f"{kind} is the house's alone", param="limits")
        if not values.keys() <= EFFECTS:
            raise BadLimits("a limit is called review or decline", param="limits")
        if any(type(figure) is not int or not 0 <= figure <= highest for figure in values.values()):
            raise BadLimits(f"a limit is a whole number from 0 to {highest}", param="limits")
        if values.get("review", 0) > values.get("decline", highest):
            raise BadLimits("the review limit lies above the decline limit", param="limits")


@phased
def list_value(
    *,
    kind: ListKind,
    dimension: Dimension,
    value: str,
    label: str,
    actor: Actor,
    reason: str,
    at: datetime,
    merchant_id: uuid.UUID | None,
    until: datetime | None = None,
) -> ListEntry:
    """Block or allow a customer, method, ip, e-mail or country; `merchant_id` None means for everyone.

    `label` is what staff will see, so it must be masked already; the value itself is not kept.
    """
    entry = ListEntry.objects.create(
        merchant_id=merchant_id,
        list=kind,
        dimension=dimension,
        key=opaque(dimension, value, settings.FRAUD_PEPPER),
        label=label,
        reason=reason,
        valid_from=at,
        valid_until=until,
        added_by=actor.label or actor.id,
    )
    audit.record(
        actor=actor,
        action="fraud_list.added",
        subject=entry,
        at=at,
        reason=reason,
        after={"list": kind.value, "dimension": dimension.value, "label": label},
    )
    return entry


@phased
def end_list_entry(*, entry_id: uuid.UUID, actor: Actor, reason: str, at: datetime) -> None:
    """End an entry now; it stays on record.

    :raises ListEntryNotFound: there is none, or it has ended.
    """
    entry = ListEntry.objects.filter(pk=entry_id).first()
    ended = ListEntry.objects.filter(pk=entry_id, valid_until=None, valid_from__lte=at).update(valid_until=at)
    if entry is None or not ended:
        raise ListEntryNotFound("there is no such open entry")
    audit.record(actor=actor, action="fraud_list.ended", subject=entry, at=at, reason=reason)


def sync_defaults(at: datetime) -> int:
    """Write the house's rules that are not on record yet, each version once; return how many.

    A first version holds since ever, a later one from `at`.
    """
    with transaction.atomic():
        known = set(RiskRule.objects.filter(merchant=None).values_list("code", "version"))
        fresh = [rule for rule in DEFAULT_RULES if (rule.code, rule.version) not in known]
        for rule in fresh:
            _end_open(None, rule.code, at)
            since = BEGINNING if rule.version == 1 else at
            _insert(rule, merchant_id=None, limits=rule.limits, version=rule.version, valid_from=since)
    return len(fresh)


def _end_open(merchant_id: uuid.UUID | None, code: str, at: datetime) -> RiskRule | None:
    owner = Q(merchant=None) if merchant_id is None else Q(merchant_id=merchant_id)
    row = RiskRule.objects.filter(owner, code=code, valid_until=None).first()
    if row is not None:
        RiskRule.objects.filter(pk=row.pk, valid_until=None).update(valid_until=max(at, row.valid_from))
    return row


def _insert(base: Rule, **fields: Any) -> RiskRule:
    return RiskRule.objects.create(
        code=base.code,
        kind=base.kind,
        dimension=base.dimension,
        window_seconds=base.window_seconds,
        review_weight=base.review_weight,
        decline_weight=base.decline_weight,
        **{"fail_posture": base.fail_posture, **fields},
    )
