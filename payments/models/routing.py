"""RoutingPolicy: what a merchant wants of routing, a version at a time; nothing written is changed.

The newest version holds. Decisions name the version they were taken by, so that each can be understood later.
"""

from django.db import models
from django.db.models import Q

from ledger.errors import NotFound
from ledger.ids import show, uuid7
from vendors.models import Merchant


class RoutedMerchant(Merchant):
    """A merchant as routing sees it: the desk on which his policy is written."""

    class Meta:
        proxy = True
        verbose_name = "routing of a merchant"
        verbose_name_plural = "routing"


class RoutingPolicyNotFound(NotFound):
    """No such version of a routing policy."""

    code = "routing_policy_not_found"


class RoutingPolicy(models.Model):
    """One version of a merchant's policy; `content` is read by `payments.rules.routing_policy`."""

    PREFIX = "rtp"
    NotFound = RoutingPolicyNotFound

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    version = models.PositiveIntegerField()
    content = models.JSONField(default=dict)
    reason = models.CharField(max_length=1000)
    written_by = models.CharField(max_length=150)
    written_at = models.DateTimeField()

    class Meta:
        verbose_name = "routing policy"
        verbose_name_plural = "routing policies"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "version"], name="payments_routingpolicy_version_once"
            ),
            models.CheckConstraint(condition=Q(version__gte=1), name="payments_routingpolicy_version"),
        ]

    def __str__(self) -> str:
        return f"version {self.version}"

    @property
    def public_id(self) -> str:
        return show(self.PREFIX, self.id)
