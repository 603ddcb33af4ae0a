"""The retention desk: how long records are kept, what must not go, and where archived months lie."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.utils.safestring import SafeString

from ledger import clock, ids, retention
from ledger.actors import Actor
from ledger.admin import filters, formats
from ledger.admin.base import (
    Panel,
    ReasonedAction,
    ReasonForm,
    ViewOnlyAdmin,
    code_column,
    link_column,
    moment_column,
)
from ledger.admin.history import history_link
from ledger.errors import NotFound
from ledger.explain import registry
from ledger.models import (
    ArchivedHour,
    ArchivedStream,
    ArchiveFile,
    CarriedBalance,
    LegalHold,
    RetentionPolicy,
)

STREAMS_SHOWN = 20
_INPUT = {"class": "house-input"}
_MOMENT = forms.DateTimeInput(attrs={**_INPUT, "type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class PolicyForm(ReasonForm):
    """A new policy for a class of records."""

    days = forms.IntegerField(min_value=1, widget=forms.NumberInput(attrs=_INPUT))
    legal_basis = forms.CharField(max_length=300, widget=forms.TextInput(attrs=_INPUT))
    valid_from = forms.DateTimeField(
        required=False, widget=_MOMENT, help_text="UTC; empty means from now on. It cannot lie in the past."
    )


class HoldForm(ReasonForm):
    """What a hold covers besides the class."""

    merchant = forms.CharField(
        required=False, widget=forms.TextInput(attrs=_INPUT), help_text="mer_…, or all"
    )
    subject = forms.CharField(
        required=False, max_length=80, widget=forms.TextInput(attrs=_INPUT),
        help_text="an identifier as it stands in the records, or all",
    )  # fmt: skip
    covers_from = forms.DateTimeField(
        required=False, widget=_MOMENT, help_text="UTC; empty means from the first"
    )
    covers_to = forms.DateTimeField(
        required=False, widget=_MOMENT, help_text="UTC; empty means without an end"
    )
    all_classes = forms.BooleanField(required=False, label="of every class, not of this one alone")

    def clean_merchant(self) -> Any:
        text = self.cleaned_data["merchant"].strip()
        try:
            return ids.parse("mer", text) if text else None
        except NotFound as error:
            raise forms.ValidationError("a merchant's id begins with mer_") from error


def _set(
    row: RetentionPolicy, actor: Actor, reason: str, at: datetime, *, days: int, legal_basis: str,
    valid_from: datetime | None,
) -> None:  # fmt: skip
    retention.set_policy(
        record_class=row.record_class, days=days, legal_basis=legal_basis, valid_from=valid_from or at,
        reason=reason, actor=actor, at=at,
    )  # fmt: skip


def _place(
    row: RetentionPolicy,
    actor: Actor,
    reason: str,
    at: datetime,
    *,
    merchant: Any,
    all_classes: bool,
    **scope: Any,
) -> None:
    retention.place_hold(
        record_class="" if all_classes else row.record_class, merchant_id=merchant, reason=reason,
        actor=actor, at=at, **scope,
    )  # fmt: skip


def _lift(row: LegalHold, actor: Actor, reason: str, at: datetime) -> None:
    retention.lift_hold(hold_id=row.pk, reason=reason, actor=actor, at=at)


@admin.register(RetentionPolicy)
class RetentionPolicyAdmin(ViewOnlyAdmin):
    """How long each class is kept; a change is a new row, in force from an instant on."""

    list_display = ["class_shown", "days_shown", "legal_basis", "state", "since", "disposal", "set_by"]
    list_filter = [filters.one_of("record_class", lambda: sorted(retention.registry))]
    ordering = ["record_class", "-valid_from"]
    reasoned_actions = [
        ReasonedAction(
            name="set", label="Set a new period", permission="ledger.set_retention", perform=_set,
            form=PolicyForm,
            done="The new period is written; it counts from its first instant on.",
            explains="Records past a shorter period go with the next run, unless a hold keeps them.",
        ),
        ReasonedAction(
            name="hold", label="Place a legal hold", permission="ledger.place_hold", perform=_place,
            form=HoldForm,
            done="The hold is placed: what it covers is neither archived nor erased.",
            explains="Empty fields cover everything of the class.",
        ),
    ]  # fmt: skip
    since = moment_column("valid_from", "from")

    @admin.display(description="class")
    def class_shown(self, row: RetentionPolicy) -> str:
        return row.record_class.replace("_", " ")

    @admin.display(description="kept for")
    def days_shown(self, row: RetentionPolicy) -> str:
        return f"{row.days:,} days" + (f" ({row.days / 365:.0f} years)" if row.days >= 365 else "")

    @admin.display(description="state")
    def state(self, row: Any) -> SafeString:
        at = clock.now()
        if row.valid_from > at:
            return formats.badge("scheduled")
        return formats.badge("in force" if row.is_in_force else "replaced")

    @admin.display(description="then")
    def disposal(self, row: RetentionPolicy) -> str:
        kept = retention.registry.get(row.record_class)
        return (
            {"archive": "archived", "erase": "erased", "keep": "kept on"}[kept.disposal]
            if kept
            else "unknown class"
        )

    def prepare(self, rows: list[Any]) -> None:
        at = clock.now()
        newest: dict[str, RetentionPolicy] = {}
        for row in RetentionPolicy.objects.filter(valid_from__lte=at).order_by("valid_from"):
            newest[row.record_class] = row
        for row in rows:
            row.is_in_force = newest.get(row.record_class) == row


@admin.register(LegalHold)
class LegalHoldAdmin(ViewOnlyAdmin):
    """What may be neither archived nor erased."""

    list_display = [
        "reference",
        "covers",
        "merchant",
        "subject",
        "period",
        "state",
        "reason_shown",
        "placed_by",
        "placed",
    ]
    list_filter = [("lifted_at", admin.EmptyFieldListFilter)]
    search_fields = ["=id", "=merchant_id", "=subject"]
    reasoned_actions = [
        ReasonedAction(
            name="lift", label="Lift the hold", permission="ledger.lift_hold", perform=_lift,
            done="The hold is lifted; what it covered goes when its time is over.",
            is_offered=lambda hold: hold.lifted_at is None, is_dangerous=True,
            explains="What is past its retention leaves with the next run.",
        )
    ]  # fmt: skip
    placed = moment_column("placed_at", "since")

    @admin.display(description="hold")
    def reference(self, row: LegalHold) -> SafeString:
        return formats.code(row.public_id)

    @admin.display(description="covers")
    def covers(self, row: LegalHold) -> str:
        return row.record_class.replace("_", " ") or "everything"

    @admin.display(description="merchant")
    def merchant(self, row: LegalHold) -> SafeString | str:
        return formats.code(ids.show("mer", row.merchant_id)) if row.merchant_id else "all"

    @admin.display(description="records of")
    def period(self, row: LegalHold) -> str:
        if row.covers_from is None and row.covers_to is None:
            return "any time"
        begins, ends = (f"{one:%Y-%m-%d}" if one else "…" for one in (row.covers_from, row.covers_to))
        return f"{begins} to {ends}"

    @admin.display(description="state")
    def state(self, row: LegalHold) -> SafeString:
        return formats.badge("lifted" if row.lifted_at else "in force")

    @admin.display(description="reason")
    def reason_shown(self, row: LegalHold) -> str:
        return row.reason[:120]


@admin.register(ArchiveFile)
class ArchiveFileAdmin(ViewOnlyAdmin):
    """Months that left their table; each file names the hash of the one before."""

    list_display = ["number", "table", "month", "rows_shown", "file", "recorded"]
    list_filter = [
        filters.one_of("table", lambda: sorted({t for c in retention.registry.values() for t in c.tables}))
    ]
    search_fields = ["=file_name"]
    file = code_column("file_name", "file")
    recorded = moment_column("recorded_at", "written")

    @admin.display(description="month")
    def month(self, row: ArchiveFile) -> str:
        return f"{row.range_from:%Y-%m}"

    @admin.display(description="rows")
    def rows_shown(self, row: ArchiveFile) -> str:
        return f"{row.rows:,}"

    def panels(self, row: ArchiveFile) -> Iterable[Panel]:
        streams = ArchivedStream.objects.filter(archive=row.number).order_by("subject_type", "subject_id")
        yield Panel(
            f"Streams of events that left whole (the first {STREAMS_SHOWN})",
            ["subject", "id", "events", "history"],
            [
                [
                    one.subject_type.replace("_", " "),
                    formats.code(registry.subject_ref(one.subject_type, one.subject_id) or one.subject_id),
                    f"{one.first_sequence} to {one.last_sequence}",
                    history_link(one.subject_type, one.subject_id),
                ]
                for one in streams[:STREAMS_SHOWN]
            ],
            empty="none: this is no archive of events",
        )
        hours = ArchivedHour.objects.filter(archive=row.number).order_by("hour")
        yield Panel(
            f"Of which hours its events are (the first {STREAMS_SHOWN})",
            ["hour", "events"],
            [
                [formats.moment(datetime.fromtimestamp(one.hour * 3_600, UTC)), f"{one.events:,}"]
                for one in hours[:STREAMS_SHOWN]
            ],
            empty="not told: of events archived before hours were kept, and of other tables",
        )


@admin.register(CarriedBalance)
class CarriedBalanceAdmin(ViewOnlyAdmin):
    """What archived months came to, account by account."""

    list_display = ["month", "account_shown", "amount_shown", "postings"]
    list_select_related = ["account"]
    search_fields = ["=account__id", "=merchant_id"]
    account_shown = link_column("account")

    @admin.display(description="month")
    def month(self, row: CarriedBalance) -> str:
        return f"{row.range_from:%Y-%m}"

    @admin.display(description="carried")
    def amount_shown(self, row: CarriedBalance) -> SafeString:
        return formats.money(row.amount, row.account.currency)
