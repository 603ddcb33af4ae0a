"""The machine of a vendor: when he may sell and be paid out.

Vendors of a sandbox merchant go from opened to active in one phase; a KYC decision will stand between the
two edges for live merchants.
"""

from django.db.models import TextChoices

from ledger.states import NEW, Edge, Machine


class VendorState(TextChoices):
    """Where a vendor stands."""

    ONBOARDING = "onboarding", "Onboarding"
    ACTIVE = "active", "Active"
    SUSPENDED = "suspended", "Suspended"


VENDOR = Machine(
    "vendor",
    [
        Edge("open", {NEW}, VendorState.ONBOARDING.value, "vendor.opened"),
        Edge("activate", {VendorState.ONBOARDING.value}, VendorState.ACTIVE.value, "vendor.activated"),
        Edge("suspend", {VendorState.ACTIVE.value}, VendorState.SUSPENDED.value, "vendor.suspended"),
        Edge("reinstate", {VendorState.SUSPENDED.value}, VendorState.ACTIVE.value, "vendor.reinstated"),
    ],
)
