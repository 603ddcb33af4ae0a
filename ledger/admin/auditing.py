"""The audit desk: who did what; every look at it is itself an act in the log.

A list names a period, the last 30 days unless another is chosen, so that only its months are read.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from ledger import audit, clock, ids
from ledger.admin import filters, formats
from ledger.admin.base import Facts, Panel, ViewOnlyAdmin, badge_column, moment_column, staff_of
from ledger.admin.records import ACTORS
from ledger.locks import phase
from ledger.models import AuditRecord

DAYS_DEFAULT = "30"
PERIODS = {
    "1": "last day",
    "7": "last 7 days",
    "30": "last 30 days",
    "90": "last 90 days",
    "366": "last year",
}
MONTHS_SHOWN = 24


class Period(admin.SimpleListFilter):
    """The last days, or one month; never everything."""

    title = "period"
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        at = clock.now()
        months = [at.year * 12 + at.month - 1 - back for back in range(MONTHS_SHOWN)]
        named = [(f"{month // 12:04}-{month % 12 + 1:02}",) * 2 for month in months]
        return [*PERIODS.items(), *named]

    def value(self) -> str:
        chosen = super().value()
        return chosen if chosen in dict(self.lookup_choices) else DAYS_DEFAULT

    def choices(self, changelist: Any) -> Iterator[Any]:
        # No choice "all": the table is partitioned by time and grows for seven years.
        for value, title in self.lookup_choices:
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditRecord]) -> QuerySet[AuditRecord]:
        begins, ends = self.bounds()
        return queryset.filter(at__gte=begins, at__lt=ends)

    def bounds(self) -> tuple[datetime, datetime]:
        """Return the first instant of the period and the first after it."""
        chosen = self.value()
        if chosen in PERIODS:
            ends = clock.now() + timedelta(days=1)
            return ends - timedelta(days=int(chosen) + 1), ends
        year, month = (int(part) for part in chosen.split("-"))
        return datetime(year, month, 1, tzinfo=UTC), datetime(
            year + month // 12, month % 12 + 1, 1, tzinfo=UTC
        )


@admin.register(AuditRecord)
class AuditRecordAdmin(ViewOnlyAdmin):
    """What people and keys did."""

    list_display = ["action", "object_shown", "who", "role", "reason_shown", "outcome_shown", "when"]
    list_filter = [
        Period,
        filters.one_of("actor_kind", ACTORS),
        filters.one_of("outcome", ("done", "refused", "failed")),
    ]
    search_fields = ["=object_id", "=actor_id", "=request_id"]
    search_help_text = "an object, a person or key, or a request, whole; within the period"
    outcome_shown = badge_column("outcome")
    when = moment_column("at", "when")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, and record that it was looked at and what was sought."""
        if self.has_view_permission(request):
            self._note(request, "list", {"period": DAYS_DEFAULT, **request.GET.dict()})
        return super().changelist_view(request, extra_context)

    def extras(self, request: HttpRequest, row: AuditRecord) -> dict[str, Any]:
        """Record that the record was looked at."""
        self._note(request, "record", {"id": row.pk})
        return {}

    def panels(self, row: AuditRecord) -> Iterable[Panel]:
        names = sorted({*row.before, *row.after})
        yield Panel(
            "Before and after",
            ["field", "before", "after"],
            [
                [
                    name,
                    *(
                        _shown(side[name]) if name in side else formats.NOTHING
                        for side in (row.before, row.after)
                    ),
                ]
                for name in names
            ],
            empty="nothing was changed",
        )

    def facts(self, row: AuditRecord) -> list[Facts]:
        [group] = super().facts(row)
        merchant = formats.code(ids.show("mer", row.merchant_id)) if row.merchant_id else formats.NOTHING
        left_out = {"merchant id", "before", "after"}
        return [Facts(group.title, [item for item in group.items if item[0] not in left_out]
                      + [("merchant", merchant)])]  # fmt: skip

    @admin.display(description="object")
    def object_shown(self, row: AuditRecord) -> SafeString:
        return formats.code(row.object_id)

    @admin.display(description="who")
    def who(self, row: AuditRecord) -> str:
        return row.actor_label or f"{row.actor_kind} {row.actor_id}"

    @admin.display(description="reason")
    def reason_shown(self, row: AuditRecord) -> str:
        return row.reason[:120]

    def _note(self, request: HttpRequest, what: str, sought: dict[str, str | UUID]) -> None:
        with phase():
            audit.note_reading(actor=staff_of(request), what=what, sought=sought, at=clock.now())


def _shown(value: Any) -> SafeString | str:
    return formats.block(value) if isinstance(value, dict | list) else str(value)
