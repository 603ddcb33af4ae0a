"""Plan: what is charged, how much and how often; its terms never change (`0002_law.sql`).

Another price is another plan; subscriptions change plan by an edge with an event of its own.
"""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ledger.ids import show, uuid7
from ledger.money import Money


class Interval(models.TextChoices):
    """The unit of a billing period."""

    DAY = "day", "Day"
    WEEK = "week", "Week"
    MONTH = "month", "Month"
    YEAR = "year", "Year"


class Plan(models.Model):
    """One price for one period, in one currency."""

    PREFIX = "plan"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    code = models.CharField(max_length=60)
    name = models.CharField(max_length=120)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    interval = models.CharField(max_length=5, choices=Interval.choices)
    interval_count = models.PositiveSmallIntegerField(default=1)
    trial_days = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(default=True)
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "subscriptions_plan"
        constraints = [
            models.UniqueConstraint(fields=["merchant", "code"], name="subscriptions_plan_code"),
            models.CheckConstraint(
                condition=Q(amount_minor__gte=0) & Q(currency__regex=r"^[A-Z]{3}$"),
                name="subscriptions_plan_amount_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(interval__in=Interval.values, interval_count__gte=1, interval_count__lte=366),
                name="subscriptions_plan_period_is_sensible",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def public_id(self) -> str:
        return show(self.PREFIX, self.id)

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
