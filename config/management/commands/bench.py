"""Measure the API beside a baseline in the same run (`make bench` starts the house)."""

import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.bench import paying
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
        with paying.bare_server() as bare:
            pairs = [
                (
                    paying.insert(bare, clients, seconds),
                    paying.pay(env.str("EVERYCENT_URL"), shop, clients, seconds),
                )
                for _ in range(rounds)
            ]
        baseline = sorted((pair[0] for pair in pairs), key=lambda figures: figures.rate)[rounds // 2]
        ours = sorted((pair[1] for pair in pairs), key=lambda figures: figures.rate)[rounds // 2]
        self._line("bare DRF, one INSERT", baseline)
        self._line("create + authorize + capture", ours)
        ratios = sorted(pair[1].rate / pair[0].rate for pair in pairs)
        self.stdout.write(f"  payments for each bare INSERT: {ratios[rounds // 2]:.2f}")

    def _line(self, name: str, figures: Figures) -> None:
        self.stdout.write(
            f"  {name:<30} {figures.rate:>8.0f}/s   p50 {figures.percentile(0.5):>7.2f} ms"
            f"   p99 {figures.percentile(0.99):>7.2f} ms"
        )
