"""The table of all REST routes: path of the contract -> view set and action.

Paths are written exactly as the contract has them, so a slash at the end is there only where the
contract has one. Each path is also accepted in its other form (with, or without, the slash); only
the contract's own form appears in the OpenAPI document. Earlier rows win, so words such as
`payments/core` and `payments/order` stand before `payments/{id}`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, path
from rest_framework.viewsets import ViewSetMixin

from payments.api.disputes import DisputeEvidenceViewSet, DisputeViewSet
from payments.api.marketplace_payments import MarketplacePaymentViewSet
from payments.api.payment_methods import PaymentMethodViewSet
from payments.api.payment_webhooks import PaymentWebhookViewSet
from payments.api.payments import PaymentViewSet
from payments.api.refunds import RefundViewSet
from payments.api.transactions import PaymentTransactionViewSet
from settlements.api.bank_statements import BankStatementViewSet
from settlements.api.settlements import SettlementViewSet
from vendors.api.books.account_history import AccountHistoryViewSet
from vendors.api.books.accounts import AccountViewSet
from vendors.api.books.audit import AuditRecordViewSet
from vendors.api.books.explain import ExplainViewSet
from vendors.api.books.fx import FxViewSet
from vendors.api.books.holds import HoldViewSet
from vendors.api.books.transfers import TransferViewSet
from vendors.api.vendors import VendorViewSet

PREFIX = "/api/v1/"


@dataclass(frozen=True)
class Route:
    """One path of the contract, with the action of the view set for each HTTP method."""

    path: str
    view: type[ViewSetMixin]
    actions: dict[str, str]

    @property
    def other_form(self) -> str:
        """The same path with the slash at its end taken away, or added."""
        return self.path[:-1] if self.path.endswith("/") else self.path + "/"


ROUTES: tuple[Route, ...] = (
    # no. 1
    Route("payments/core/", PaymentViewSet, {"post": "create"}),
    Route("payments/core/{id}", PaymentViewSet, {"get": "retrieve"}),  # first, for it is asked most
    Route("payments/core/number/{payment_number}", PaymentViewSet, {"get": "by_number"}),
    Route("payments/core/transaction/{transaction_id}", PaymentViewSet, {"get": "by_reference"}),
    Route("payments/core/order/{order_id}", PaymentViewSet, {"get": "of_order"}),
    Route("payments/core/customer/{customer_id}", PaymentViewSet, {"get": "of_customer"}),
    Route("payments/core/status/{status}", PaymentViewSet, {"get": "with_status"}),
    Route("payments/core/{id}/authorize", PaymentViewSet, {"put": "authorize"}),
    Route("payments/core/{id}/capture", PaymentViewSet, {"put": "capture"}),
    Route("payments/core/{id}/increase", PaymentViewSet, {"put": "increase"}),  # ours, beside the contract
    Route("payments/core/{id}/complete", PaymentViewSet, {"put": "complete"}),
    Route("payments/core/{id}/fail", PaymentViewSet, {"put": "fail"}),
    Route("payments/core/{id}/cancel", PaymentViewSet, {"put": "cancel"}),
    # no. 2
    Route("payment-methods/", PaymentMethodViewSet, {"post": "create"}),
    Route("payment-methods/customer/{customer_id}", PaymentMethodViewSet, {"get": "of_customer"}),
    Route("payment-methods/customer/{customer_id}/active", PaymentMethodViewSet, {"get": "active"}),
    Route("payment-methods/customer/{customer_id}/default", PaymentMethodViewSet, {"get": "default"}),
    Route(
        "payment-methods/customer/{customer_id}/type/{method_type}", PaymentMethodViewSet, {"get": "of_type"}
    ),
    Route("payment-methods/{id}", PaymentMethodViewSet, {"get": "retrieve", "delete": "remove"}),
    Route("payment-methods/{id}/set-default", PaymentMethodViewSet, {"put": "set_default"}),
    Route("payment-methods/{id}/verification-status", PaymentMethodViewSet, {"put": "change_verification"}),
    # ours, beside no. 2
    Route("vault/detokenize", PaymentMethodViewSet, {"post": "detokenize"}),
    # no. 3
    Route("payments/", PaymentTransactionViewSet, {"post": "create"}),
    Route("payments/transaction/{transaction_id}", PaymentTransactionViewSet, {"get": "by_reference"}),
    Route("payments/order/{order_id}", PaymentTransactionViewSet, {"get": "of_order"}),
    Route("payments/customer/{customer_id}", PaymentTransactionViewSet, {"get": "of_customer"}),
    Route("payments/vendor/{vendor_id}", PaymentTransactionViewSet, {"get": "of_vendor"}),
    Route("payments/{id}", PaymentTransactionViewSet, {"get": "retrieve"}),
    Route("payments/{id}/complete", PaymentTransactionViewSet, {"put": "complete"}),
    Route("payments/{id}/fail", PaymentTransactionViewSet, {"put": "fail"}),
    Route("payments/{id}/refund", PaymentTransactionViewSet, {"post": "refund"}),
    # ours, beside no. 3
    Route("marketplace-payments/", MarketplacePaymentViewSet, {"get": "list", "post": "create"}),
    Route("marketplace-payments/{id}", MarketplacePaymentViewSet, {"get": "retrieve"}),
    Route("marketplace-payments/{id}/cancel", MarketplacePaymentViewSet, {"post": "cancel"}),
    # no. 4
    Route("refunds/", RefundViewSet, {"post": "create"}),
    Route("refunds/refund-number/{refund_number}", RefundViewSet, {"get": "by_number"}),
    Route("refunds/payment/{payment_id}", RefundViewSet, {"get": "of_payment"}),
    Route("refunds/order/{order_id}", RefundViewSet, {"get": "of_order"}),
    Route("refunds/status/{status}", RefundViewSet, {"get": "with_status"}),
    Route("refunds/{id}", RefundViewSet, {"get": "retrieve"}),
    Route("refunds/{id}/process", RefundViewSet, {"post": "process"}),
    Route("refunds/{id}/complete", RefundViewSet, {"post": "complete"}),
    Route("refunds/{id}/fail", RefundViewSet, {"post": "fail"}),
    Route("refunds/{id}/ask-again", RefundViewSet, {"post": "ask_again"}),  # ours, beside the contract
    # ours: disputes
    Route("disputes/", DisputeViewSet, {"get": "list"}),
    Route("disputes/payment/{payment_id}", DisputeViewSet, {"get": "of_payment"}),
    Route("disputes/status/{status}", DisputeViewSet, {"get": "with_status"}),
    Route("disputes/{id}", DisputeViewSet, {"get": "retrieve"}),
    Route("disputes/{id}/evidence", DisputeEvidenceViewSet, {"post": "create"}),
    Route("disputes/{id}/challenge", DisputeViewSet, {"post": "challenge"}),
    Route("disputes/{id}/accept", DisputeViewSet, {"post": "accept"}),
    # no. 11
    Route("payment-webhooks/", PaymentWebhookViewSet, {"post": "create"}),
    Route("payment-webhooks/payment/{payment_id}", PaymentWebhookViewSet, {"get": "of_payment"}),
    Route("payment-webhooks/unprocessed", PaymentWebhookViewSet, {"get": "unprocessed"}),
    Route("payment-webhooks/errors", PaymentWebhookViewSet, {"get": "errors"}),
    Route("payment-webhooks/verify-signature", PaymentWebhookViewSet, {"post": "verify_signature"}),
    Route("payment-webhooks/auto-retry", PaymentWebhookViewSet, {"post": "auto_retry"}),
    Route("payment-webhooks/{id}", PaymentWebhookViewSet, {"get": "retrieve"}),  # ours, beside the contract
    Route("payment-webhooks/{id}/process", PaymentWebhookViewSet, {"post": "process"}),
    Route("payment-webhooks/{id}/retry", PaymentWebhookViewSet, {"post": "retry"}),
    # 10: settlements; ours: bank statements
    Route("settlements/", SettlementViewSet, {"post": "create"}),
    Route("settlements/vendor/{vendor_id}", SettlementViewSet, {"get": "of_vendor"}),
    Route("settlements/vendor/{vendor_id}/settlement-info", SettlementViewSet, {"get": "vendor_info"}),
    Route("settlements/due-for-payment", SettlementViewSet, {"get": "due_for_payment"}),
    Route("settlements/calculate-commission", SettlementViewSet, {"get": "calculate_commission"}),
    Route("settlements/{id}/process", SettlementViewSet, {"post": "process"}),
    Route("settlements/{id}", SettlementViewSet, {"get": "retrieve"}),
    Route("bank-statements/", BankStatementViewSet, {"get": "list", "post": "create"}),
    Route("bank-statements/fetch", BankStatementViewSet, {"post": "fetch"}),
    Route("bank-statements/breaks", BankStatementViewSet, {"get": "breaks"}),
    # ours: the books
    Route("accounts/", AccountViewSet, {"get": "list", "post": "create"}),
    Route("accounts/{id}", AccountViewSet, {"get": "retrieve"}),
    Route("accounts/{id}/close", AccountViewSet, {"post": "close"}),
    Route("accounts/{id}/reopen", AccountViewSet, {"post": "reopen"}),
    Route("accounts/{id}/balance", AccountHistoryViewSet, {"get": "balance"}),
    Route("accounts/{id}/statement", AccountHistoryViewSet, {"get": "statement"}),
    Route("trial-balance", AccountHistoryViewSet, {"get": "trial_balance"}),
    Route("transfers/", TransferViewSet, {"get": "list", "post": "create"}),
    Route("transfers/{id}", TransferViewSet, {"get": "retrieve"}),
    Route("holds/", HoldViewSet, {"get": "list", "post": "create"}),
    Route("holds/{id}", HoldViewSet, {"get": "retrieve"}),
    Route("holds/{id}/commit", HoldViewSet, {"post": "commit"}),
    Route("holds/{id}/void", HoldViewSet, {"post": "void"}),
    Route("explain/{id}", ExplainViewSet, {"get": "retrieve"}),
    Route("audit-records", AuditRecordViewSet, {"get": "list"}),
    Route("audit-records/{id}", AuditRecordViewSet, {"get": "retrieve"}),
    Route("fx/quotes", FxViewSet, {"post": "quote"}),
    Route("fx/quotes/{id}", FxViewSet, {"get": "retrieve_quote"}),
    Route("fx/quotes/{id}/cancel", FxViewSet, {"post": "cancel_quote"}),
    Route("fx/conversions", FxViewSet, {"get": "conversions", "post": "convert"}),
    Route("fx/conversions/{id}", FxViewSet, {"get": "retrieve_conversion"}),
    Route("fx/rates", FxViewSet, {"get": "rates"}),
    Route("fx/exposure", FxViewSet, {"get": "exposure"}),
    # ours: vendors
    Route("vendors/", VendorViewSet, {"get": "list", "post": "create"}),
    Route("vendors/{id}", VendorViewSet, {"get": "retrieve"}),
    Route("vendors/{id}/balance", VendorViewSet, {"get": "balance"}),
)


def url_patterns(routes: Iterable[Route]) -> list[URLPattern]:
    """Make Django's patterns, two for each route, in the order of the table."""
    patterns = []
    for route in routes:
        actions: dict[str, Any] = dict(route.actions)
        view = route.view.as_view(actions)
        patterns += [path(_django_path(form), view) for form in (route.path, route.other_form)]
    return patterns


def only_contract_paths(endpoints: list[tuple], **_: object) -> list[tuple]:
    """Leave out of the OpenAPI document the second form of each path (a hook of drf-spectacular)."""
    hidden = {PREFIX + route.other_form for route in ROUTES}
    return [endpoint for endpoint in endpoints if endpoint[0] not in hidden]


def _django_path(text: str) -> str:
    return re.sub(r"\{(\w+)\}", r"<str:\1>", text)


urlpatterns = url_patterns(ROUTES)
