"""RiskRule and ListEntry: what the house and its merchants hold payments against, as data in time.

A rule is never edited: a new version is published and the open one ends (`0002_rules.sql` refuses anything
else). A merchant's row overrides the house's row of the same code, currency by currency.
"""

from enum import Enum

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from fraud.engine.types import SCORE_MAX, Decision, Dimension, ListKind, RuleKind
from ledger.ids import uuid7


def _choices(kind: type[Enum]) -> list[tuple[str, str]]:
    return [(item.value, item.value.replace("_", " ")) for item in kind]


class RiskRule(models.Model):
    """One version of one rule; `merchant` null means the house's default for everyone.

    `limits`: {currency or "*": {"review": n, "decline": n}}; amounts and sums in minor units, counts in
    attempts, scores in thousandths. `revision` and `changed_at` are kept by the database: their sum and
    maximum are the token by which every process knows that its cached rules are still the rules.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    code = models.CharField(max_length=40)
    kind = models.CharField(max_length=24, choices=_choices(RuleKind))
    dimension = models.CharField(max_length=16, choices=_choices(Dimension), blank=True)
    window_seconds = models.PositiveIntegerField(null=True, blank=True)
    limits = models.JSONField()
    review_weight = models.PositiveSmallIntegerField(default=0)
    decline_weight = models.PositiveSmallIntegerField(default=0)
    fail_posture = models.CharField(max_length=8, choices=_choices(Decision), default=Decision.REVIEW)
    is_active = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)
    revision = models.PositiveIntegerField(default=1, editable=False)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "fraud_rule"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "code", "version"],
                nulls_distinct=False,
                name="fraud_rule_one_per_version",
            ),
            models.UniqueConstraint(
                fields=["merchant", "code"],
                condition=Q(valid_until=None),
                nulls_distinct=False,
                name="fraud_rule_one_open",
            ),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gte=F("valid_from")),
                name="fraud_rule_ends_after_it_begins",
            ),
            models.CheckConstraint(
                condition=Q(review_weight__lte=SCORE_MAX, decline_weight__lte=SCORE_MAX, version__gte=1),
                name="fraud_rule_weights_in_thousandths",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} v{self.version}"


class ListEntry(models.Model):
    """A customer, method, ip, e-mail or country to block or to allow, for a time, with its reason.

    Only the opaque key is kept; `label` is what staff may see of it (masked by whoever adds it).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    list = models.CharField(max_length=8, choices=_choices(ListKind))
    dimension = models.CharField(max_length=16, choices=_choices(Dimension))
    key = models.CharField(max_length=32)
    label = models.CharField(max_length=80)
    reason = models.CharField(max_length=300)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)
    added_by = models.CharField(max_length=150)

    class Meta:
        db_table = "fraud_list_entry"
        verbose_name_plural = "list entries"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "list", "key"],
                condition=Q(valid_until=None),
                nulls_distinct=False,
                name="fraud_list_entry_one_open",
            ),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gte=F("valid_from")),
                name="fraud_list_entry_ends_after_it_begins",
            ),
        ]
        indexes = [models.Index(fields=["key"], name="fraud_list_entry_by_key")]

    def __str__(self) -> str:
        return f"{self.list} {self.dimension} {self.label}"
