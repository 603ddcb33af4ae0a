"""FxQuote, FxConversion, FxUnwind and FxExposure: a rate promised, used, taken back, and what it left open.

Rates have twelve decimals, the customer's rate sixteen (it is the house rate less whole hundredths of a
percent, exactly), remainders of rounding twenty: nothing here is rounded but amounts, half to even.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import models
from django.db.models import F, Q

from ledger.errors import NotFound
from ledger.fx_states import FX_CONVERSION, FX_QUOTE, FxConversionState, FxQuoteState
from ledger.ids import show, uuid7
from ledger.models.fx_rates import RATE_DIGITS, RATE_PLACES, SPREAD_BPS_MAX, FxKind
from ledger.money import Money
from ledger.recorded import Recorded
from ledger.states import StateField

CUSTOMER_PLACES: Final = RATE_PLACES + 4
REMAINDER_PLACES: Final = CUSTOMER_PLACES + 4


def _rate() -> Any:
    return models.DecimalField(max_digits=RATE_DIGITS, decimal_places=RATE_PLACES)


def _customer_rate() -> Any:
    return models.DecimalField(max_digits=RATE_DIGITS + 4, decimal_places=CUSTOMER_PLACES)


def _remainder() -> Any:
    return models.DecimalField(max_digits=REMAINDER_PLACES + 1, decimal_places=REMAINDER_PLACES)


class FxQuoteNotFound(NotFound):
    """No such quote of this merchant."""

    code = "fx_quote_not_found"


class FxConversionNotFound(NotFound):
    """No such conversion of this merchant."""

    code = "fx_conversion_not_found"


class _Exchanged(Recorded):
    """An amount of one currency and what it is in another: at the house rate, and less the spread.

    `buy_minor` is what the merchant gets, `house_minor` the same at the house rate, `spread_minor` between
    them.
    """

    merchant_id = models.UUIDField()
    sell_currency = models.CharField(max_length=3)
    buy_currency = models.CharField(max_length=3)
    sell_minor = models.BigIntegerField()
    buy_minor = models.BigIntegerField()
    house_minor = models.BigIntegerField()
    spread_minor = models.BigIntegerField()
    house_rate = _rate()
    customer_rate = _customer_rate()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.sell.display()} to {self.buy.display()}"

    @property
    def sell(self) -> Money:
        return Money(self.sell_minor, self.sell_currency)

    @property
    def buy(self) -> Money:
        return Money(self.buy_minor, self.buy_currency)

    @property
    def house(self) -> Money:
        return Money(self.house_minor, self.buy_currency)

    @property
    def spread(self) -> Money:
        return Money(self.spread_minor, self.buy_currency)

    def amounts_as_json(self) -> dict[str, Any]:
        """Return what the payload of every event of an exchange says of its amounts and rates."""
        return {
            "sell": self.sell.as_json(),
            "buy": self.buy.as_json(),
            "spread": self.spread.as_json(),
            "house_rate": str(self.house_rate),
            "customer_rate": str(self.customer_rate),
        }


class FxQuote(_Exchanged):
    """A rate locked for one merchant and one amount until an instant; it is used once.

    `sources` says which sources the house rate is the median of, and which were left out and why.
    """

    PREFIX = "fxq"
    SUBJECT = "fx_quote"

    kind = models.CharField(max_length=16, choices=FxKind.choices)
    spread_bps = models.PositiveIntegerField()
    spread_id = models.UUIDField(null=True, blank=True, help_text="Empty: the house's default.")
    sources = models.JSONField()
    state = StateField(FX_QUOTE, choices=FxQuoteState.choices)
    occurred_at = models.DateTimeField(help_text="When it was given.")
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "ledger_fx_quote"
        verbose_name = "FX quote"
        constraints = [
            models.CheckConstraint(condition=Q(sell_minor__gt=0), name="ledger_fx_quote_sells"),
            models.CheckConstraint(condition=Q(buy_minor__gt=0), name="ledger_fx_quote_buys"),
            models.CheckConstraint(condition=Q(spread_minor__gte=0), name="ledger_fx_quote_spread"),
            models.CheckConstraint(
                condition=Q(house_minor=F("buy_minor") + F("spread_minor")), name="ledger_fx_quote_adds_up"
            ),
            models.CheckConstraint(
                condition=~Q(sell_currency=F("buy_currency")), name="ledger_fx_quote_of_two"
            ),
            models.CheckConstraint(
                condition=Q(spread_bps__lte=SPREAD_BPS_MAX), name="ledger_fx_quote_spread_bounded"
            ),
        ]
        indexes = [
            models.Index(fields=["merchant_id", "id"], name="ledger_fx_quote_by_merchant"),
            models.Index(
                fields=["expires_at"], condition=Q(state=FxQuoteState.OPEN), name="ledger_fx_quote_lapsing"
            ),
        ]

    def is_lapsed(self, at: datetime) -> bool:
        """Say whether its time is over."""
        return at >= self.expires_at

    @FX_QUOTE.edge("open")
    def open(self) -> None:
        """Promise the rate."""

    @FX_QUOTE.edge("use")
    def use(self, at: datetime) -> None:
        """Keep the promise, once."""
        self.closed_at = at

    @FX_QUOTE.edge("expire")
    def expire(self, at: datetime) -> None:
        """Its time is over."""
        self.closed_at = at

    @FX_QUOTE.edge("cancel")
    def cancel(self, at: datetime) -> None:
        """The merchant does not want it."""
        self.closed_at = at

    def as_event(self) -> dict[str, Any]:
        """Return the payload of this quote's events."""
        return {
            "id": self.public_id,
            "kind": self.kind,
            **self.amounts_as_json(),
            "spread_bps": self.spread_bps,
            "sources": self.sources,
            "status": self.state,
        }


class FxConversion(_Exchanged):
    """Money of one currency turned into another at a quote's rate, and how much of it was unwound since.

    `rounding` and `house_rounding` are what rounding half to even took from (positive) or added to
    (negative) the exact result, in minor units of the bought currency.
    """

    PREFIX = "fxc"
    SUBJECT = "fx_conversion"

    quote = models.OneToOneField(FxQuote, on_delete=models.PROTECT, related_name="conversion")
    pair = models.CharField(max_length=7)
    rounding = _remainder()
    house_rounding = _remainder()
    explanation = models.TextField()
    entry_id = models.UUIDField()
    unwound_minor = models.BigIntegerField(default=0, help_text="Of the amount sold.")
    returned_minor = models.BigIntegerField(default=0, help_text="Of the amount bought.")
    spread_returned_minor = models.BigIntegerField(default=0)
    gain_minor = models.BigIntegerField(default=0, help_text="Negative: a loss.")
    unwinds_made = models.PositiveIntegerField(default=0)
    state = StateField(FX_CONVERSION, choices=FxConversionState.choices)
    occurred_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_fx_conversion"
        verbose_name = "FX conversion"
        constraints = [
            models.CheckConstraint(
                condition=Q(house_minor=F("buy_minor") + F("spread_minor")),
                name="ledger_fx_conversion_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(unwound_minor__gte=0, unwound_minor__lte=F("sell_minor"))
                & Q(returned_minor__gte=0, returned_minor__lte=F("buy_minor"))
                & Q(spread_returned_minor__gte=0, spread_returned_minor__lte=F("spread_minor")),
                name="ledger_fx_conversion_unwound_within",
            ),
        ]
        indexes = [models.Index(fields=["merchant_id", "id"], name="ledger_fx_conv_by_merchant")]

    @property
    def left(self) -> Money:
        """What can still be unwound, in the currency sold."""
        return Money(self.sell_minor - self.unwound_minor, self.sell_currency)

    @FX_CONVERSION.edge("book")
    def book(self, entry_id: UUID) -> None:
        """Turn the money."""
        self.entry_id = entry_id

    @FX_CONVERSION.edge("unwind_part")
    def unwind_part(self, figures: Mapping[str, int]) -> None:
        """Turn a part of it back."""
        self._take_back(figures)

    @FX_CONVERSION.edge("unwind")
    def unwind(self, figures: Mapping[str, int]) -> None:
        """Turn back all that is left."""
        self._take_back(figures)

    def as_event(self) -> dict[str, Any]:
        """Return the payload of this conversion's events."""
        return {
            "id": self.public_id,
            "quote_id": self.quote.public_id,
            **self.amounts_as_json(),
            "unwound": self.unwound_minor,
            "gain": Money(self.gain_minor, self.buy_currency).as_json(),
            "status": self.state,
        }

    def _take_back(self, figures: Mapping[str, int]) -> None:
        self.unwound_minor += figures["sell"]
        self.returned_minor += figures["buy"]
        self.spread_returned_minor += figures["spread"]
        self.gain_minor += figures["gain"]
        self.unwinds_made += 1


class FxUnwind(models.Model):
    """A part of a conversion turned back: the customer's side at the old rate, the house's at the new one."""

    PREFIX = "fxu"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant_id = models.UUIDField()
    conversion = models.ForeignKey(FxConversion, on_delete=models.PROTECT, related_name="unwinds")
    number = models.PositiveIntegerField()
    sell_minor = models.BigIntegerField(help_text="Given back to the merchant, in the currency sold.")
    buy_minor = models.BigIntegerField(help_text="Taken back from the merchant, at the customer's rate.")
    spread_minor = models.BigIntegerField(help_text="Of the spread, given back.")
    cost_minor = models.BigIntegerField(help_text="What the amount sold costs at the rate of the day.")
    gain_minor = models.BigIntegerField(help_text="Negative: a loss.")
    house_rate = _rate()
    sources = models.JSONField()
    explanation = models.TextField()
    cause_type = models.CharField(max_length=40, blank=True)
    cause_id = models.CharField(max_length=64, blank=True)
    entry_id = models.UUIDField()
    occurred_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_fx_unwind"
        verbose_name = "FX unwind"
        constraints = [
            models.UniqueConstraint(fields=["conversion", "number"], name="ledger_fx_unwind_numbered"),
            models.CheckConstraint(
                condition=Q(gain_minor=F("buy_minor") + F("spread_minor") - F("cost_minor")),
                name="ledger_fx_unwind_gain",
            ),
            models.CheckConstraint(
                condition=Q(sell_minor__gt=0, buy_minor__gte=0, spread_minor__gte=0, cost_minor__gte=0),
                name="ledger_fx_unwind_amounts",
            ),
        ]

    def __str__(self) -> str:
        return self.explanation

    @property
    def public_id(self) -> str:
        """The identifier that people and programs outside see."""
        return show(self.PREFIX, self.id)


class FxExposure(models.Model):
    """What one conversion or unwind left the house holding of a pair: long is positive, short negative."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant_id = models.UUIDField()
    pair = models.CharField(max_length=7)
    base_minor = models.BigIntegerField()
    quote_minor = models.BigIntegerField()
    rate = _rate()
    conversion = models.ForeignKey(FxConversion, on_delete=models.PROTECT, related_name="exposures")
    unwind = models.OneToOneField(
        FxUnwind, on_delete=models.PROTECT, null=True, blank=True, related_name="exposure"
    )
    entry_id = models.UUIDField()
    occurred_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_fx_exposure"
        verbose_name = "FX exposure"
        constraints = [
            models.UniqueConstraint(
                fields=["conversion"], condition=Q(unwind=None), name="ledger_fx_exposure_once"
            ),
        ]
        indexes = [models.Index(fields=["merchant_id", "pair"], name="ledger_fx_exposure_by_pair")]

    def __str__(self) -> str:
        return f"{self.base.display()} {self.counter.display()}"

    @property
    def base(self) -> Money:
        return Money(self.base_minor, self.pair[:3])

    @property
    def counter(self) -> Money:
        return Money(self.quote_minor, self.pair[4:])


def plain(rate: Decimal) -> str:
    """Return a rate as people write it, without zeros at its end."""
    text = f"{rate:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
