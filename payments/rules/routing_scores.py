"""Pure: what a provider is worth for one payment, in thousandths, from what was seen of it in the last hour.

Every criterion is a whole number from 0 (worst) to 1000 (best); the score is their weighted sum over 100.

- success rate: calls that ended well over those that ended well or that another provider might have saved.
  Few calls say little, so each provider begins with `PRIOR` calls at the baseline.
- cost: by the merchant's contract where he told it, else what was charged on average; ten percent is worst.
- latency: a second and more is worst (brief 001: 100 less a tenth of the milliseconds).
- features: how much of what this payment may need later is offered.
- load: how much of what may be sent to it in a minute was sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ledger.money import Money
from payments.rules.routing_policy import CRITERIA, WHOLE, Price

BEST: Final = 1_000
PRIOR: Final = 20
BASELINE_MILLIS: Final = 950
LATENCY_PRIOR_MS: Final = 300
LATENCY_WORST_MS: Final = 1_000
COST_PRIOR_BPS: Final = 290
COST_WORST_BPS: Final = 1_000
SILENT_LEAST: Final = 10  # calls of the last minutes before silence is believed


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a provider: counts and sums of the last hour, and of the last minutes."""

    good: int = 0
    bad: int = 0
    timed: int = 0
    ms: int = 0
    priced: int = 0
    bps: int = 0
    calls_last_minutes: int = 0  # of any kind, in the last whole minute and the running one
    asked_lately: int = 0
    silent_lately: int = 0
    is_probed_down: bool = False

    @property
    def why_down(self) -> str:
        """Why it should be asked last; empty while it answers."""
        if self.is_probed_down:
            return "its health probe failed"
        if self.asked_lately >= SILENT_LEAST and self.silent_lately * 2 >= self.asked_lately:
            return f"{self.silent_lately} of the last {self.asked_lately} calls had no answer"
        return ""


NOTHING_SEEN: Final = Seen()


def parts(
    seen: Seen, *, amount: Money, price: Price | None, features_met: int, features: int, calls_a_minute: int
) -> dict[str, int]:
    """Return each criterion of a provider for a payment, 0 to 1000."""
    rate = (seen.good * BEST + PRIOR * BASELINE_MILLIS) // (seen.good + seen.bad + PRIOR)
    ms = (seen.ms + PRIOR * LATENCY_PRIOR_MS) // (seen.timed + PRIOR)
    load = min(BEST, seen.calls_last_minutes * BEST // max(1, calls_a_minute))
    return {
        "success_rate": rate,
        "cost": BEST - min(BEST, cost_bps(seen, amount, price) * BEST // COST_WORST_BPS),
        "latency": BEST - min(BEST, ms * BEST // LATENCY_WORST_MS),
        "features": features_met * BEST // features if features else BEST,
        "load": BEST - load,
    }


def cost_bps(seen: Seen, amount: Money, price: Price | None) -> int:
    """Return what a provider takes of an amount, in basis points, rounded down."""
    if price is not None:
        fixed = price.fixed_minor.get(amount.currency, 0)
        return price.rate_bps + (fixed * 10_000 // amount.minor if amount.minor else 0)
    return (seen.bps + PRIOR * COST_PRIOR_BPS) // (seen.priced + PRIOR)


def score(criteria: Mapping[str, int], weights: Mapping[str, int]) -> int:
    """Return the weighted sum of the criteria, 0 to 1000."""
    return sum(criteria[name] * weights[name] for name in CRITERIA) // WHOLE
