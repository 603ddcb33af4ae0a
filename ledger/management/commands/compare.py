"""Table, events and ledger of one subject, of all, or of the balances, against each other; exit 1 when one is
corrupted, which is named."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledger.errors import DomainError
from ledger.history import balances, comparing, rebuilding
from ledger.management.commands.rebuild import key_of


class Command(BaseCommand):
    """Name what is corrupted: table, events or ledger."""

    help = "Compare table, events and ledger; name which of them is corrupted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("subject", help=f"{', '.join(rebuilding.models())}, account, or all")
        parser.add_argument("--id", help="the public id or the key of one subject")

    def handle(self, *args: Any, **options: Any) -> None:
        counted = broken = 0
        try:
            for verdict in self._verdicts(options["subject"], options["id"]):
                counted += 1
                if not verdict.holds:
                    broken += 1
                    self.stdout.write(str(verdict))
                    for one in getattr(verdict, "differences", ()):
                        self.stdout.write(f"    {one.name}: found {one.found!r}, told {one.told!r}")
        except DomainError as error:
            raise CommandError(error.message) from error
        if broken:
            raise CommandError(f"{broken} of {counted} are corrupted")
        self.stdout.write(f"{counted} compared, nothing corrupted")

    def _verdicts(self, subject: str, wanted: str | None) -> Iterator[Any]:
        if subject == "account":
            yield from balances.compare_accounts() if wanted is None else [_account(wanted)]
            return
        if wanted is not None:
            yield comparing.compare(subject, key_of(rebuilding.model_of(subject), wanted))
            return
        for kind in rebuilding.models() if subject == "all" else [subject]:
            yield from comparing.compare_all(kind)
        if subject == "all":
            yield from balances.compare_accounts()


def _account(wanted: str) -> balances.BalanceVerdict:
    if not wanted.isdigit():
        raise CommandError(f"{wanted} is no number of an account")
    return balances.compare_account(int(wanted))
