"""Print what a payment takes on disk, table by table, and what a year of them would."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.sizes import table_sizes

DAYS = 365
STANDING = ("ledger_fx_rate",)  # rates: as many a day, however many payments
SMALL_BYTES = 2**17  # a table of a few pages says nothing of its rows


class Command(BaseCommand):
    """`manage.py table_sizes`: rows and bytes for each payment, and a year of many a day."""

    help = "Print rows and bytes of each table for each payment, and compute a year."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--per", default="payments_payment", help="the table whose rows are counted by")
        parser.add_argument("--a-day", type=int, default=1_000_000, help="how many of these a day")

    def handle(self, *args: Any, **options: Any) -> None:
        sizes = table_sizes()
        per = next((size.rows for size in sizes if size.name == options["per"]), 0)
        if not per:
            raise CommandError(f"table_sizes failed: {options['per']} has no rows; run a day first")
        self.stdout.write(f"for each of {per:,} rows of {options['per']}:")
        total = 0
        for size in sizes:
            if size.bytes < SMALL_BYTES or size.name in STANDING:
                continue
            total += size.bytes
            self.stdout.write(
                f"  {size.name:<34}{size.rows / per:>8.2f} rows {size.heap_bytes / per:>8,.0f} bytes"
                f" {size.index_bytes / per:>8,.0f} of indexes {size.bytes / size.rows:>8,.0f} a row"
            )
        year = total / per * options["a_day"] * DAYS
        self.stdout.write(
            f"  in all {total / per:,.0f} bytes; {options['a_day']:,} a day: {year / 1e12:.1f} TB a year"
        )
