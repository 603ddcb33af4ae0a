"""Run every invariant and verify the seals; exit 1 when one is broken."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledger import clock, invariants
from ledger.history import watching
from ledger.proof import verifying


class Command(BaseCommand):
    """Say which invariants hold; name the rows that break one."""

    help = "Check every invariant of the house and every seal of the books."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--keep", action="store_true", help="also keep the run and what it finds as rows")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["keep"]:
            watching.watch_all(clock.now())
        results = invariants.check_all()
        for result in results:
            mark = "ok    " if result.holds else "BROKEN"
            self.stdout.write(f"{mark} {result.invariant.number} {result.invariant.sentence}")
            for violation in result.violations:
                self.stdout.write(f"         {violation}")
        verdict = verifying.verify()
        mark = "ok    " if verdict.holds else "BROKEN"
        counted = f"{verdict.blocks} blocks, {verdict.entries} entries, {verdict.events} events"
        self.stdout.write(
            f"{mark} seals: {counted}, {verdict.unsealed} not yet sealed {verdict.fault}".rstrip()
        )
        broken = sum(not result.holds for result in results) + (not verdict.holds)
        if broken:
            raise CommandError(f"{broken} of {len(results) + 1} checks are broken")
        self.stdout.write(f"{len(results)} invariants hold")
