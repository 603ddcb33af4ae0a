"""ISO 4217 exponents and the writing of minor units as a decimal figure, for this process alone."""

from functools import cache

from iso4217 import Currency

from payments.simulator.errors import Refused


@cache
def exponent(currency: str) -> int:
    """Decimal places of a currency.

    :raises Refused: no such currency, or one without a minor unit (gold, test codes).
    """
    try:
        places = Currency(currency).exponent
    except ValueError:
        places = None
    if places is None:
        raise Refused(
            422, "currency_not_supported", f"{currency!r} is not a currency we carry", param="currency"
        )
    return int(places)


def major(minor: int, currency: str) -> str:
    """Write a non-negative amount of minor units as a decimal figure: 1234 USD is 12.34, 1234 JPY is 1234."""
    places = exponent(currency)
    if not places:
        return str(minor)
    whole, part = divmod(minor, 10**places)
    return f"{whole}.{part:0{places}d}"
