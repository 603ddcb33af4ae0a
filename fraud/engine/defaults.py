"""The house's rules: what holds for a merchant that has set nothing itself.

These are seeded as `RiskRule` rows after each migrate; the rows decide, not this file. To change a default,
raise its `version` here: the new version takes effect from that migrate on and the old one stays on record.

Amount limits are worth about 10,000 and 50,000 dollars in each currency, velocity sums four times that.
The worth is rough on purpose: a limit that follows the day's rate could not be explained a year later.
"""

from typing import Final

from fraud.engine.types import (
    DAY_SECONDS,
    HOUR_SECONDS,
    Dimension,
    Level,
    Rule,
    RuleKind,
)
from ledger.money import from_major

ANY: Final = "*"
"""The key of limits that hold whatever the currency (counts, scores)."""

TEN_DOLLARS_MAJOR: Final = {
    "AED": 40, "ARS": 10_000, "AUD": 15, "BHD": 4, "BRL": 55, "CAD": 15, "CHF": 10,
    "CLP": 9_500, "CNY": 70, "COP": 42_000, "CZK": 230, "DKK": 70, "EGP": 480, "EUR": 10, "GBP": 10,
    "HKD": 80, "HUF": 3_600, "IDR": 160_000, "ILS": 37, "INR": 850, "ISK": 1_380, "JOD": 7,
    "JPY": 1_500, "KES": 1_300, "KRW": 14_000, "KWD": 3, "MXN": 180, "MYR": 45, "NGN": 15_000,
    "NOK": 105, "NZD": 15, "OMR": 4, "PEN": 38, "PHP": 560, "PLN": 40, "QAR": 40, "RON": 45,
    "SAR": 40, "SEK": 100, "SGD": 15, "THB": 350, "TND": 30, "TRY": 340, "TWD": 320, "USD": 10,
    "VND": 250_000, "ZAR": 180,
}  # fmt: skip
"""About ten dollars in whole major units, per currency we have limits for; others go to review."""


def _per_currency(review_tens: int, decline_tens: int) -> dict[str, dict[str, int]]:
    return {
        currency: {
            "review": from_major(str(ten * review_tens), currency).minor,
            "decline": from_major(str(ten * decline_tens), currency).minor,
        }
        for currency, ten in TEN_DOLLARS_MAJOR.items()
    }


def _velocity(kind: RuleKind, dimension: Dimension, window: int, review: int, decline: int) -> Rule:
    name = {HOUR_SECONDS: "1h", DAY_SECONDS: "24h"}[window]
    return Rule(
        code=f"{kind.removeprefix('velocity_')}_{dimension}_{name}",
        kind=kind,
        limits=_per_currency(review, decline)
        if kind is RuleKind.VELOCITY_SUM
        else {ANY: {"review": review, "decline": decline}},
        dimension=dimension,
        window_seconds=window,
        review_weight=400,
        decline_weight=900,
    )


_COUNT, _SUM, _FAILED = RuleKind.VELOCITY_COUNT, RuleKind.VELOCITY_SUM, RuleKind.VELOCITY_FAILURES

DEFAULT_RULES: Final = (
    Rule("lists", RuleKind.LISTS, {ANY: {"review": 0, "decline": 0}}, decline_weight=1000),
    Rule("amount", RuleKind.AMOUNT, _per_currency(1_000, 5_000), review_weight=450, decline_weight=900),
    _velocity(_COUNT, Dimension.CUSTOMER, HOUR_SECONDS, 20, 60),
    _velocity(_COUNT, Dimension.CUSTOMER, DAY_SECONDS, 60, 200),
    _velocity(_COUNT, Dimension.METHOD, HOUR_SECONDS, 15, 40),
    _velocity(_COUNT, Dimension.METHOD, DAY_SECONDS, 45, 120),
    _velocity(_COUNT, Dimension.IP, HOUR_SECONDS, 100, 400),
    _velocity(_COUNT, Dimension.IP, DAY_SECONDS, 500, 900),
    _velocity(_SUM, Dimension.CUSTOMER, HOUR_SECONDS, 2_000, 10_000),
    _velocity(_SUM, Dimension.CUSTOMER, DAY_SECONDS, 4_000, 20_000),
    _velocity(_SUM, Dimension.METHOD, HOUR_SECONDS, 2_000, 10_000),
    _velocity(_SUM, Dimension.METHOD, DAY_SECONDS, 4_000, 20_000),
    _velocity(_SUM, Dimension.IP, HOUR_SECONDS, 20_000, 100_000),
    _velocity(_SUM, Dimension.IP, DAY_SECONDS, 40_000, 200_000),
    _velocity(_FAILED, Dimension.CUSTOMER, HOUR_SECONDS, 8, 20),
    _velocity(_FAILED, Dimension.METHOD, HOUR_SECONDS, 5, 10),
    _velocity(_FAILED, Dimension.IP, HOUR_SECONDS, 20, 50),
    Rule("score", RuleKind.SCORE, {ANY: {"review": 600, "decline": 950}}),
    Rule("levels", RuleKind.LEVELS, {ANY: {Level.MEDIUM: 300, Level.HIGH: 600, Level.CRITICAL: 850}}),
    Rule("review_window", RuleKind.REVIEW_WINDOW, {ANY: {"seconds": 3 * DAY_SECONDS}}),
)
