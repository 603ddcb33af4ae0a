"""Payments for staff: the list, and one page that tells the whole story of a payment in the order of time.

The story is put together from every floor (`ledger.admin.story`): screening, events with their postings,
calls to the network, refunds, callbacks, and what the floors above know of its settlement. The number of
queries does not grow with what there is to tell.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ledger.admin import filters, formats
from ledger.admin.base import (
    Facts,
    Panel,
    ViewOnlyAdmin,
    badge_column,
    link_column,
    moment_column,
    money_column,
)
from ledger.admin.story import Context, public_ids, story
from payments.models import NumberCounter, Payment, PaymentTransaction, Refund
from payments.states import payment_status


@admin.register(Payment)
class PaymentAdmin(ViewOnlyAdmin):
    """Payments of all merchants."""

    detail_template = "admin/payments/payment/story.html"
    list_display = [
        "number",
        "merchant_shown",
        "amount",
        "state_shown",
        "captured",
        "refunded",
        "customer_ref",
        "method",
        "created",
    ]
    list_select_related = ["merchant"]
    list_filter = [filters.state_of(Payment), filters.currency, "method_type"]
    search_fields = ["=number", "=id", "=order_ref", "=customer_ref", "=provider_reference"]

    merchant_shown = link_column("merchant")
    amount = money_column()
    captured = money_column("captured_minor", "captured")
    refunded = money_column("refunded_minor", "refunded")
    state_shown = badge_column("state")
    created = moment_column("created_at")

    @admin.display(description="method")
    def method(self, row: Payment) -> str:
        return f"{row.method_brand or row.get_method_type_display()} {row.method_last4}".strip()

    def facts(self, row: Payment) -> list[Facts]:
        return [_about(row), _money_of(row), _origin(row)]

    def extras(self, request: HttpRequest, row: Payment) -> dict[str, Any]:
        shares = list(row.shares.select_related("vendor").order_by("position"))
        refunds = list(row.refunds.order_by("created_at", "id"))
        context = Context(
            subject=row,
            subject_ids=[row.pk, *(share.pk for share in shares), *(refund.pk for refund in refunds)],
            public_ids=public_ids(row, *refunds),
            owners={str(share.vendor_id): share.vendor.name for share in shares},
            names=_names(shares, refunds),
        )
        return {"shares": _shares(shares), "refunds": _refunds(refunds), "story": story("payment", context)}


def _names(shares: Iterable[PaymentTransaction], refunds: Iterable[Refund]) -> dict[UUID, str]:
    names = {share.pk: share.vendor.name for share in shares}
    return names | {refund.pk: refund.number for refund in refunds}


def _about(row: Payment) -> Facts:
    status = payment_status(row.state, is_processing=False, is_voiding=row.is_voiding)
    authentication = [row.get_authentication_display(), row.get_exemption_display()]
    if row.liability_shift:
        authentication.append(f"liability: {row.get_liability_shift_display()}")
    decline = f"{row.decline_code}: {row.decline_message}" if row.decline_code else formats.NOTHING
    return Facts(
        "",
        [
            ("state", formats.badge(row.state)),
            ("status to the merchant", status.replace("_", " ")),
            ("merchant", formats.link(row.merchant)),
            ("customer", row.customer_ref or formats.NOTHING),
            ("order", row.order_ref or formats.NOTHING),
            ("method", f"{row.method_brand or row.get_method_type_display()} {row.method_last4}".strip()),
            ("capture", row.get_capture_method_display()),
            ("authentication", ", ".join(filter(None, authentication)) or formats.NOTHING),
            ("decline", decline),
            ("ended because", row.reason or formats.NOTHING),
            ("screening", formats.badge(row.fraud_decision)),
        ],
    )


def _money_of(row: Payment) -> Facts:
    figures = [
        ("amount", row.amount_minor),
        ("authorized", row.authorized_minor),
        ("being added", row.increasing_minor),
        ("being captured", row.capturing_minor),
        ("captured", row.captured_minor),
        ("being refunded", row.refunding_minor),
        ("refunded", row.refunded_minor),
        ("disputed", row.disputed_minor),
    ]
    return Facts("Money", [(label, formats.money(minor, row.currency)) for label, minor in figures])


def _origin(row: Payment) -> Facts:
    return Facts(
        "References",
        [
            ("public id", formats.code(row.public_id)),
            ("merchant's reference", row.merchant_reference or formats.NOTHING),
            ("provider", row.provider or formats.NOTHING),
            ("provider's reference", formats.code(row.provider_reference)),
            ("created", formats.moment(row.created_at)),
            ("authorized", formats.moment(row.authorized_at)),
            ("captured", formats.moment(row.captured_at)),
            ("to be paid on", formats.moment(row.scheduled_at)),
            ("to be captured on", formats.moment(row.capture_at)),
            ("lapses", formats.moment(row.expires_at)),
            ("closed", formats.moment(row.closed_at)),
            ("metadata", formats.block(row.metadata)),
        ],
    )


def _shares(shares: list[PaymentTransaction]) -> Panel:
    return Panel(
        "Shares of the vendors",
        ["vendor", "amount", "captured", "commission taken", "refunded", "commission given back", "state"],
        [
            [
                formats.link(share.vendor),
                formats.money(share.amount_minor, share.currency),
                formats.money(share.captured_minor, share.currency),
                formats.money(share.commission_captured_minor, share.currency),
                formats.money(share.refunded_minor, share.currency),
                formats.money(share.commission_refunded_minor, share.currency),
                formats.badge(share.state),
            ]
            for share in shares
        ],
        empty="no vendor has a share: all of it is the merchant's",
    )


def _refunds(refunds: list[Refund]) -> Panel:
    return Panel(
        "Refunds",
        ["refund", "amount", "state", "reason", "requested", "closed"],
        [
            [
                formats.link(refund),
                formats.money(refund.amount_minor, refund.currency),
                formats.badge(refund.state),
                refund.reason or formats.NOTHING,
                formats.moment(refund.created_at),
                formats.moment(refund.closed_at),
            ]
            for refund in refunds
        ],
    )


@admin.register(PaymentTransaction)
class PaymentTransactionAdmin(ViewOnlyAdmin):
    """Vendors' shares of payments."""

    list_display = [
        "reference",
        "payment_shown",
        "vendor_shown",
        "amount",
        "captured",
        "commission",
        "refunded",
        "state_shown",
        "created",
    ]
    list_select_related = ["payment", "vendor"]
    list_filter = [filters.state_of(PaymentTransaction), filters.currency]
    search_fields = ["=id", "=payment__number"]
    hidden_fields = ["event_hash"]

    payment_shown = link_column("payment")
    vendor_shown = link_column("vendor")
    amount = money_column()
    captured = money_column("captured_minor", "captured")
    commission = money_column("commission_captured_minor", "commission")
    refunded = money_column("refunded_minor", "refunded")
    state_shown = badge_column("state")
    created = moment_column("created_at")

    @admin.display(description="share")
    def reference(self, row: PaymentTransaction) -> SafeString:
        return formats.code(row.public_id)


@admin.register(NumberCounter)
class NumberCounterAdmin(ViewOnlyAdmin):
    """How far numbers of payments and refunds have been given out."""

    list_display = ["kind", "year", "last", "merchant_shown"]
    list_select_related = ["merchant"]
    merchant_shown = link_column("merchant")
