"""CommissionRule: what the platform keeps of a sale, for whom and from when.

A rule is not edited: a change ends it and makes the next version, so that the rule frozen on a sale always
says what it said then.
"""

from django.db import models
from django.db.models.functions import Now

from ledger.ids import uuid7
from ledger.money import BPS_WHOLE
from vendors.commission import RuleTerms
from vendors.models.merchants import Merchant
from vendors.models.vendors import Vendor


class CommissionRule(models.Model):
    """Rate and fixed part for a vendor, a category, or all of a merchant's sales."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="commission_rules")
    vendor = models.ForeignKey(
        Vendor, on_delete=models.PROTECT, related_name="commission_rules", null=True, blank=True
    )
    category = models.CharField(max_length=60, blank=True, help_text="Empty: any category.")
    currency = models.CharField(max_length=3, blank=True, help_text="Empty: any currency.")
    rate_bps = models.PositiveIntegerField(help_text="Hundredths of a percent of the sale amount.")
    fixed_minor = models.BigIntegerField(
        default=0, help_text="Added to the rate, in minor units of the currency."
    )
    priority = models.IntegerField(default=0, help_text="The higher wins among equally specific rules.")
    is_active = models.BooleanField(default=True)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(
        null=True, blank=True, help_text="Exclusive; empty: until further notice."
    )
    version = models.PositiveIntegerField(default=1)
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(rate_bps__lte=BPS_WHOLE), name="vendors_rule_rate_is_at_most_the_whole"
            ),
            models.CheckConstraint(
                condition=models.Q(fixed_minor__gte=0), name="vendors_rule_fixed_part_is_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(fixed_minor=0) | ~models.Q(currency=""),
                name="vendors_rule_fixed_part_has_a_currency",
            ),
            models.CheckConstraint(
                condition=models.Q(vendor__isnull=True) | models.Q(category=""),
                name="vendors_rule_vendor_or_category",
            ),
            models.CheckConstraint(
                condition=models.Q(valid_to__isnull=True) | models.Q(valid_to__gt=models.F("valid_from")),
                name="vendors_rule_ends_after_it_begins",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rate_bps} bps + {self.fixed_minor} {self.currency}".strip()

    def as_terms(self) -> RuleTerms:
        """Return what the rule says, for the pure code."""
        return RuleTerms(
            id=self.id,
            vendor_id=self.vendor_id,
            category=self.category,
            currency=self.currency,
            rate_bps=self.rate_bps,
            fixed_minor=self.fixed_minor,
            priority=self.priority,
            valid_from=self.valid_from,
            valid_to=self.valid_to,
        )
