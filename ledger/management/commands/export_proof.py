"""Write a proof of the books to a file, which `verify_proof.py` beside it checks without this house."""

import argparse
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Max, Min

from ledger import ids
from ledger.errors import NotFound
from ledger.models import SealBlock
from ledger.proof import exporting


class Command(BaseCommand):
    """Blocks with their rows; with a merchant only its rows, proven to stand in the blocks."""

    help = "Write the sealed books, or a merchant's part of them, as a file that proves itself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="packed when the name ends in .gz")
        parser.add_argument("--from", dest="begin", type=_day, help="first day of sealing (UTC), 2026-11-01")
        parser.add_argument("--to", dest="end", type=_day, help="last day of sealing, itself included")
        parser.add_argument("--merchant", help="show this merchant's rows only: mer_…")

    def handle(self, *args: Any, **options: Any) -> None:
        sealed = SealBlock.objects.all()
        if options["begin"]:
            sealed = sealed.filter(sealed_at__gte=options["begin"])
        if options["end"]:
            sealed = sealed.filter(sealed_at__lt=options["end"] + timedelta(days=1))
        bounds = sealed.aggregate(first=Min("number"), last=Max("number"))
        try:
            merchant = ids.parse("mer", options["merchant"]) if options["merchant"] else None
            written = exporting.export(options["file"], bounds["first"] or 0, bounds["last"] or -1, merchant)
        except (NotFound, exporting.NotAsSealed) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"blocks {written.first} to {written.last}: {written.entries} entries, "
            f"{written.postings} postings, {written.events} events, {written.audits} audit records, "
            f"{written.archived} archived; "
            f"check with: python3 -I {exporting.VERIFIER.name} {options['file'].name}"
        )


def _day(text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-11-01") from error
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
