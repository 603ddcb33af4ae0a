"""Seals for staff: blocks, whether their heads stand outside the database, and what verifications found."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from ledger.admin import formats
from ledger.admin.base import Facts, Panel, ViewOnlyAdmin, moment_column
from ledger.models import SealBlock, SealCheck
from ledger.proof import heads

CHECKS_SHOWN = 20


@admin.register(SealBlock)
class SealBlockAdmin(ViewOnlyAdmin):
    """Blocks that seal entries, events and audit records; the key that signs them is not in this database."""

    list_display = ["block", "entries", "postings", "events", "audits", "sealed", "verified"]
    sealed = moment_column("sealed_at", "sealed")

    def prepare(self, rows: list[Any]) -> None:
        """Find when each was last verified: the newest verification without fault that looked at it."""
        if not rows:
            return
        checks = SealCheck.objects.filter(
            fault="",
            first_block__lte=max(row.pk for row in rows),
            last_block__gte=min(row.pk for row in rows),
        ).order_by("-id")[: ViewOnlyAdmin.list_per_page * 4]
        found = list(checks)
        for row in rows:
            row.check = next((one for one in found if one.first_block <= row.pk <= one.last_block), None)

    @admin.display(description="block", ordering="number")
    def block(self, row: SealBlock) -> SafeString:
        return formats.code(row.number)

    @admin.display(description="verified")
    def verified(self, row: Any) -> SafeString:
        return formats.moment(row.check.finished_at) if row.check else formats.badge("not yet")

    def facts(self, row: SealBlock) -> list[Facts]:
        [group] = super().facts(row)
        return [Facts(group.title, [*group.items, ("head outside", formats.badge(_head_state(row)))])]

    def panels(self, row: SealBlock) -> Iterable[Panel]:
        checks = SealCheck.objects.filter(first_block__lte=row.pk, last_block__gte=row.pk).order_by("-id")
        yield Panel(
            "Verifications of this block",
            ["when", "blocks", "took", "verdict", "found"],
            [
                [
                    formats.moment(check.finished_at),
                    formats.link(check, f"{check.first_block} to {check.last_block}"),
                    formats.duration(_took(check)),
                    formats.badge(_verdict(check)),
                    formats.wrapped(check.fault),
                ]
                for check in checks[:CHECKS_SHOWN]
            ],
            empty="not verified yet",
        )


@admin.register(SealCheck)
class SealCheckAdmin(ViewOnlyAdmin):
    """Verifications of the seals: by the timetable, slice by slice, and by `manage.py verify_books`."""

    list_display = [
        "finished",
        "blocks",
        "entries",
        "postings",
        "events",
        "audits",
        "took",
        "verdict",
        "found",
    ]
    finished = moment_column("finished_at", "finished")

    @admin.display(description="blocks")
    def blocks(self, row: SealCheck) -> str:
        return f"{row.first_block} to {row.last_block}{' (the last)' if row.is_last else ''}"

    @admin.display(description="took")
    def took(self, row: SealCheck) -> str:
        return formats.duration(_took(row))

    @admin.display(description="verdict")
    def verdict(self, row: SealCheck) -> SafeString:
        return formats.badge(_verdict(row))

    @admin.display(description="found")
    def found(self, row: SealCheck) -> SafeString:
        return formats.wrapped(row.fault)

    def facts(self, row: SealCheck) -> list[Facts]:
        [group] = super().facts(row)
        return [Facts(group.title, [*group.items, ("took", formats.duration(_took(row)))])]


def _took(check: SealCheck) -> float:
    return (check.finished_at - check.started_at).total_seconds()


def _verdict(check: SealCheck) -> str:
    return "broken" if check.fault else "holds"


def _head_state(block: SealBlock) -> str:
    try:
        last = heads.last()
    except heads.HeadUnreadable:
        return "unreadable"
    return "kept" if last is not None and last.number >= block.number else "not here"
