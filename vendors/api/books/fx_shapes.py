"""Shapes and examples of exchange in the API document, and how its objects are shown."""

from typing import Any, Final

from rest_framework import serializers

from ledger.fx import exposure
from ledger.fx.rates import HouseRate, NoRate
from ledger.fx_states import FxConversionState, FxQuoteState
from ledger.models import FxConversion, FxQuote, FxUnwind
from ledger.models.fx import plain
from ledger.models.fx_rates import FxKind, FxSource
from ledger.money import Money
from vendors.api.books.shapes import MoneyOut

RATE_HELP: Final = "A decimal text: how much of the bought currency one unit of the sold one is."


class UsedSourceShape(serializers.Serializer):
    """A source that the house rate is the median of; its rate is that of the pair as `pair` writes it."""

    source = serializers.ChoiceField(FxSource.values)  # type: ignore[assignment]  # DRF has one, too
    rate = serializers.CharField()
    as_of = serializers.DateTimeField()
    by = serializers.CharField(help_text="The source's own pairs that lead there.")


class LeftOutShape(serializers.Serializer):
    """A source that is not believed: stale, without the pair, or too far off."""

    source = serializers.ChoiceField(FxSource.values)  # type: ignore[assignment]  # DRF has one, too
    reason = serializers.ChoiceField(["stale", "missing", "outlier"])
    as_of = serializers.DateTimeField(allow_null=True)
    rate = serializers.CharField(required=False)
    by = serializers.CharField(required=False)


class SourcesShape(serializers.Serializer):
    """Which sources made a rate."""

    pair = serializers.CharField()
    used = UsedSourceShape(many=True)
    left_out = LeftOutShape(many=True)
    reckoned_at = serializers.DateTimeField()


class QuoteShape(serializers.Serializer):
    """A rate locked for an amount."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["fx_quote"])
    status = serializers.ChoiceField(FxQuoteState.values)
    kind = serializers.ChoiceField(FxKind.values)
    sell = MoneyOut()
    buy = MoneyOut()
    spread = MoneyOut(help_text="What the platform keeps, in the bought currency.")
    house_rate = serializers.CharField(help_text=RATE_HELP)
    customer_rate = serializers.CharField(help_text=RATE_HELP)
    spread_bps = serializers.IntegerField(help_text="Hundredths of a percent between the two rates.")
    sources = SourcesShape()
    conversion_id = serializers.CharField(allow_null=True)
    expires_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()


class UnwindShape(serializers.Serializer):
    """A part of a conversion turned back for a refund."""

    id = serializers.CharField()
    given_back = MoneyOut()
    taken_back = MoneyOut()
    spread_returned = MoneyOut()
    house_gain = MoneyOut(help_text="The platform's; negative: its loss.")
    house_rate = serializers.CharField(help_text=RATE_HELP)
    explanation = serializers.CharField()
    created_at = serializers.DateTimeField()


class ConversionShape(serializers.Serializer):
    """Money of one currency turned into another."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["fx_conversion"])
    status = serializers.ChoiceField(FxConversionState.values)
    quote_id = serializers.CharField()
    from_account = serializers.ChoiceField(["merchant_balance"])
    to_account = serializers.ChoiceField(["merchant_balance"])
    sell = MoneyOut()
    buy = MoneyOut()
    spread = MoneyOut()
    house_rate = serializers.CharField(help_text=RATE_HELP)
    customer_rate = serializers.CharField(help_text=RATE_HELP)
    rounding = serializers.CharField(help_text="Taken by rounding, in minor units; negative: added.")
    explanation = serializers.CharField()
    entry_id = serializers.CharField()
    unwound = MoneyOut(help_text="Of the amount sold, turned back since.")
    unwinds = UnwindShape(many=True)
    created_at = serializers.DateTimeField()


class RateShape(serializers.Serializer):
    """The house rate of a pair now."""

    sell = serializers.CharField()
    buy = serializers.CharField()
    rate = serializers.CharField(help_text=RATE_HELP)
    sources = SourcesShape()


class NoRateShape(serializers.Serializer):
    """A currency that has no rate now, and why."""

    buy = serializers.CharField()
    reason = serializers.CharField()


class RatesShape(serializers.Serializer):
    """House rates, at most a minute old; a quote's are locked."""

    object = serializers.ChoiceField(["fx_rates"])
    sell = serializers.CharField()
    data = RateShape(many=True)  # type: ignore[assignment]  # DRF has one, too
    unavailable = NoRateShape(many=True)


class PositionShape(serializers.Serializer):
    """What the platform holds of a pair by the merchant's conversions; long is positive."""

    pair = serializers.CharField()
    base = MoneyOut()
    counter = MoneyOut()
    average_rate = serializers.CharField(allow_null=True)
    rate = serializers.CharField(allow_null=True, help_text="Of the base in the counter currency, now.")
    unrealised_gain = MoneyOut(allow_null=True, help_text="If it were closed now; negative: a loss.")
    reason = serializers.CharField(allow_null=True, help_text="Why there is no rate.")


class EarnedShape(serializers.Serializer):
    """What conversions have brought the platform in a currency."""

    spread = MoneyOut()
    realised_gain = MoneyOut()


class ExposureShape(serializers.Serializer):
    """The open positions and what was earned."""

    object = serializers.ChoiceField(["fx_exposure"])
    positions = PositionShape(many=True)
    earned = EarnedShape(many=True)


_AT: Final = "2026-11-21T12:00:00.000000Z"
SOURCES_EXAMPLE: Final[dict[str, Any]] = {
    "pair": "EUR/USD",
    "used": [
        {"source": "ecb", "rate": "1.1172", "as_of": "2026-11-20T15:00:00+00:00", "by": "EUR/USD"},
        {"source": "feed", "rate": "1.1168", "as_of": "2026-11-21T11:59:30+00:00", "by": "USD/EUR"},
    ],
    "left_out": [{"source": "table", "reason": "missing", "as_of": None}],
    "reckoned_at": "2026-11-21T11:59:58+00:00",
}
QUOTE_EXAMPLE: Final[dict[str, Any]] = {
    "id": "fxq_01kagm3c8qf3p8w0t5y5r4d2ne",
    "object": "fx_quote",
    "status": "open",
    "kind": "payout",
    "sell": {"amount": 10_000, "currency": "USD"},
    "buy": {"amount": 8_863, "currency": "EUR"},
    "spread": {"amount": 90, "currency": "EUR"},
    "house_rate": "0.895255147717",
    "customer_rate": "0.88630259623983",
    "spread_bps": 100,
    "sources": SOURCES_EXAMPLE,
    "conversion_id": None,
    "expires_at": "2026-11-21T12:01:00.000000Z",
    "created_at": _AT,
}
CONVERSION_EXAMPLE: Final[dict[str, Any]] = {
    "id": "fxc_01kagm4d9rg4q9x1v6z6s5e3pf",
    "object": "fx_conversion",
    "status": "booked",
    "quote_id": QUOTE_EXAMPLE["id"],
    "from_account": "merchant_balance",
    "to_account": "merchant_balance",
    **{name: QUOTE_EXAMPLE[name] for name in ("sell", "buy", "spread", "house_rate", "customer_rate")},
    "rounding": "0.0259623983",
    "explanation": "100.00 USD at the house rate 0.895255147717 (median of ecb, feed) are 89.53 EUR; …",
    "entry_id": "019aa8b4-7d2c-7a31-9c56-2f0b7f7d3c11",
    "unwound": {"amount": 0, "currency": "USD"},
    "unwinds": [],
    "created_at": _AT,
}
RATES_EXAMPLE: Final[dict[str, Any]] = {
    "object": "fx_rates",
    "sell": "USD",
    "data": [{"sell": "USD", "buy": "EUR", "rate": "0.895255147717", "sources": SOURCES_EXAMPLE}],
    "unavailable": [{"buy": "KWD", "reason": "1 of 2 sources needed have a rate for USD/KWD"}],
}
EXPOSURE_EXAMPLE: Final[dict[str, Any]] = {
    "object": "fx_exposure",
    "positions": [
        {
            "pair": "EUR/USD",
            "base": {"amount": -8_953, "currency": "EUR"},
            "counter": {"amount": 10_000, "currency": "USD"},
            "average_rate": "1.116943",
            "rate": "1.12",
            "unrealised_gain": {"amount": -27, "currency": "USD"},
            "reason": None,
        }
    ],
    "earned": [
        {
            "spread": {"amount": 90, "currency": "EUR"},
            "realised_gain": {"amount": 0, "currency": "EUR"},
        }
    ],
}


def quote_shown(quote: FxQuote) -> dict[str, Any]:
    """Return a quote as the API shows it."""
    conversion = getattr(quote, "conversion", None) if quote.state == FxQuoteState.USED else None
    return {
        "id": quote.public_id,
        "object": "fx_quote",
        "status": quote.state,
        "kind": quote.kind,
        "sell": quote.sell.as_json(),
        "buy": quote.buy.as_json(),
        "spread": quote.spread.as_json(),
        "house_rate": plain(quote.house_rate),
        "customer_rate": plain(quote.customer_rate),
        "spread_bps": quote.spread_bps,
        "sources": quote.sources,
        "conversion_id": conversion.public_id if conversion else None,
        "expires_at": quote.expires_at,
        "created_at": quote.occurred_at,
    }


def conversion_shown(conversion: FxConversion) -> dict[str, Any]:
    """Return a conversion as the API shows it."""
    unwinds = sorted(conversion.unwinds.all(), key=lambda unwind: unwind.number)
    return {
        "id": conversion.public_id,
        "object": "fx_conversion",
        "status": conversion.state,
        "quote_id": conversion.quote.public_id,
        "from_account": "merchant_balance",
        "to_account": "merchant_balance",
        "sell": conversion.sell.as_json(),
        "buy": conversion.buy.as_json(),
        "spread": conversion.spread.as_json(),
        "house_rate": plain(conversion.house_rate),
        "customer_rate": plain(conversion.customer_rate),
        "rounding": plain(conversion.rounding),
        "explanation": conversion.explanation,
        "entry_id": str(conversion.entry_id),
        "unwound": Money(conversion.unwound_minor, conversion.sell_currency).as_json(),
        "unwinds": [_unwind_shown(unwind, conversion) for unwind in unwinds],
        "created_at": conversion.occurred_at,
    }


def rate_shown(rate: HouseRate) -> dict[str, Any]:
    """Return a house rate as the API shows it."""
    return {"sell": rate.sell, "buy": rate.buy, "rate": plain(rate.rate), "sources": rate.as_json()}


def no_rate_shown(none: NoRate) -> dict[str, Any]:
    """Return why there is no rate as the API shows it."""
    return {"buy": none.buy, "reason": none.reason}


def position_shown(position: exposure.OpenPosition) -> dict[str, Any]:
    """Return an open position as the API shows it."""
    return {
        "pair": position.pair,
        "base": position.base.as_json(),
        "counter": position.counter.as_json(),
        "average_rate": plain(position.average_rate) if position.average_rate else None,
        "rate": plain(position.today.rate) if position.today else None,
        "unrealised_gain": position.unrealised.as_json() if position.unrealised else None,
        "reason": position.why_not or None,
    }


def earned_shown(earned: exposure.Earned) -> dict[str, Any]:
    """Return what was earned as the API shows it."""
    return {"spread": earned.spread.as_json(), "realised_gain": earned.gain.as_json()}


def _unwind_shown(unwind: FxUnwind, conversion: FxConversion) -> dict[str, Any]:
    bought = conversion.buy_currency
    return {
        "id": unwind.public_id,
        "given_back": Money(unwind.sell_minor, conversion.sell_currency).as_json(),
        "taken_back": Money(unwind.buy_minor, bought).as_json(),
        "spread_returned": Money(unwind.spread_minor, bought).as_json(),
        "house_gain": Money(unwind.gain_minor, bought).as_json(),
        "house_rate": plain(unwind.house_rate),
        "explanation": unwind.explanation,
        "created_at": unwind.occurred_at,
    }
