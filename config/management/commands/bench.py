"""Measure the API beside baselines in the same run (`make bench` starts the house)."""

import dataclasses
import logging
from functools import partial
from statistics import median
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.bench import network, paying, shares
from config.bench.load import Figures, percentile
from config.bench.shop import Shop, count_queries, open_shop
from config.bench.wire import Refused
from config.env import env

STEPS: Final = (1.0, 0.93, 0.86, 0.8, 0.74, 0.68, 0.6, 0.5)  # of the closed rate, until one is sustained
SENDERS: Final = 64
P99_MS_MAX: Final = 1_000.0  # a rate is sustained when nobody waits longer,
LATE_SECONDS_MAX: Final = 0.5  # and the last one is answered this soon after the last arrival
SHARE_OF_PEAK: Final = 0.7
READ_ROUNDS: Final = 5
OURS: Final = "payment by id"
BASELINES: Final = {"bare DRF": "rows", "DRF by hand": "by-hand"}  # and their paths at the bare server


class Command(BaseCommand):
    """Print rates, latencies and ratios; on noisy machines only the ratios mean something."""

    help = "Measure payments a second beside their baseline."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seconds", type=float, default=8.0, help="length of each measurement")
        parser.add_argument("--clients", type=int, default=16, help="connections of closed measurements")

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger("everycent.request").setLevel(logging.WARNING)  # our own calls are no news
        self.clients, self.seconds, self.url = (
            options["clients"],
            options["seconds"],
            env.str("EVERYCENT_URL"),
        )
        shop = open_shop()
        try:
            self.stdout.write("Statements of each hot endpoint, BEGIN and COMMIT not counted")
            for name, count in count_queries(shop).items():
                self.stdout.write(f"  {name:<10} {count:>3}")
            with paying.bare_server() as bare:
                peak = self._writing(shop, bare)
                self._reading(shop, bare)
            self._as_in_life(shop, peak)
        except Refused as error:
            raise CommandError(f"bench failed: {error}") from error

    def _writing(self, shop: Shop, bare: str) -> Figures:
        self.stdout.write(f"\nPayments, {self.seconds:g} s each; closed: {self.clients} connections")
        baselines = {
            name: paying.insert(f"{bare}/{path}", self.clients, self.seconds / 2)
            for name, path in BASELINES.items()
        }
        for name, figures in baselines.items():
            self._line(f"{name}, one INSERT, closed", figures)
        self._line("three calls, closed", paying.pay(self.url, shop, self.clients, self.seconds / 2))
        closed = paying.pay_at_once(self.url, shop, self.clients, self.seconds)
        self._line("one call, closed", closed)
        for step in STEPS:
            before = shares.cpu_seconds()
            found = paying.pay_at_rate(self.url, shop, closed.rate * step, self.seconds, SENDERS)
            used = shares.cpu_seconds()
            is_sustained = (
                found.percentile(0.99) <= P99_MS_MAX and found.seconds <= self.seconds + LATE_SECONDS_MAX
            )
            word = "sustained" if is_sustained else "not sustained"
            self._line(f"one call, open, {closed.rate * step:.0f}/s: {word}", found)
            if is_sustained:
                break
        else:
            raise Refused("no rate was sustained")
        for name, figures in baselines.items():
            self.stdout.write(f"  one call at its peak, for each of {name}: {found.rate / figures.rate:.3f}")
        self.stdout.write("\nWhere the CPU of a payment at the peak goes, milliseconds")
        spent = {name: seconds - before.get(name, 0.0) for name, seconds in used.items()}
        for program, seconds in sorted(spent.items(), key=lambda item: -item[1]):
            self.stdout.write(f"  {program:<28} {1000 * seconds / found.done:>7.2f}")
        return found

    def _reading(self, shop: Shop, bare: str) -> None:
        self.stdout.write("\nReads by key, closed")
        rows = list(paying.insert(f"{bare}/rows", 4, 0.5).answers)[:200]
        made = paying.pay_at_once(self.url, shop, 4, 1.0)
        paid = [payment_id for _, payment_id, _ in made.answers]
        works = {
            name: partial(paying.read_bare, f"{bare}/{path}", rows) for name, path in BASELINES.items()
        } | {OURS: partial(paying.read, self.url, shop, paid)}
        rounds = [
            {name: work(self.clients, self.seconds / 4) for name, work in works.items()}
            for _ in range(READ_ROUNDS)
        ]
        # Side by side in each round: a machine that is shared is now fast, now slow.
        for name in works:
            in_order = sorted((one[name] for one in rounds), key=lambda figures: figures.rate)
            self._line(name if name == OURS else f"{name}, one SELECT", in_order[READ_ROUNDS // 2])
        for name in BASELINES:
            ratio = median(one[OURS].rate / one[name].rate for one in rounds)
            self.stdout.write(f"  {OURS}, for each of {name}: {ratio:.3f} (median of {READ_ROUNDS} rounds)")

    def _as_in_life(self, shop: Shop, peak: Figures) -> None:
        latencies = network.table()
        rate, seconds = peak.rate * SHARE_OF_PEAK, 1.5 * self.seconds
        self.stdout.write(
            f"\nAt {SHARE_OF_PEAK:.0%} of the peak, open; the network takes p50 {network.P50_MS} ms, "
            f"p99 {network.P99_MS} ms, and {network.FAULTS_OF_1000} faults in 1,000"
        )
        fresh = dataclasses.replace(shop, tokens=shop.tokens[: int(rate * seconds)])
        with network.as_real(latencies, fresh.tokens) as sandbox:
            fired = network.faults_fired(sandbox)
            found = paying.pay_at_rate(self.url, fresh, rate, seconds, SENDERS)
            fired = network.faults_fired(sandbox) - fired
        self._line("one call", found)
        added = network.added_ms(found, latencies)
        self.stdout.write(
            f"  {'what the house adds':<44} p50 {percentile(added, 0.5):>7.2f} ms   "
            f"p99 {percentile(added, 0.99):>7.2f} ms"
        )
        errors = sum(status >= 500 for status, _, _ in found.answers)
        open_yet = sum(status == 202 for status, _, _ in found.answers)
        self.stdout.write(
            f"  {found.done} payments, {fired} faults fired, {open_yet} answered 202 (asked about later), "
            f"{errors} answered 5xx"
        )

    def _line(self, name: str, figures: Figures) -> None:
        self.stdout.write(
            f"  {name:<38} {figures.rate:>5.0f}/s   p50 {figures.percentile(0.5):>7.2f} ms"
            f"   p99 {figures.percentile(0.99):>7.2f} ms"
        )
