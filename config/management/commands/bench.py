"""Measure the API beside a baseline in the same run (`make bench` starts the house)."""

import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.bench import paying, shares
from config.bench.load import Figures, Refused
from config.env import env


class Command(BaseCommand):
    """Print rates, latencies and ratios; on noisy machines only the ratios mean something."""

    help = "Measure payments a second beside their baseline."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seconds", type=float, default=8.0, help="length of each measurement")
        parser.add_argument("--clients", type=int, default=8, help="connections of the HTTP client")
        parser.add_argument("--rounds", type=int, default=3, help="rounds; the median one is printed")

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger("everycent.request").setLevel(logging.WARNING)  # our own calls are no news
        try:
            self._payments(options["clients"], options["seconds"], options["rounds"])
        except Refused as error:
            raise CommandError(f"bench failed: {error}") from error

    def _payments(self, clients: int, seconds: float, rounds: int) -> None:
        shop = paying.open_shop()
        self.stdout.write("Statements of each hot endpoint, BEGIN and COMMIT not counted")
        for name, count in paying.count_queries(shop).items():
            self.stdout.write(f"  {name:<10} {count:>3}")
        self.stdout.write(
            f"\nREST API, {clients} connections, {rounds} rounds of {seconds:g} s, the median round"
        )
        url = env.str("EVERYCENT_URL")
        names = ("bare DRF, one INSERT", "all in one call", "create + authorize + capture")
        used: dict[str, float] = {}
        measured = []
        with paying.bare_server() as bare:
            for _ in range(rounds):
                baseline = paying.insert(bare, clients, seconds)
                before = shares.cpu_seconds()
                at_once = paying.pay_at_once(url, shop, clients, seconds)
                for program, seconds_now in shares.cpu_seconds().items():
                    spent = seconds_now - before.get(program, 0.0)
                    used[program] = used.get(program, 0.0) + spent
                measured.append((baseline, at_once, paying.pay(url, shop, clients, seconds)))
        for place, name in enumerate(names):
            of_all = sorted((line[place] for line in measured), key=lambda figures: figures.rate)
            self._line(name, of_all[rounds // 2])
        for place, name in list(enumerate(names))[1:]:
            ratios = sorted(line[place].rate / line[0].rate for line in measured)
            self.stdout.write(f"  {name}, for each bare INSERT: {ratios[rounds // 2]:.2f}")
        self.stdout.write("\nWhere the CPU of a payment in one call goes, milliseconds")
        paid = sum(line[1].done for line in measured)
        for program, spent in sorted(used.items(), key=lambda item: -item[1]):
            self.stdout.write(f"  {program:<28} {1000 * spent / paid:>7.2f}")

    def _line(self, name: str, figures: Figures) -> None:
        self.stdout.write(
            f"  {name:<30} {figures.rate:>8.0f}/s   p50 {figures.percentile(0.5):>7.2f} ms"
            f"   p99 {figures.percentile(0.99):>7.2f} ms"
        )
