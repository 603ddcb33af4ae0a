"""Choose who carries a payment, say why, and in which order others would be asked.

1. Candidates are the providers that can: method, capabilities, currency, country, brand, and that have or can
   be given the customer's method (a provider's own token is good only there).
2. The merchant's rules come first: the first that holds names who goes first, by order or by percent.
3. The others follow by score (`routing_scores`) under the merchant's weights, or an experiment's.
4. Who does not answer goes last, whoever named it: better asked than nobody.

A decision reads memory: the last picture of the providers' health and the merchant's policy, which each
process reads once and again when a new version is written. The decision is kept, whole, with the operation
that it leads to.
"""

import hashlib
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from ledger import clock
from ledger.errors import Invalid
from ledger.money import Money
from payments import routing_selectors
from payments.models.payment_choices import CaptureMethod, MethodType
from payments.providers import registry
from payments.providers.base import Capability
from payments.providers.reach import reach_of
from payments.rules import routing_scores
from payments.rules.routing_policy import Experiment, Policy, Rule, bucket, drawn, read
from payments.rules.routing_scores import NOTHING_SEEN
from payments.services.routes import provider_health
from payments.services.routes.provider_health import Picture

POLICY_SECONDS: Final = 60.0  # how long a policy is believed when Valkey cannot tell of a new one
POLICIES_MOST: Final = 5_000
CREATED_WITH: Final = "chosen when the payment was created"
_NEEDED: Final = (Capability.AUTHORIZE, Capability.CAPTURE)
_LATER: Final = (Capability.PARTIAL_REFUND, Capability.DISPUTES, Capability.CALLBACKS, Capability.VOID)
_AT_ONCE: Final = (*_LATER, Capability.SALE)
_BY_HAND: Final = (*_LATER, Capability.PARTIAL_CAPTURE, Capability.SEVERAL_CAPTURES, Capability.INCREMENT)


class NoProvider(Invalid):
    """No configured provider can carry the payment; those that are merely away are asked all the same."""

    code = "no_provider"
    advice = "Pay with another method, or ask the platform to connect a provider for it."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What routing must know of a payment.

    `holders`: the only providers that have the customer's method or can be given it; None: any.
    """

    merchant_id: UUID
    payment_id: UUID
    method_type: str
    amount: Money
    brand: str = ""
    country: str = ""
    capture_method: str = CaptureMethod.AUTOMATIC
    token: str = ""
    holders: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Who is asked, who would be asked next, how often in all, and why (`log`, as it is kept)."""

    provider: str
    order: tuple[str, ...]
    attempts_max: int
    log: Mapping[str, Any] = field(default_factory=dict)


def choose(method_type: str, token: str = "") -> str:
    """Return the provider that comes first for a kind of method when nothing else is known.

    :raises NoProvider: none can.
    """
    able = _able(method_type)
    owner = registry.owner_of(token) if token else None
    return owner if owner in able else _by_default(able)[0]


def decide(wanted: Wanted, *, without: Collection[str] = ()) -> Decision:
    """Decide who carries a payment; may ask Valkey and PostgreSQL, so outside transactions only.

    `without`: those that were asked already.

    :raises NoProvider: none can.
    """
    picture = provider_health.look()
    policy = policies().of(wanted.merchant_id, picture.generation)
    return _decide(wanted, policy, picture, without)


def explain(wanted: Wanted, chosen: str) -> Mapping[str, Any]:
    """Return the log of a choice that was made before, as it stands now; asks no Valkey."""
    picture = provider_health.last()
    policy = policies().of(wanted.merchant_id, picture.generation)
    try:
        log = _decide(wanted, policy, picture, ()).log
    except NoProvider:
        log = {"candidates": []}
    return {**log, "provider": chosen, "why": CREATED_WITH}


# --- deciding -----------------------------------------------------------------------------------------------
def _decide(wanted: Wanted, policy: Policy, picture: Picture, without: Collection[str]) -> Decision:
    candidates, excluded = _candidates(wanted, without)
    if not candidates:
        why = "; ".join(f"{name} {reason}" for name, reason in excluded.items())
        raise NoProvider(
            f"no provider takes this {wanted.method_type}" + (f": {why}" if why else ""),
            param="payment_method",
        )
    weights, arm = _weights(policy, wanted.payment_id)
    scored = {name: _criteria(name, wanted, policy, picture) for name in candidates}
    scores = {name: routing_scores.score(parts, weights) for name, parts in scored.items()}
    best = sorted(candidates, key=lambda name: -scores[name])  # stable: the default order among equals
    if picture.source != "shared":
        best = candidates
    rule, first = _ruled(policy, wanted, candidates)
    if rule is not None and rule.is_only:
        excluded |= {name: f"left out by the rule {rule.name!r}" for name in best if name not in first}
        best = []
    order = [*first, *(name for name in best if name not in first)]
    down = {name: why for name in order if (why := picture.seen.get(name, NOTHING_SEEN).why_down)}
    order.sort(key=lambda name: name in down)
    log = {
        "provider": order[0],
        "why": _why(order[0], rule, first, len(order), picture, down),
        "order": order,
        "candidates": [
            {"provider": name, "score": scores[name], "parts": scored[name]}
            | ({"down": down[name]} if name in down else {})
            for name in order
        ],
        "excluded": excluded,
        "rule": rule.name if rule else None,
        "arm": arm,
        "policy_version": policy.version,
        "weights": dict(weights),
        "health": picture.source,
    }
    return Decision(order[0], tuple(order), policy.attempts_max, log)


def _able(method_type: str) -> list[str]:
    able = registry.able(Capability(MethodType(method_type).value), *_NEEDED)
    if not able:
        raise NoProvider(f"no provider takes {method_type}", param="payment_method")
    return able


def _by_default(names: Collection[str]) -> list[str]:
    """Return names in the order that holds when nothing speaks for another."""
    return sorted(names, key=lambda name: (name != registry.DEFAULT, name))


def _candidates(wanted: Wanted, without: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """Return who can carry a payment, in the default order, and why others cannot."""
    owner = registry.owner_of(wanted.token) if wanted.token else None
    able, excluded = [], {}
    for name in _by_default(_able(wanted.method_type)):
        reach = reach_of(registry.provider(name), wanted.method_type)
        why = reach.why_not(
            currency=wanted.amount.currency, country=wanted.country, brand=wanted.brand,
            is_sale=wanted.capture_method == CaptureMethod.AUTOMATIC,
        )  # fmt: skip
        if wanted.method_type == MethodType.BNPL and owner is None and wanted.token:
            why = why or reach.why_not_plan(wanted.token, currency=wanted.amount.currency)
        elif owner is None and wanted.token and reach.is_own_token_only:
            why = why or "takes only tokens of its own"
        elif owner is not None and name != owner:
            why = f"cannot use a token of {owner}"
        elif wanted.holders is not None and name not in wanted.holders:
            why = "neither has the method nor can be given it"
        if name in without:
            why = "was asked already"
        if why:
            excluded[name] = why
        else:
            able.append(name)
    return able, excluded


def _criteria(name: str, wanted: Wanted, policy: Policy, picture: Picture) -> dict[str, int]:
    features = _AT_ONCE if wanted.capture_method == CaptureMethod.AUTOMATIC else _BY_HAND
    offered = registry.provider(name).capabilities
    return routing_scores.parts(
        picture.seen.get(name, NOTHING_SEEN),
        amount=wanted.amount,
        price=policy.prices.get(name),
        features_met=sum(feature in offered for feature in features),
        features=len(features),
        calls_a_minute=settings.PROVIDER_CALLS_PER_SECOND * 60 * settings.API_PROCESSES,
    )


def _weights(policy: Policy, payment_id: UUID) -> tuple[Mapping[str, int], str | None]:
    """Return the weights for a payment, and its arm where there is an experiment."""
    experiment: Experiment | None = policy.experiment
    if experiment is None:
        return policy.weights, None
    is_variant = bucket(_key(), f"experiment:{experiment.name}", payment_id) < experiment.percent
    arm = f"{experiment.name}: {'variant' if is_variant else 'control'}"
    return (experiment.weights if is_variant else policy.weights), arm


def _ruled(policy: Policy, wanted: Wanted, candidates: Collection[str]) -> tuple[Rule | None, list[str]]:
    """Return the first rule that holds and names somebody who can, and whom it puts first."""
    for rule in policy.rules:
        holds = rule.when.holds(
            method_type=wanted.method_type, brand=wanted.brand, currency=wanted.amount.currency,
            country=wanted.country, minor=wanted.amount.minor,
        )  # fmt: skip
        if not holds:
            continue
        named = list(rule.providers)
        if rule.split:
            number = bucket(_key(), f"split:{rule.name}", wanted.payment_id)
            named = [drawn(rule.split, number)]
        if first := [name for name in named if name in candidates]:
            return rule, first
    return None, []


def _why(
    chosen: str,
    rule: Rule | None,
    first: Collection[str],
    choices: int,
    picture: Picture,
    down: Mapping[str, str],
) -> str:
    if rule is not None and chosen in first:
        return f"rule {rule.name!r}" + (", by its percents" if rule.split else "")
    if choices == 1:
        return "the only one that can"
    if down and chosen not in down:
        return "the best of those that answer"
    return "the best score" if picture.source == "shared" else "the default order: nothing is known of health"


@lru_cache(maxsize=1)
def _key() -> bytes:
    return hashlib.sha256(f"routing arms:{settings.SECRET_KEY}".encode()).digest()


# --- policies -----------------------------------------------------------------------------------------------
class Policies:
    """The merchants' newest policies as this process read them; a new version anywhere empties it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[UUID, tuple[float, Policy]] = {}
        self._generation = ""

    def of(self, merchant_id: UUID, generation: str) -> Policy:
        """Return a merchant's policy; `generation` is what Valkey says of new versions, empty when away."""
        with self._lock:
            if generation and generation != self._generation:
                self._known.clear()
                self._generation = generation
            kept = self._known.get(merchant_id)
        if kept is not None and clock.monotonic() - kept[0] < POLICY_SECONDS:
            return kept[1]
        policy = self._read(merchant_id)
        with self._lock:
            if len(self._known) >= POLICIES_MOST:
                self._known.clear()
            self._known[merchant_id] = (clock.monotonic(), policy)
        return policy

    def forget(self) -> None:
        """Read everything anew."""
        with self._lock:
            self._known.clear()

    def _read(self, merchant_id: UUID) -> Policy:
        row = routing_selectors.newest_policy(merchant_id)
        if row is None:
            return Policy()
        # A provider that is no longer set up stays named; it is simply no candidate.
        return read(row.content, version=row.version, providers=registry.known())


@lru_cache(maxsize=1)
def policies() -> Policies:
    """Return this process's memory of policies."""
    return Policies()
