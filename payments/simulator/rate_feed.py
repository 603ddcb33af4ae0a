"""A pretend feed of exchange rates: what one unit of a currency is in all others, as decimal texts.

Its rates stand still (those of a day of the euro reference rates, and some more), so that runs repeat; only
its clock goes. An operator scripts what a real feed does at its worst: old rates, a currency that is missing,
one that is far off, silence.
"""

import threading
import time
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any, Final

from payments.simulator.answers import Answer, unavailable
from payments.simulator.errors import Refused

PER_EURO: Final = {
    "USD": "1.1172", "JPY": "175.68", "CZK": "24.353", "DKK": "7.4735", "GBP": "0.8338", "HUF": "366.33",
    "PLN": "4.4038", "RON": "5.3447", "SEK": "10.978", "CHF": "0.9194", "ISK": "136", "NOK": "10.312",
    "TRY": "55.8015", "AUD": "1.5904", "BRL": "6.0692", "CAD": "1.5606", "CNY": "7.4326", "HKD": "8.7652",
    "IDR": "20275.17", "ILS": "3.495", "INR": "106.084", "KRW": "1491.76", "MXN": "21.1237", "MYR": "4.5325",
    "NZD": "1.9823", "PHP": "71.143", "SGD": "1.4282", "THB": "37.683", "ZAR": "18.6455", "AED": "4.1029",
    "BHD": "0.42006", "JOD": "0.79209", "KWD": "0.34276", "OMR": "0.42957", "SAR": "4.1895", "TND": "3.2861",
    "TWD": "34.412", "VND": "29398",
}  # fmt: skip
DIGITS: Final = 10
STALE_SECONDS_MAX: Final = 365 * 86_400


class RateFeed:
    """The rates, and the script that bends them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Drop the script."""
        with self._lock:
            self._stale_seconds, self._is_down = 0, False
            self._missing: frozenset[str] = frozenset()
            self._factors: dict[str, Decimal] = {}

    def script(self, body: dict[str, Any]) -> dict[str, object]:
        """Set what the feed does: {stale_seconds, missing: [code, …], factors: {code: "1.10"}, down}.

        :raises Refused: not such a script.
        """
        stale, missing = body.get("stale_seconds", 0), body.get("missing", [])
        factors = body.get("factors", {})
        is_script = isinstance(missing, list) and isinstance(factors, dict) and type(stale) is int
        if not is_script or not 0 <= stale <= STALE_SECONDS_MAX:
            raise Refused(422, "bad_script", "A script is {stale_seconds, missing, factors, down}")
        read = {str(code): _positive(str(factor)) for code, factor in factors.items()}
        with self._lock:
            self._stale_seconds, self._missing = stale, frozenset(map(str, missing))
            self._factors, self._is_down = read, body.get("down") is True
        return {"stale_seconds": stale, "missing": sorted(self._missing), "down": self._is_down}

    def rates(self, base: str) -> Answer:
        """Answer with the rates of a base, as of now.

        :raises Refused: the feed does not carry the base.
        """
        with self._lock:
            if self._is_down:
                return unavailable(1)
            carried = {code: Decimal(text) for code, text in PER_EURO.items()} | {"EUR": Decimal(1)}
            carried = {code: rate for code, rate in carried.items() if code not in self._missing}
            factors, stale = self._factors, self._stale_seconds
        if base not in carried:
            raise Refused(422, "currency_not_carried", f"There are no rates of {base!r}", param="base")
        with localcontext() as context:
            context.prec = DIGITS
            rates = {
                code: f"{rate * factors.get(code, 1) / (carried[base] * factors.get(base, 1)):f}"
                for code, rate in sorted(carried.items())
                if code != base
            }
        as_of = datetime.fromtimestamp(int(time.time()) - stale, UTC)
        return Answer(200, {"base": base, "as_of": as_of.isoformat(), "rates": rates})


def _positive(text: str) -> Decimal:
    try:
        factor = Decimal(text)
    except InvalidOperation:
        factor = Decimal(0)
    if not factor.is_finite() or factor <= 0:
        raise Refused(422, "bad_script", f"{text!r} is not a factor above zero")
    return factor
