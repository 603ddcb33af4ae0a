"""The feed of exchange rates: one request, one answer of one instant, read strictly.

    GET /fx/v1/rates?base=USD
    {"base": "USD", "as_of": "2026-11-21T12:00:00+00:00", "rates": {"EUR": "0.8951"}}

Rates are decimal texts: a number of JSON would be a float to most readers. An answer of which one part cannot
be read is no answer. Currencies that we cannot pay in are left out.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ledger.errors import DomainError
from ledger.fx import arithmetic
from ledger.fx.intake import NewRate
from ledger.money import BadCurrency, exponent
from payments.providers.errors import Unanswered
from payments.providers.transport import Transport

CURRENCIES_MAX: Final = 300


class RateFeed:
    """The feed's one door."""

    name = "ratefeed"

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def latest(self, base: str) -> list[NewRate]:
        """Return the newest rates of a base.

        :raises ProviderUnavailable: the feed could not be asked, or its answer cannot be read.
        """
        reply = self._transport.send("fx_rates", "GET", "/fx/v1/rates", query={"base": base})
        if reply.status != 200 or reply.body is None:
            raise Unanswered(f"http_{reply.status}")
        return read(reply.body, base)


def read(body: Mapping[str, Any], base: str) -> list[NewRate]:
    """Return the rates in an answer.

    :raises Unanswered: it is not the answer to what was asked.
    """
    stated, rates = body.get("as_of"), body.get("rates")
    if body.get("base") != base or not isinstance(stated, str) or not isinstance(rates, dict):
        raise Unanswered("unreadable_rates")
    if len(rates) > CURRENCIES_MAX:
        raise Unanswered("too_many_rates")
    try:
        as_of = datetime.fromisoformat(stated)
        found = [
            NewRate(base, code, arithmetic.read_rate(text), as_of)
            for code, text in rates.items()
            if code != base and _is_currency(code)
        ]
    except (ValueError, DomainError) as error:
        raise Unanswered("unreadable_rates") from error
    if as_of.tzinfo is None:
        raise Unanswered("unreadable_rates")
    return found


def _is_currency(code: str) -> bool:
    try:
        return exponent(code) >= 0
    except BadCurrency:
        return False
