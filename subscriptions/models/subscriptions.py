"""Subscription: a customer's standing agreement to a plan, and the guards of its moves.

A period is `[start, end)`: its end belongs to the next one. `anchor_day` remembers the day of the month on
which it began, so that one begun on the 31st returns to it after February. The methods change fields and
refuse; they never save, query or read the clock.
"""

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from ledger.errors import Invalid, NotFound
from ledger.recording import Recorded
from ledger.states import StateField
from subscriptions.models.plans import Plan
from subscriptions.states import SUBSCRIPTION, SUBSCRIPTION_ENDS, TRIALING


class SubscriptionNotFound(NotFound):
    """No such subscription for this merchant."""

    code = "subscription_not_found"


class PeriodBackwards(Invalid):
    """A period that ends before it begins, or that does not follow the one before."""

    code = "subscription_period_invalid"


class Subscription(Recorded):
    """One customer on one plan."""

    PREFIX = "sub"
    SUBJECT = "subscription"
    LIVES_ON = True
    NotFound = SubscriptionNotFound

    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+")
    customer_ref = models.CharField(max_length=100)
    merchant_reference = models.CharField(max_length=100, null=True, blank=True)
    state = StateField(SUBSCRIPTION)
    quantity = models.PositiveIntegerField(default=1)
    method_type = models.CharField(max_length=16)
    method_token = models.CharField(max_length=100)
    time_zone = models.CharField(max_length=60, default="UTC")
    anchor_day = models.PositiveSmallIntegerField()
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    trial_end = models.DateTimeField(null=True, blank=True)
    is_ending = models.BooleanField(default=False)  # cancelled by the customer as from the period's end
    paused_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "subscriptions_subscription"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "merchant_reference"],
                condition=Q(merchant_reference__isnull=False),
                name="subscriptions_subscription_reference",
            ),
            models.CheckConstraint(
                condition=Q(period_end__gt=F("period_start")),
                name="subscriptions_subscription_period_runs_forward",
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, anchor_day__gte=1, anchor_day__lte=31),
                name="subscriptions_subscription_figures_are_sensible",
            ),
            models.CheckConstraint(
                condition=~Q(state=TRIALING) | Q(trial_end__isnull=False),
                name="subscriptions_subscription_trial_has_an_end",
            ),
            models.CheckConstraint(
                condition=Q(state__in=sorted(SUBSCRIPTION_ENDS), ended_at__isnull=False)
                | (~Q(state__in=sorted(SUBSCRIPTION_ENDS)) & Q(ended_at__isnull=True)),
                name="subscriptions_subscription_ended_has_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "customer_ref", "id"], name="subscriptions_sub_by_customer"),
            models.Index(fields=["merchant", "state", "id"], name="subscriptions_sub_by_state"),
            models.Index(
                fields=["period_end"], condition=Q(state="active"), name="subscriptions_sub_renewing"
            ),
            models.Index(
                fields=["trial_end"], condition=Q(state="trialing"), name="subscriptions_sub_converting"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    # --- birth --------------------------------------------------------------------------------------------
    @SUBSCRIPTION.edge("start_trial")
    def start_trial(self, end: datetime) -> None:
        """Begin with a time that is not charged."""
        self.trial_end = end

    @SUBSCRIPTION.edge("activate")
    def activate(self) -> None:
        """Begin, charged from the first period."""

    # --- periods ------------------------------------------------------------------------------------------
    @SUBSCRIPTION.edge("convert")
    def convert(self, start: datetime, end: datetime) -> None:
        """End the trial and begin the first period that is charged.

        :raises PeriodBackwards: the period does not run forward.
        """
        self._set_period(start, end)

    @SUBSCRIPTION.edge("renew")
    def renew(self, end: datetime) -> None:
        """Begin the next period where this one ends.

        :raises PeriodBackwards: the period does not run forward.
        """
        self._set_period(self.period_end, end)

    @SUBSCRIPTION.edge("change_plan")
    def change_plan(self, plan: Plan, quantity: int) -> None:
        """Go on with another plan or quantity."""
        self.plan, self.quantity = plan, quantity

    # --- stopping and going on ----------------------------------------------------------------------------
    @SUBSCRIPTION.edge("pause")
    def pause(self, at: datetime) -> None:
        """Charge nothing until resumed."""
        self.paused_at = at

    @SUBSCRIPTION.edge("pause_trial")
    def pause_trial(self, at: datetime) -> None:
        """Stop a trial; resumed, it is an ordinary subscription."""
        self.paused_at = at

    @SUBSCRIPTION.edge("resume")
    def resume(self, start: datetime, end: datetime) -> None:
        """Go on with a period that begins now.

        :raises PeriodBackwards: the period does not run forward.
        """
        self._set_period(start, end)
        self.paused_at = None

    @SUBSCRIPTION.edge("fall_behind")
    def fall_behind(self) -> None:
        """Note that an invoice was not paid when due; dunning begins."""

    @SUBSCRIPTION.edge("recover")
    def recover(self) -> None:
        """Note that what was owed is paid."""

    @SUBSCRIPTION.edge("give_up")
    def give_up(self) -> None:
        """Note that dunning ended without money."""

    # --- ends ---------------------------------------------------------------------------------------------
    @SUBSCRIPTION.edge("cancel")
    def cancel(self, reason: str, at: datetime) -> None:
        """End now, by somebody's wish."""
        self.reason, self.ended_at = reason, at

    @SUBSCRIPTION.edge("expire")
    def expire(self, at: datetime) -> None:
        """End by time."""
        self.ended_at = at

    def _set_period(self, start: datetime, end: datetime) -> None:
        if end <= start:
            raise PeriodBackwards("a period ends after it begins", param="period_end")
        self.period_start, self.period_end = start, end
