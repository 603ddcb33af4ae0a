"""What the house knows of exchange rates, and what it takes for a conversion.

`ExchangeRate` is append only: what a source said, for when, and when it was fetched. `FxTableRate` and
`FxSpread` are kept by finance: a row is not edited, a change ends it and makes the next.
"""

from typing import Final

from django.db import models
from django.db.models import F, Q

from ledger.ids import uuid7

RATE_PLACES: Final = 12
RATE_DIGITS: Final = 24
SPREAD_BPS_MAX: Final = 2_000


class FxSource(models.TextChoices):
    """Who says what a currency is worth."""

    ECB = "ecb", "European Central Bank"
    FEED = "feed", "Rate feed"
    TABLE = "table", "Finance's table"


class FxKind(models.TextChoices):
    """What a conversion is for; each kind has its spread."""

    PAYMENT = "payment", "Payment"
    PAYOUT = "payout", "Payout"
    OTHER = "other", "Other"


class ExchangeRate(models.Model):
    """What a source said: one unit of `base` is `rate` units of `quote`, as of an instant."""

    id = models.BigAutoField(primary_key=True)
    source = models.CharField(max_length=16, choices=FxSource.choices)
    base = models.CharField(max_length=3)
    quote = models.CharField(max_length=3)
    rate = models.DecimalField(max_digits=RATE_DIGITS, decimal_places=RATE_PLACES)
    as_of = models.DateTimeField()
    fetched_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_fx_rate"
        constraints = [
            models.UniqueConstraint(
                fields=["source", "base", "quote", "as_of"], name="ledger_fx_rate_said_once"
            ),
            models.CheckConstraint(condition=Q(rate__gt=0), name="ledger_fx_rate_above_zero"),
            models.CheckConstraint(condition=~Q(base=F("quote")), name="ledger_fx_rate_of_two"),
        ]
        indexes = [models.Index(fields=["source", "as_of"], name="ledger_fx_rate_latest")]

    def __str__(self) -> str:
        return f"{self.source}: 1 {self.base} = {self.rate.normalize():f} {self.quote}"


class FxTableRate(models.Model):
    """A rate that finance stands for, from one instant to another (exclusive)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    base = models.CharField(max_length=3)
    quote = models.CharField(max_length=3)
    rate = models.DecimalField(max_digits=RATE_DIGITS, decimal_places=RATE_PLACES)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True, help_text="Exclusive; empty: until changed.")
    set_by = models.CharField(max_length=150)
    reason = models.TextField()
    recorded_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_fx_table"
        verbose_name = "rate of finance"
        verbose_name_plural = "rates of finance"
        constraints = [
            models.CheckConstraint(condition=Q(rate__gt=0), name="ledger_fx_table_above_zero"),
            models.CheckConstraint(condition=~Q(base=F("quote")), name="ledger_fx_table_of_two"),
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="ledger_fx_table_ends_after_it_begins",
            ),
        ]
        indexes = [models.Index(fields=["base", "quote", "valid_from"], name="ledger_fx_table_by_pair")]

    def __str__(self) -> str:
        return f"1 {self.base} = {self.rate.normalize():f} {self.quote}"


class FxSpread(models.Model):
    """What the house keeps of a conversion of one kind, in hundredths of a percent of the house rate."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant_id = models.UUIDField(null=True, blank=True, help_text="Empty: every merchant.")
    kind = models.CharField(max_length=16, choices=FxKind.choices)
    bps = models.PositiveIntegerField()
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True, help_text="Exclusive; empty: until changed.")
    set_by = models.CharField(max_length=150)
    reason = models.TextField()
    recorded_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_fx_spread"
        verbose_name = "FX spread"
        constraints = [
            models.CheckConstraint(condition=Q(bps__lte=SPREAD_BPS_MAX), name="ledger_fx_spread_bounded"),
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="ledger_fx_spread_ends_after_it_begins",
            ),
        ]
        indexes = [models.Index(fields=["kind", "merchant_id"], name="ledger_fx_spread_by_kind")]

    def __str__(self) -> str:
        return f"{self.kind} {self.bps} bps"
