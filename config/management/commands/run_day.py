"""`manage.py run_day`: a marketplace's day from the customer's card to the vendor's bank, with its proof.

Exit status 0 only when every line of the proof holds. The work is in `config.day`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from config.day import generator, plan
from config.day.client import NoAnswer, Refused
from config.day.daybook import Shelf
from config.day.orders_csv import OrdersFileError, open_orders
from config.day.plan import RunPlan
from config.day.running import report_findings, take_day
from ledger import clock

DAYS_MAX: Final = 366
SIZE_MAX: Final = 20_000


class Command(BaseCommand):
    """Takes days (or an orders file) through the house that is running."""

    help = "take a marketplace's day through the running house and prove it"

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the options; values are checked in `handle`, so that a wrong one costs one line."""
        parser.add_argument("--days", default="1", help="how many business days, one after the other")
        parser.add_argument("--orders", default="", help="a CSV file of orders instead of generated ones")
        parser.add_argument("--seed", default=str(generator.SEED), help="the seed of the generated orders")
        parser.add_argument("--size", default=str(generator.ORDERS_A_DAY), help="orders a generated day")

    def handle(self, *args: Any, **options: str) -> None:
        """Take the days one after the other; stop at the first whose proof fails."""
        self._began = time.monotonic()
        days = _whole("--days", options["days"], 1, DAYS_MAX)
        seed = _whole("--seed", options["seed"], 0, 2**63)
        size = _whole("--size", options["size"], len(generator.SHARES), SIZE_MAX)
        if options["orders"] and days != 1:
            raise CommandError("an orders file is one day: leave DAYS out")
        shelf = Shelf(self._folder)
        try:
            if options["orders"]:
                with _file_plan(Path(options["orders"]), shelf, self._folder, self._say) as run:
                    self._take(run, shelf)
                return
            self._say(f"seed {seed} (the same seed makes the same day)")
            for run in _generated_plans(seed, size, days, shelf):
                self._take(run, shelf)
        except OrdersFileError as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(
                "the database does not answer: start the house (make run), then start the day again"
            ) from error
        except (NoAnswer, Refused) as error:
            raise CommandError(
                f"the day stopped: {error}; see the logs, then start it again: it goes on where it was"
            ) from error

    @property
    def _folder(self) -> Path:
        return Path(settings.DATA_DIR) / "daybook"

    def _take(self, run: RunPlan, shelf: Shelf) -> None:
        book = take_day(run, shelf, self._say)
        self.stdout.write("\n".join(["", *book.lines(), ""]))
        if not book.holds:
            raise CommandError(f"the proof of {run.title} fails: read the lines marked FAIL above")

    def _say(self, text: str) -> None:
        self.stdout.write(f"[{time.monotonic() - self._began:7.1f} s] {text}")
        self.stdout.flush()


def _generated_plans(seed: int, size: int, days: int, shelf: Shelf) -> Iterator[RunPlan]:
    """Yield the plans of consecutive business dates that end today.

    A date is never before one that the bank has closed, nor in the future: further days of a day that was
    taken already fall on today.
    """
    today = clock.business_date(clock.now())
    last = shelf.last_date() or date.min.isoformat()
    at = max(today - timedelta(days=days - 1), date.fromisoformat(last))
    for day in range(1, days + 1):
        made = generator.plan_day(seed, day, size)
        known = shelf.find(plan.generated(made, "").name)
        if known:
            yield plan.generated(made, known.business_date)
            continue
        yield plan.generated(made, min(at, today).isoformat())
        at += timedelta(days=1)


@contextmanager
def _file_plan(path: Path, shelf: Shelf, folder: Path, say: Any) -> Iterator[RunPlan]:
    say(f"reading {path}")
    with open_orders(path) as orders:
        report_findings(orders, folder, say)
        if not orders.summary().orders_paid:
            raise CommandError(f"{path} has no order that can be paid: read the reasons above")
        run = plan.from_file(orders, path.name, clock.business_date(clock.now()).isoformat())
        known = shelf.find(run.name)
        yield plan.from_file(orders, path.name, known.business_date) if known else run


def _whole(name: str, text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text[:20]) <= high):
        raise CommandError(f"{name} must be a whole number from {low} to {high}, not {text!r}")
    return int(text)
