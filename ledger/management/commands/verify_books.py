"""Verify every seal of the books; exit 1 naming the first row that is not as it was sealed."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledger import clock
from ledger.proof import checks


class Command(BaseCommand):
    """Recompute blocks, rows and chain; say how many, how fast, and what is wrong."""

    help = "Verify the seals of the books, row by row, and name the first bad row."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--after", type=int, default=0, help="begin behind this block (default: at the first)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        started = clock.monotonic()
        found = checks.check(options["after"])
        took = clock.monotonic() - started
        self.stdout.write(
            f"blocks {found.first} to {found.last}: {found.entries} entries, {found.postings} postings, "
            f"{found.events} events, {found.audits} audit records in {took:.1f} s; "
            f"{found.archived} archived, {found.unsealed} not yet sealed"
        )
        if not found.holds:
            raise CommandError(found.fault)
        self.stdout.write("every sealed row is as it was sealed")
