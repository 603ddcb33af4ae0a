"""Vendor: the seller under a merchant, who is paid out. His state moves only along the machine VENDOR."""

from typing import Any

from django.db import models

from ledger.errors import NotFound
from ledger.recording import Recorded
from ledger.states import StateField
from vendors.models.merchants import Merchant
from vendors.states import VENDOR, VendorState


class VendorNotFound(NotFound):
    """No such vendor of this merchant."""

    code = "vendor_not_found"
    advice = "Look at the id; a vendor of another merchant is not found either."


class Vendor(Recorded):
    """A seller: who he is to the merchant, what he sells, and where his money goes.

    `payout_destination` is {"holder", "iban", "country"}; the API shows only the end of the account, and
    the history, which is kept for ever, only a fingerprint.
    """

    PREFIX = "vnd"
    SUBJECT = "vendor"
    LIVES_ON = True
    UNTOLD = frozenset({"payout_destination"})

    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="vendors")
    external_id = models.CharField(max_length=64, help_text="The merchant's own name for the vendor.")
    name = models.CharField(max_length=120)
    category = models.CharField(max_length=60, blank=True)
    state = StateField(VENDOR, choices=VendorState.choices)
    payout_destination = models.JSONField()
    metadata = models.JSONField(default=dict, blank=True)
    occurred_at = models.DateTimeField(help_text="When the vendor was opened.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "external_id"], name="vendors_vendor_external_id_once"
            ),
        ]
        indexes = [models.Index(fields=["merchant", "id"], name="vendors_vendor_by_merchant")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        return bool(self.state == VendorState.ACTIVE)

    @VENDOR.edge("open")
    def open(self) -> None:
        """Take the vendor in; he cannot sell yet."""

    @VENDOR.edge("activate")
    def activate(self) -> None:
        """Let the vendor sell and be paid out."""

    @VENDOR.edge("suspend")
    def suspend(self) -> None:
        """Stop new sales and payouts."""

    @VENDOR.edge("reinstate")
    def reinstate(self) -> None:
        """End a suspension."""

    def as_event(self) -> dict[str, Any]:
        """Return the payload of this vendor's events: no account number in it."""
        return {
            "id": self.public_id,
            "external_id": self.external_id,
            "name": self.name,
            "category": self.category,
        }
