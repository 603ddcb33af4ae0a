"""The dispute desk: what payers' banks took back, how long an answer is taken, and the evidence for it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ledger import clock
from ledger.actors import Actor
from ledger.admin import filters, formats
from ledger.admin.base import (
    Panel,
    ReasonedAction,
    ReasonForm,
    ViewOnlyAdmin,
    badge_column,
    link_column,
    moment_column,
    money_column,
)
from ledger.ids import uuid7
from payments.models import Dispute, DisputeEvidence, DisputeShare, ProviderOperation
from payments.models.disputes import Response
from payments.rules import dispute_reasons
from payments.rules.dispute_reasons import EvidenceKind
from payments.services.disputes import answering_disputes, mailing_disputes
from payments.services.disputes.answering_disputes import FILE_BYTES_MAX, NewEvidence
from payments.states import DISPUTE_STATES_OPEN

PERMISSION = "payments.answer_dispute"
URGENT_DAYS, SOON_DAYS = 3, 7


class EvidenceForm(ReasonForm):
    """A text or a file, what it shows, and where it came from (the reason)."""

    kind = forms.ChoiceField(
        choices=[(kind.value, kind.value.replace("_", " ")) for kind in EvidenceKind],
        label="What it shows",
        widget=forms.Select(attrs={"class": "house-input"}),
    )
    text = forms.CharField(
        required=False,
        max_length=answering_disputes.TEXT_MAX,
        widget=forms.Textarea(attrs={"rows": 4, "class": "house-input"}),
    )
    file = forms.FileField(
        required=False,
        label="or a file",
        help_text=f"PDF, PNG or JPEG, up to {FILE_BYTES_MAX // 1000} kB",
        widget=forms.ClearableFileInput(attrs={"class": "house-input", "accept": ".pdf,.png,.jpg,.jpeg"}),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if bool(given.get("text")) == bool(given.get("file")):
            raise forms.ValidationError("Give either a text or a file.")
        return given


class DeadlineFilter(admin.SimpleListFilter):
    """When the answer is due, of those that wait for one."""

    title = "answer due"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("1", "in a day"), ("3", "in 3 days"), ("7", "in 7 days"), ("14", "in 14 days"),
                ("passed", "passed")]  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Dispute]") -> "QuerySet[Dispute]":
        chosen, now = self.value(), clock.now()
        if chosen not in ("1", "3", "7", "14", "passed"):
            return queryset
        waiting = queryset.filter(state__in=DISPUTE_STATES_OPEN, response=Response.NONE)
        if chosen == "passed":
            return waiting.filter(due_at__lte=now)
        return waiting.filter(due_at__gt=now, due_at__lte=now + timedelta(days=int(chosen)))


def _add(dispute: Dispute, actor: Actor, reason: str, at: datetime, **told: Any) -> None:
    file = told.get("file")
    wanted = NewEvidence(
        EvidenceKind(told["kind"]),
        text=told.get("text", ""),
        filename=file.name if file else "",
        content=file.read(FILE_BYTES_MAX + 1) if file else b"",
    )
    answering_disputes.add_evidence(
        merchant_id=dispute.merchant_id, dispute_id=dispute.pk, evidence_id=uuid7(), wanted=wanted,
        actor=actor, at=at, reason=reason,
    )  # fmt: skip


def _challenge(dispute: Dispute, actor: Actor, reason: str, at: datetime) -> None:
    answering_disputes.challenge(
        merchant_id=dispute.merchant_id, dispute_id=dispute.pk, operation_id=uuid7(), actor=actor, at=at,
        reason=reason,
    )  # fmt: skip


def _accept(dispute: Dispute, actor: Actor, reason: str, at: datetime) -> None:
    answering_disputes.accept(
        merchant_id=dispute.merchant_id, dispute_id=dispute.pk, operation_id=uuid7(), actor=actor, at=at,
        reason=reason,
    )  # fmt: skip


def _waits(dispute: Dispute) -> bool:
    return dispute.awaits_answer


def _may_challenge(dispute: Dispute) -> bool:
    return _waits(dispute) and dispute.evidence.filter(operation=None).exists()


def deadline(dispute: Dispute, at: datetime) -> SafeString:
    """Return how long an answer is still taken, coloured by the days that are left."""
    days = dispute.days_left(at)
    if days is None or not dispute.is_open:
        return formats.NOTHING
    if not dispute.awaits_answer:
        return formats.badge(dispute.response)
    if days <= 0:
        return _coloured("bad", "passed")
    tone = "bad" if days <= URGENT_DAYS else "watch" if days <= SOON_DAYS else "plain"
    return _coloured(tone, "1 day" if days == 1 else f"{days} days")


def _coloured(tone: str, words: str) -> SafeString:
    return format_html('<span class="house-badge house-badge-{}">{}</span>', tone, words)


@admin.register(Dispute)
class DisputeAdmin(ViewOnlyAdmin):
    """Disputes of all merchants."""

    list_display = [
        "number",
        "deadline_shown",
        "state_shown",
        "withheld",
        "about",
        "payment_shown",
        "merchant_shown",
    ]
    list_select_related = ["merchant", "payment"]
    list_filter = [filters.state_of(Dispute), DeadlineFilter, filters.currency]
    search_fields = ["=number", "=id", "=provider_reference", "=payment__number"]
    hidden_fields = ["event_hash"]

    reasoned_actions = [
        ReasonedAction(
            name="add_evidence",
            label="Add evidence",
            permission=PERMISSION,
            perform=_add,
            done="The evidence is kept.",
            is_offered=_waits,
            explains="It goes to the provider when the dispute is challenged, and cannot be taken back.",
            form=EvidenceForm,
        ),
        ReasonedAction(
            name="challenge",
            label="Challenge",
            permission=PERMISSION,
            perform=_challenge,
            done="The evidence went to the provider, or goes as soon as it answers.",
            is_offered=_may_challenge,
            explains="All evidence that was added is sent, once for this stage. The provider decides.",
        ),
        ReasonedAction(
            name="accept",
            label="Accept",
            permission=PERMISSION,
            perform=_accept,
            done="The dispute is accepted, or will be as soon as the provider answers.",
            is_offered=_waits,
            explains="The money that was taken is given up. This cannot be taken back.",
            is_dangerous=True,
        ),
    ]
    merchant_shown = link_column("merchant")
    payment_shown = link_column("payment")
    withheld = money_column("withheld_minor", "withheld")
    state_shown = badge_column("state")

    @admin.display(description="answer due", ordering="due_at")
    def deadline_shown(self, row: Dispute) -> SafeString:
        return deadline(row, clock.now())

    @admin.display(description="about")
    def about(self, row: Dispute) -> str:
        return row.category.replace("_", " ")

    def panels(self, row: Dispute) -> Iterable[Panel]:
        needs = dispute_reasons.missing(row.category, set(row.evidence.values_list("kind", flat=True)))
        yield Panel(
            "Still to be shown",
            ["what", "any one of"],
            [
                [
                    formats.wrapped(need.says),
                    formats.wrapped(", ".join(kind.value.replace("_", " ") for kind in need.kinds)),
                ]
                for need in needs
            ],
            empty="nothing is missing",
            note=dispute_reasons.title(row.scheme, row.reason_code),
        )
        yield Panel(
            "Evidence",
            ["shows", "text or file", "added", "sent"],
            [
                [
                    formats.link(piece, piece.kind.replace("_", " ")),
                    formats.wrapped(piece.filename or piece.text),
                    formats.moment(piece.added_at),
                    formats.badge("sent" if piece.is_submitted else "waiting"),
                ]
                for piece in row.evidence.defer("content").order_by("pk")
            ],
        )
        yield Panel(
            "Borne by",
            ["vendor", "amount", "commission returned"],
            [
                [
                    formats.link(share.transaction.vendor),
                    formats.money(share.amount_minor, share.currency),
                    formats.money(share.commission_back_minor, share.currency),
                ]
                for share in row.shares.select_related("transaction__vendor").order_by("id")
            ],
            empty="the merchant alone",
        )
        yield _mails_of(row)
        yield Panel(
            "With the provider",
            ["operation", "kind", "amount", "outcome", "claimed"],
            [
                [
                    formats.link(operation, operation.public_id),
                    operation.get_kind_display(),
                    formats.money(operation.amount_minor, operation.currency),
                    formats.badge(operation.outcome),
                    formats.moment(operation.created_at),
                ]
                for operation in ProviderOperation.objects.filter(
                    subject_type=Dispute.SUBJECT, subject_id=row.pk
                ).order_by("created_at", "pk")
            ],
        )


def _mails_of(row: Dispute) -> Panel:
    return Panel(
        "Warnings by mail",
        ["due", "state", "tries", "the mail server said"],
        [
            [
                formats.moment(job.run_at),
                formats.badge("sent" if job.finished_at else "refused" if job.dead_at else "waiting"),
                str(job.tries),
                formats.wrapped(job.last_error),
            ]
            for job in mailing_disputes.mails_of(row)
        ],
        note="One that was refused is not sent again: look at the address, and tell the merchant.",
    )


@admin.register(DisputeEvidence)
class DisputeEvidenceAdmin(ViewOnlyAdmin):
    """Pieces of evidence; a file is handed out as a download, never shown here."""

    list_display = ["shows", "dispute_shown", "media_type", "size_bytes", "added"]
    list_select_related = ["dispute"]
    search_fields = ["=dispute__number", "=sha256"]
    hidden_fields = ["content"]
    dispute_shown = link_column("dispute")
    added = moment_column("added_at", "added")

    @admin.display(description="shows")
    def shows(self, row: DisputeEvidence) -> str:
        return row.kind.replace("_", " ")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[DisputeEvidence]":
        return super().get_queryset(request).defer("content")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        return [
            path("<path:object_id>/file/", view, name="payments_disputeevidence_file"),
            *super().get_urls(),
        ]

    def file_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Hand a file out."""
        row = self._row(request, object_id)
        answer = HttpResponse(bytes(row.content), content_type="application/octet-stream")
        answer["Content-Disposition"] = f'attachment; filename="{row.public_id}{_EXTENSIONS[row.media_type]}"'
        answer["X-Content-Type-Options"] = "nosniff"
        return answer

    def panels(self, row: DisputeEvidence) -> Iterable[Panel]:
        if row.sha256:
            address = reverse("admin:payments_disputeevidence_file", args=[row.pk])
            link = format_html('<a class="house-link" href="{}">{}</a>', address, "Download")
            yield Panel("File", ["name", "type", ""], [[row.filename, row.media_type, link]])


_EXTENSIONS = {"application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg", "": ".txt"}


@admin.register(DisputeShare)
class DisputeShareAdmin(ViewOnlyAdmin):
    """What vendors bear of disputes."""

    list_display = ["dispute_shown", "vendor", "amount", "back"]
    list_select_related = ["dispute", "transaction__vendor"]
    list_filter = [filters.currency]
    search_fields = ["=dispute__number"]
    dispute_shown = link_column("dispute")
    amount = money_column()
    back = money_column("commission_back_minor", "commission returned")

    @admin.display(description="vendor")
    def vendor(self, row: DisputeShare) -> str:
        return row.transaction.vendor.name
