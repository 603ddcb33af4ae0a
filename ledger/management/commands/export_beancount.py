"""Write the books as text for beancount, which `bean-check` adds up again."""

import argparse
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledger import ids
from ledger.errors import NotFound
from ledger.proof import beancount


class Command(BaseCommand):
    """Entries as transactions, and balances to be checked at the end of each period."""

    help = "Write the books, or a merchant's, in beancount's format; check them with bean-check FILE."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--merchant", help="only this merchant's books: mer_…")
        parser.add_argument("--from", dest="begin", type=_day, help="first day (UTC), for example 2026-11-01")
        parser.add_argument("--to", dest="end", type=_day, help="last day, itself included")
        parser.add_argument(
            "--by", type=beancount.Moment, choices=list(beancount.Moment), default=beancount.Moment.EFFECTIVE
        )
        parser.add_argument(
            "--each", type=beancount.Period, choices=list(beancount.Period), default=beancount.Period.MONTH,
            help="how often balances are asserted",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            merchant = ids.parse("mer", options["merchant"]) if options["merchant"] else None
            end = options["end"] + timedelta(days=1) if options["end"] else None
            by, each = beancount.Moment(options["by"]), beancount.Period(options["each"])
            extract = beancount.Extract(merchant, options["begin"], end, by, each)
            written = beancount.export(options["file"], extract)
        except NotFound as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{written.first} to {written.last}: {written.entries} entries on {written.accounts} accounts, "
            f"{written.assertions} balances asserted; check with: bean-check {options['file'].name}"
        )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-11-01") from error
