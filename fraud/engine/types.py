"""What the engine takes and gives: frozen values, no tables, no clock.

Scores are whole thousandths (0 to 1000). Every finding names its rule and version, what was observed and
the threshold it was held against, so that a decision can be explained years later.
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from ledger.ids import show
from ledger.money import Money

SCORE_MAX: Final = 1000


class Decision(StrEnum):
    """What is to be done with a payment, from mild to severe."""

    APPROVE = "approve"
    REVIEW = "review"
    DECLINE = "decline"

    @property
    def severity(self) -> int:
        return _SEVERITY[self]


_SEVERITY: Final = {Decision.APPROVE: 0, Decision.REVIEW: 1, Decision.DECLINE: 2}


class Level(StrEnum):
    """The score in words."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class Dimension(StrEnum):
    """What an attempt is remembered and listed by. Velocity uses the first three."""

    CUSTOMER = "customer"
    METHOD = "method"
    IP = "ip"
    EMAIL = "email"
    COUNTRY = "country"


class RuleKind(StrEnum):
    """How a rule reads its limits."""

    AMOUNT = "amount"
    VELOCITY_COUNT = "velocity_count"
    VELOCITY_SUM = "velocity_sum"
    VELOCITY_FAILURES = "velocity_failures"
    LISTS = "lists"
    SCORE = "score"
    LEVELS = "levels"
    REVIEW_WINDOW = "review_window"


class ListKind(StrEnum):
    """What a list entry does to whom it names."""

    BLOCK = "block"
    ALLOW = "allow"


VELOCITY_DIMENSIONS: Final = (Dimension.CUSTOMER, Dimension.METHOD, Dimension.IP)
HOUR_SECONDS: Final = 3_600
DAY_SECONDS: Final = 86_400
ATTEMPTS_READ_MAX: Final = 1_000
"""How many attempts of one key are read at most; no limit on counts may lie beyond."""


@dataclass(frozen=True, slots=True)
class ScreeningRequest:
    """A payment to be judged. What the merchant did not tell stays empty; nothing is guessed.

    `payment_ref` is the payment's public id; `method_fingerprint` the network's fingerprint of the card or
    account, or the token where that is all there is; `country` an ISO 3166 code; `at` when it is asked.
    """

    merchant_id: uuid.UUID
    payment_ref: str
    amount: Money
    at: datetime
    customer_ref: str = ""
    method_fingerprint: str = ""
    ip: str = ""
    country: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as the engine sees it. `limits`: {currency or "*": {"review": n, "decline": n}}."""

    code: str
    kind: RuleKind
    limits: dict[str, dict[str, int]]
    dimension: str = ""
    window_seconds: int | None = None
    review_weight: int = 0
    decline_weight: int = 0
    fail_posture: Decision = Decision.REVIEW
    version: int = 1


@dataclass(frozen=True, slots=True)
class Usage:
    """Attempts of one key within one window, before the present one; `sum_minor` in its currency."""

    attempts: int = 0
    failures: int = 0
    sum_minor: int = 0
    is_capped: bool = False


@dataclass(frozen=True, slots=True)
class ListHit:
    """An entry of a block or allow list that names this attempt."""

    kind: ListKind
    dimension: str
    entry_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Features:
    """What is known about an attempt. `usage` is keyed by (dimension, window in seconds)."""

    usage: dict[tuple[str, int], Usage] = field(default_factory=dict)
    list_hits: tuple[ListHit, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the snapshot that is kept with the check."""
        usage = {
            f"{dimension}_{window}s": [seen.attempts, seen.failures, seen.sum_minor]
            for (dimension, window), seen in sorted(self.usage.items())
        }
        return {"usage": usage, "lists": [f"{hit.kind}:{hit.dimension}" for hit in self.list_hits]}


@dataclass(frozen=True, slots=True)
class Unknowable:
    """The features could not be had; each rule that needs them speaks with its declared posture."""

    reason: str

    def as_json(self) -> dict[str, Any]:
        """Return what is kept with the check in place of a snapshot."""
        return {"unknown": self.reason}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule has to say.

    `effect` is what the rule asks for, `weight` its share of the score in thousandths, `is_failure` says
    that the rule could not be evaluated and spoke with its posture, `allows` that it is an allow list.
    """

    rule: str
    version: int
    effect: Decision
    observed: int
    threshold: int
    unit: str
    weight: int = 0
    detail: str = ""
    is_failure: bool = False
    allows: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the form that is stored with the check."""
        return {
            "rule": self.rule,
            "version": self.version,
            "effect": self.effect.value,
            "observed": self.observed,
            "threshold": self.threshold,
            "unit": self.unit,
            "weight": self.weight,
            "detail": self.detail,
            "is_failure": self.is_failure,
            "allows": self.allows,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Finding":
        """Return what `as_json` stored."""
        return cls(**{**stored, "effect": Decision(stored["effect"])})


@dataclass(frozen=True, slots=True)
class Judgement:
    """The engine's answer before it is written down."""

    decision: Decision
    score: int
    level: Level
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to the one who asked: `score` in thousandths, `reasons` as found."""

    decision: Decision
    score: int
    level: Level
    reasons: tuple[Finding, ...]
    check_id: uuid.UUID

    @property
    def public_id(self) -> str:
        """Return the check's public id, `fc_…`."""
        return show("fc", self.check_id)

    @property
    def reason_codes(self) -> list[str]:
        """Return the rules that spoke, without figures: all that may leave the house.

        An observed figure or a threshold in a public answer teaches the fraudster where the limit lies.
        """
        return sorted({finding.rule for finding in self.reasons})
