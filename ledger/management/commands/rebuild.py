"""Rows rebuilt from their events: one, printed as it was at an instant, or all of a kind, compared with their
table.

    manage.py rebuild payment --id pay_… [--as-of 2026-11-21T12:00Z] [--recorded-as-of …] [--sequence 3]
    manage.py rebuild payment --all
    manage.py rebuild all --all
"""

import json
import resource
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from django.utils.dateparse import parse_datetime

from ledger import clock, ids
from ledger.errors import DomainError
from ledger.history import comparing, rebuilding
from ledger.history.rebuilding import Until

_TOLD_EVERY: Final = 2_000
_SHOWN_MAX: Final = 20


class Command(BaseCommand):
    """Print a row as its events tell it, or say whether all of a kind are what their events tell."""

    help = "Rebuild rows from their events: one at an instant, or all of a kind, compared with their table."

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = ", ".join(rebuilding.models())
        parser.add_argument("subject", help=f"{kinds}, or all")
        parser.add_argument("--id", help="the public id or the key of one row")
        parser.add_argument("--all", action="store_true", help="every row of the kind")
        parser.add_argument("--as-of", help="what had happened by this instant (ISO 8601, with its zone)")
        parser.add_argument("--recorded-as-of", help="what we knew at this instant")
        parser.add_argument("--sequence", type=int, help="up to this event of the row")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["id"]:
                self._one(options)
            elif options["all"]:
                kinds = list(rebuilding.models()) if options["subject"] == "all" else [options["subject"]]
                broken = sum(self._all(kind) for kind in kinds)
                if broken:
                    raise CommandError(f"{broken} are not what their events tell")
            else:
                raise CommandError("name one row with --id, or take --all")
        except DomainError as error:
            raise CommandError(f"{error.message}. {error.advice_given}".strip()) from error

    def _one(self, options: dict[str, Any]) -> None:
        model = rebuilding.model_of(options["subject"])
        until = Until(
            sequence=options["sequence"],
            occurred_at=_instant(options["as_of"]),
            recorded_at=_instant(options["recorded_as_of"]),
        )
        rebuilt = rebuilding.rebuild(options["subject"], key_of(model, options["id"]), until)
        shown = {
            "subject": rebuilt.subject_type,
            "sequence": rebuilt.sequence,
            "occurred_at": rebuilt.occurred_at,
            "recorded_at": rebuilt.recorded_at,
            "hidden": rebuilt.hidden,
            "row": rebuilt.values(),
        }
        self.stdout.write(json.dumps(shown, indent=2, ensure_ascii=False, default=_shown))

    def _all(self, kind: str) -> int:
        total = _estimate(kind)
        started, done, events, broken = clock.monotonic(), 0, 0, 0
        for verdict in comparing.compare_all(kind):
            done, events = done + 1, events + verdict.events
            if not verdict.holds:
                broken += 1
                if broken <= _SHOWN_MAX:
                    self.stdout.write(f"\r{verdict}")
            if done % _TOLD_EVERY == 0:
                self._progress(kind, done, total, started)
        took = max(clock.monotonic() - started, 0.001)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        self.stdout.write(
            f"\r{kind}: {done:,} rebuilt from {events:,} events and compared in {took:.1f} s "
            f"({done / took:,.0f} a second), {broken:,} differ, peak memory {peak} MB"
        )
        return broken

    def _progress(self, kind: str, done: int, total: int, started: float) -> None:
        if not self.stdout.isatty():
            return
        share = min(1.0, done / max(total, 1))
        bar = "#" * int(30 * share)
        rate = done / max(clock.monotonic() - started, 0.001)
        self.stdout.write(f"\r{kind} [{bar:<30}] {share:4.0%} {done:,} {rate:,.0f}/s ", ending="")
        self.stdout.flush()


def key_of(model: Any, text: str) -> UUID:
    """Return the key that a public id or a UUID names.

    :raises NoSuchSubject: it names none.
    """
    try:
        return ids.parse(model.PREFIX, text) if text.startswith(f"{model.PREFIX}_") else UUID(text)
    except ValueError as error:
        raise rebuilding.NoSuchSubject(f"{text} is no id of {model.SUBJECT}") from error


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise CommandError(f"{text} is not an instant: write 2026-11-21T12:00:00Z")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _estimate(kind: str) -> int:
    """Return about how many rows there are, without counting them: for the bar only."""
    table = rebuilding.model_of(kind)._meta.db_table
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = %s::regclass", [table]
        )
        return int(cursor.fetchone()[0])


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
