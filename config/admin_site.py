"""The admin site: desks in the sidebar, the dashboard as index, and pages that belong to no model.

The pages are imported when they are asked for: importing them registers models with this very site.
"""

from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponseRedirect
from django.urls import URLPattern, path, reverse, reverse_lazy
from unfold.sites import UnfoldAdminSite

from config import staff_access

# Desk: (title, icon, permission, model or page) each.
DESKS: Final[dict[str, list[tuple[str, ...]]]] = {
    "Money in": [
        ("Payments", "payments", "payments.payment"),
        ("Vendors' shares", "call_split", "payments.paymenttransaction"),
        ("Marketplace payments", "hub", "payments.saga"),
        ("Steps of these", "stairs", "payments.sagastep"),
        ("Refunds", "undo", "payments.refund"),
        ("Refund shares", "account_tree", "payments.refundshare"),
        ("Disputes", "gavel", "payments.dispute"),
        ("Dispute evidence", "folder_open", "payments.disputeevidence"),
        ("Dispute shares", "account_tree", "payments.disputeshare"),
        ("Unknown money", "help", "payments.provideroperation", "unknown_money"),
        ("Contradictions", "contrast", "payments.contradiction"),
        ("Payment methods", "credit_card", "payments.paymentmethod"),
        ("Providers' tokens", "key_visualizer", "payments.providertoken"),
        ("Vault", "lock", "payments.vaultrecord"),
        ("Encryption keys", "enhanced_encryption", "payments.exchangekey"),
        ("Provider operations", "swap_horiz", "payments.provideroperation"),
        ("Routing", "alt_route", "payments.routedmerchant"),
        ("Routing policies", "history", "payments.routingpolicy"),
        ("Limits of retries", "event_busy", "payments.retrystanding"),
        ("Bank files", "draft", "payments.bankfile"),
        ("Bank file entries", "list", "payments.bankfileentry"),
        ("Sealed bank files", "enhanced_encryption", "payments.bankfilecontent"),
        ("Files from banks", "move_to_inbox", "payments.banknotice"),
        ("Banks' words", "comment", "payments.bankword"),
        ("Callbacks", "webhook", "payments.providerwebhook"),
        ("Refused callbacks", "gpp_bad", "payments.refusedcallbacks"),
    ],
    "Risk": [
        ("Reviews", "gavel", "fraud.fraudreview"),
        ("Checks", "policy", "fraud.fraudcheck"),
        ("Rules", "rule", "fraud.riskrule"),
        ("Lists", "block", "fraud.listentry"),
        ("Signals", "sensors", "fraud.signal"),
        ("Laundering alerts", "local_laundry_service", "ledger.amlalert"),
    ],
    "Settlement": [
        ("Batches", "inventory_2", "settlements.settlementbatch"),
        ("Batch lines", "list", "settlements.batchline"),
        ("Payouts", "send_money", "settlements.payout"),
        ("Bank statements", "account_balance", "settlements.bankstatement"),
        ("Statement lines", "receipt", "settlements.statementline"),
        ("Matches", "join_inner", "settlements.match"),
        ("Funded operations", "paid", "settlements.fundedoperation"),
        ("Breaks", "report", "settlements.break"),
        ("Runs", "history", "settlements.reconciliationrun"),
    ],
    "Subscriptions": [
        ("Subscriptions", "autorenew", "subscriptions.subscription"),
        ("Invoices", "description", "subscriptions.invoice"),
        ("Invoice lines", "list_alt", "subscriptions.invoiceline"),
        ("Tries to collect", "replay", "subscriptions.dunningattempt"),
        ("Plans", "sell", "subscriptions.plan"),
    ],
    "Parties": [
        ("Merchants", "store", "vendors.merchant"),
        ("Vendors", "storefront", "vendors.vendor"),
        ("Commission rules", "percent", "vendors.commissionrule"),
        ("API keys", "key", "vendors.apikey"),
        ("Idempotency keys", "fingerprint", "vendors.idempotencykey"),
    ],
    "Books": [
        ("Trial balance", "balance", "ledger.account", "trial_balance"),
        ("Invariants", "verified", "ledger.account", "invariants"),
        ("Explain", "manage_search", "ledger.account", "explain_any"),
        ("Violations", "report", "ledger.invariantviolation"),
        ("Restorations", "healing", "ledger.restoration"),
        ("Checks", "rule_settings", "ledger.invariantrun"),
        ("Accounts", "account_balance_wallet", "ledger.account"),
        ("Transfers", "sync_alt", "ledger.transfer"),
        ("Holds", "front_hand", "ledger.hold"),
        ("Journal entries", "menu_book", "ledger.journalentry"),
        ("Events", "timeline", "ledger.event"),
        ("Seals", "lock", "ledger.sealblock"),
        ("Verifications", "fact_check", "ledger.sealcheck"),
    ],
    "Exchange": [
        ("Rates", "currency_exchange", "ledger.exchangerate", "fx_rates"),
        ("Exposure", "monitoring", "ledger.fxexposure", "fx_exposure"),
        ("Quotes", "request_quote", "ledger.fxquote"),
        ("Conversions", "swap_horizontal_circle", "ledger.fxconversion"),
        ("Unwinds", "undo", "ledger.fxunwind"),
        ("Finance's table", "table", "ledger.fxtablerate"),
        ("Spreads", "percent", "ledger.fxspread"),
        ("What sources said", "record_voice_over", "ledger.exchangerate"),
        ("Exposure by step", "list", "ledger.fxexposure"),
    ],
    "House": [
        ("Audit", "visibility", "ledger.auditrecord"),
        ("Retention", "auto_delete", "ledger.retentionpolicy"),
        ("Legal holds", "gavel", "ledger.legalhold"),
        ("Archives", "archive", "ledger.archivefile"),
        ("Outbox", "outbox", "ledger.outboxmessage"),
        ("Jobs", "work", "ledger.job"),
        ("Timetable", "schedule", "django_celery_beat.periodictask"),
        ("Numbers", "tag", "payments.numbercounter"),
        ("Staff", "badge", "auth.user"),
        ("Roles", "groups", "auth.group"),
    ],
}


class HouseAdminSite(UnfoldAdminSite):
    """Everything that staff see."""

    index_title = "Dashboard"
    login_form = staff_access.StaffLogin

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Guard a view as Django does; whoever is refused leaves a record."""
        return super().admin_view(staff_access.tells_refusals(view), cacheable)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """End the session, with a record."""
        if request.method == "POST" and request.user.is_authenticated:
            staff_access.note(request.user, "staff.logged_out")
        return super().logout(request, extra_context)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("money/unknown/", self.admin_view(self.unknown_money), name="unknown_money"),
            path("books/trial-balance/", self.admin_view(self.trial_balance), name="trial_balance"),
            path("books/invariants/", self.admin_view(self.invariants), name="invariants"),
            path("books/explain/", self.admin_view(self.explain), name="explain_any"),
            path("books/explain/<str:ref>/", self.admin_view(self.explain), name="explain"),
            path("exchange/rates/", self.admin_view(self.fx_rates), name="fx_rates"),
            path("exchange/exposure/", self.admin_view(self.fx_exposure), name="fx_exposure"),
            path("exchange/set/<str:name>/", self.admin_view(self.fx_act), name="fx_act"),
            path("books/history/<slug:kind>/<uuid:key>/", self.admin_view(self.history), name="history"),
        ]
        return [*own, *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the dashboard with what this person may see."""
        from config import dashboard

        return super().index(request, {**dashboard.figures(request.user), **(extra_context or {})})

    def unknown_money(self, request: HttpRequest) -> Any:
        """Go to the operations that are held or contradicted."""
        desk = reverse("admin:payments_provideroperation_changelist")
        return HttpResponseRedirect(f"{desk}?standing=unknown_money")

    def trial_balance(self, request: HttpRequest) -> Any:
        """Show the trial balance."""
        from ledger.admin import pages

        return pages.trial_balance(request, self)

    def history(self, request: HttpRequest, kind: str, key: UUID) -> Any:
        """Show a row as it was."""
        from ledger.admin import history

        return history.history_page(request, self, kind, key)

    def invariants(self, request: HttpRequest) -> Any:
        """Show what the last checks found, or check now."""
        from ledger.admin import pages

        return pages.invariant_board(request, self)

    def explain(self, request: HttpRequest, ref: str = "") -> Any:
        """Show what is behind a figure."""
        from ledger.admin import explain_page

        return explain_page.explain_page(request, self, ref)

    def fx_rates(self, request: HttpRequest) -> Any:
        """Show rates by source."""
        from ledger.admin import fx_pages

        return fx_pages.rates_desk(request, self)

    def fx_exposure(self, request: HttpRequest) -> Any:
        """Show the open positions."""
        from ledger.admin import fx_pages

        return fx_pages.exposure_report(request, self)

    def fx_act(self, request: HttpRequest, name: str) -> Any:
        """Let finance set a rate or a spread."""
        from ledger.admin import fx_pages

        return fx_pages.act(request, self, name)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar: desks, and in each what this person may see; empty desks are left out."""
    first = {"title": "Dashboard", "icon": "dashboard", "link": reverse_lazy("admin:index")}
    desks: list[dict[str, Any]] = [{"title": "", "items": [first]}]
    for title, entries in DESKS.items():
        items = [
            {"title": name, "icon": icon, "link": _link(model, *page)}
            for name, icon, model, *page in entries
            if request.user.has_perm(model.replace(".", ".view_"))
        ]
        if items:
            desks.append({"title": title, "separator": True, "collapsible": False, "items": items})
    return desks


def _link(model: str, page: str = "") -> Any:
    return reverse_lazy(f"admin:{page or model.replace('.', '_') + '_changelist'}")
