"""Pure: a merchant's routing policy as data: weights, rules, shares, an experiment, prices, tries.

The default weights are the sponsor's (brief 004: success rate .30, cost .20, latency .20, features .15,
load .15), as whole percents, so that nothing here is a float. A policy is read from JSON by `read`, which
refuses what it does not understand by naming the place.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from ledger.errors import Invalid

WHOLE: Final = 100
CRITERIA: Final = ("success_rate", "cost", "latency", "features", "load")
DEFAULT_WEIGHTS: Final[Mapping[str, int]] = {
    "success_rate": 30,
    "cost": 20,
    "latency": 20,
    "features": 15,
    "load": 15,
}
ATTEMPTS_DEFAULT: Final = 3
ATTEMPTS_MOST: Final = 5
RULES_MOST: Final = 50
EXPERIMENT_MOST: Final = 50  # percent of the payments that an experiment may touch


class PolicyInvalid(Invalid):
    """A routing policy that cannot be read."""

    code = "routing_policy_invalid"
    advice = "Mend the named part; nothing was changed."


@dataclass(frozen=True, slots=True)
class When:
    """What a rule asks of a payment; an empty list asks nothing. Amounts are minor units, both included."""

    method_types: frozenset[str] = frozenset()
    brands: frozenset[str] = frozenset()
    currencies: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    amount_from: int | None = None
    amount_to: int | None = None

    def holds(self, *, method_type: str, brand: str, currency: str, country: str, minor: int) -> bool:
        """Say whether a payment is meant. What is not known of it (an empty brand) meets no list."""
        told = ((self.method_types, method_type), (self.brands, brand), (self.currencies, currency),
                (self.countries, country))  # fmt: skip
        if any(wanted and value not in wanted for wanted, value in told):
            return False
        above = self.amount_from is None or minor >= self.amount_from
        return above and (self.amount_to is None or minor <= self.amount_to)


@dataclass(frozen=True, slots=True)
class Rule:
    """Who goes first where `when` holds: providers in an order, or one of several by percent.

    `is_only`: nobody else is asked.
    """

    name: str
    when: When
    providers: tuple[str, ...] = ()
    split: tuple[tuple[str, int], ...] = ()
    is_only: bool = False


@dataclass(frozen=True, slots=True)
class Experiment:
    """Other weights for a share of the payments (A/B): the same payment is always in the same arm."""

    name: str
    percent: int
    weights: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Price:
    """What a provider charges by contract: basis points, and a fixed part in minor units by currency."""

    rate_bps: int
    fixed_minor: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a merchant wants of routing; version 0 is what holds while he has said nothing."""

    version: int = 0
    weights: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    rules: tuple[Rule, ...] = ()
    experiment: Experiment | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)
    attempts_max: int = ATTEMPTS_DEFAULT


def bucket(key: bytes, place: str, payment_id: UUID) -> int:
    """Return a payment's number from 0 to 99 at a place (a rule, an experiment): the same at every asking.

    Keyed, so that nobody can choose ids to land in an arm.
    """
    told = f"{place}:{payment_id}".encode()
    return int.from_bytes(hmac.new(key, told, hashlib.sha256).digest()[:8], "big") % WHOLE


def drawn(split: Sequence[tuple[str, int]], number: int) -> str:
    """Return the provider of a split in whose share a number from 0 to 99 lies."""
    for provider, percent in split:
        if number < percent:
            return provider
        number -= percent
    raise ValueError("a split must sum to 100")


# --- reading ------------------------------------------------------------------------------------------------
def read(content: Any, *, version: int, providers: Sequence[str]) -> Policy:
    """Read a policy; `providers` are the names it may use.

    :raises PolicyInvalid: it says something else than a policy; the message names the place.
    """
    told = _object(content, "policy", ("weights", "rules", "experiment", "prices", "attempts_max"))
    rules = _list(told.get("rules", []), "rules")
    if len(rules) > RULES_MOST:
        raise _wrong("rules", f"at most {RULES_MOST}")
    read_rules = tuple(_rule(row, f"rules[{at}]", providers) for at, row in enumerate(rules))
    names = [rule.name for rule in read_rules]
    if len(set(names)) < len(names):
        raise _wrong("rules", "two have the same name")
    return Policy(
        version=version,
        weights=_weights(told.get("weights", dict(DEFAULT_WEIGHTS)), "weights"),
        rules=read_rules,
        experiment=_experiment(told.get("experiment")),
        prices=_prices(told.get("prices", {}), providers),
        attempts_max=_whole(told.get("attempts_max", ATTEMPTS_DEFAULT), "attempts_max", 1, ATTEMPTS_MOST),
    )


def _weights(told: Any, place: str) -> Mapping[str, int]:
    rows = _object(told, place, CRITERIA)
    weights = {name: _whole(rows.get(name, 0), f"{place}.{name}", 0, WHOLE) for name in CRITERIA}
    if sum(weights.values()) != WHOLE:
        raise _wrong(place, f"they sum to {sum(weights.values())}, not to {WHOLE}")
    return weights


def _rule(told: Any, place: str, providers: Sequence[str]) -> Rule:
    row = _object(told, place, ("name", "when", "providers", "split", "only"))
    name = _text(row.get("name"), f"{place}.name", 60)
    first = tuple(
        _known(one, f"{place}.providers", providers)
        for one in _list(row.get("providers", []), f"{place}.providers")
    )
    split = _split(row.get("split", []), f"{place}.split", providers)
    if bool(first) == bool(split):
        raise _wrong(place, "names either providers or a split")
    is_only = row.get("only", False)
    if not isinstance(is_only, bool):
        raise _wrong(f"{place}.only", "true or false")
    return Rule(name, _when(row.get("when", {}), f"{place}.when"), first, split, is_only)


def _when(told: Any, place: str) -> When:
    lists: dict[str, Callable[[str], str]] = {
        "method_types": str.lower, "brands": str.lower, "currencies": str.upper, "countries": str.upper,
    }  # fmt: skip
    row = _object(told, place, (*lists, "amount_from", "amount_to"))
    wanted = {
        name: frozenset(
            same(_text(one, f"{place}.{name}", 32)) for one in _list(row.get(name, []), f"{place}.{name}")
        )
        for name, same in lists.items()
    }
    limits = {
        name: None if row.get(name) is None else _whole(row[name], f"{place}.{name}", 0, 10**15)
        for name in ("amount_from", "amount_to")
    }
    if None not in limits.values() and (limits["amount_from"] or 0) > (limits["amount_to"] or 0):
        raise _wrong(place, "amount_from is above amount_to")
    if any(limit is not None for limit in limits.values()) and len(wanted["currencies"]) != 1:
        raise _wrong(place, "amounts need one currency")
    return When(
        method_types=wanted["method_types"], brands=wanted["brands"], currencies=wanted["currencies"],
        countries=wanted["countries"], amount_from=limits["amount_from"], amount_to=limits["amount_to"],
    )  # fmt: skip


def _split(told: Any, place: str, providers: Sequence[str]) -> tuple[tuple[str, int], ...]:
    shares = []
    for at, one in enumerate(_list(told, place)):
        row = _object(one, f"{place}[{at}]", ("provider", "percent"))
        name = _known(row.get("provider"), f"{place}[{at}].provider", providers)
        shares.append((name, _whole(row.get("percent"), f"{place}[{at}].percent", 1, WHOLE)))
    if shares and sum(percent for _, percent in shares) != WHOLE:
        raise _wrong(place, f"the percents must sum to {WHOLE}")
    if len({name for name, _ in shares}) < len(shares):
        raise _wrong(place, "names a provider twice")
    return tuple(shares)


def _experiment(told: Any) -> Experiment | None:
    if told is None:
        return None
    row = _object(told, "experiment", ("name", "percent", "weights"))
    return Experiment(
        _text(row.get("name"), "experiment.name", 60),
        _whole(row.get("percent"), "experiment.percent", 1, EXPERIMENT_MOST),
        _weights(row.get("weights"), "experiment.weights"),
    )


def _prices(told: Any, providers: Sequence[str]) -> Mapping[str, Price]:
    prices = {}
    for name, one in _object(told, "prices", providers).items():
        row = _object(one, f"prices.{name}", ("rate_bps", "fixed_minor"))
        fixed = _object(row.get("fixed_minor", {}), f"prices.{name}.fixed_minor", None)
        prices[name] = Price(
            _whole(row.get("rate_bps", 0), f"prices.{name}.rate_bps", 0, 10_000),
            {
                currency: _whole(minor, f"prices.{name}.fixed_minor.{currency}", 0, 10**9)
                for currency, minor in fixed.items()
            },
        )
    return prices


def _object(told: Any, place: str, names: Sequence[str] | None) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise _wrong(place, "an object")
    for name in told:
        if names is not None and name not in names:
            raise _wrong(f"{place}.{name}", "is not known here")
    return told


def _list(told: Any, place: str) -> list[Any]:
    if not isinstance(told, list):
        raise _wrong(place, "a list")
    return told


def _text(told: Any, place: str, longest: int) -> str:
    if not isinstance(told, str) or not 0 < len(told) <= longest:
        raise _wrong(place, f"a text of at most {longest} letters")
    return told


def _whole(told: Any, place: str, least: int, most: int) -> int:
    if not isinstance(told, int) or isinstance(told, bool) or not least <= told <= most:
        raise _wrong(place, f"a whole number from {least} to {most}")
    return told


def _known(told: Any, place: str, providers: Sequence[str]) -> str:
    if told not in providers:
        raise _wrong(place, f"one of {', '.join(providers)}")
    return str(told)


def _wrong(place: str, why: str) -> PolicyInvalid:
    return PolicyInvalid(f"{place}: {why}", param=place)
