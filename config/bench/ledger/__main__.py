"""`make bench-ledger`: one run, one server, durable commits, all laws and sealing on; medians and ratios.

python -m config.bench.ledger [--quick] [--only sql] [--clients 1,4,16] [--seconds 3] [--json FILE]
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config import house
from config.bench.ledger import noise, serving, table
from config.bench.ledger.figures import Section

PARTS = ("sql", "django", "bulk", "reading", "audit", "verify", "rebuild")


def main() -> int:
    """Measure the parts asked for; return 0, whatever the figures are."""
    options = _options()
    house.tidy_environment()
    head: dict[str, Any] = {"priority": noise.ask_for_priority(), "cores": os.cpu_count()}
    with noise.alone(_say), serving.server() as server:
        head["flush_us"] = round(serving.flush_microseconds(server.folder))
        head["postgres"] = server.execute("SHOW server_version")[0][0]
        _say(
            f"PostgreSQL {head['postgres']} for this run only, durable commits, {head['cores']} cores, "
            f"{head['priority']}, a flush takes {head['flush_us']} us; "
            f"{options.rounds} interleaved rounds of {options.seconds:g} s, the median one"
        )
        sections = []
        for section in _measure(server, options):
            table.show(section, _say)
            sections.append(section)
    table.show_targets(sections, _say)
    if options.json:
        table.write_json(options.json, head, sections)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-ledger", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, of {', '.join(PARTS)}")
    parser.add_argument("--clients", default="1,4,16", help="numbers of connections of the SQL part")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each run")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds; medians are shown")
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--fill", type=int, default=30_000, help="entries before anything is timed")
    parser.add_argument("--size", type=int, default=1_000_000, help="postings of the large accounts")
    parser.add_argument("--payments", type=int, default=100_000, help="payments that are rebuilt")
    parser.add_argument("--quick", action="store_true", help="runs of a second, 1 and 4 clients, small books")
    parser.add_argument("--no-hordak", action="store_true", help="leave django-hordak out")
    parser.add_argument("--json", type=Path, help="write every run to this file")
    options = parser.parse_args()
    if options.quick:
        options.clients, options.seconds, options.fill, options.accounts = "1,4", 1.0, 5_000, 2_000
        options.rounds, options.size, options.payments = 2, 50_000, 2_000
    options.clients = tuple(int(number) for number in options.clients.split(","))
    options.only = tuple(options.only.split(","))
    return options


def _measure(server: serving.Server, options: argparse.Namespace) -> Iterator[Section]:
    # Only now: these import models, which need Django's settings.
    from config.bench.ledger import (
        auditing,
        batches,
        filling,
        from_django,
        hordak,
        proving,
        raw,
        reading,
        single,
    )

    length = {"seconds": options.seconds, "rounds": options.rounds}
    books = filling.prepare(server, options.accounts, options.fill)
    raw.build(server)
    if "sql" in options.only:
        peer = None if options.no_hordak else hordak.prepare(server, options.accounts)
        yield from single.measure(server, books, clients=options.clients, peer=peer, **length)
    if "django" in options.only:
        yield from_django.measure(server, books, **length)
    if "bulk" in options.only:
        yield batches.measure(books, **length)
    if "reading" in options.only:
        yield reading.measure(server, books, size=options.size, **length)
    if "audit" in options.only:
        yield from auditing.measure(server, **length)
    if "verify" in options.only and proving.has("verify_books"):
        yield proving.verify(server)
    if "rebuild" in options.only and proving.has("rebuild"):
        yield proving.rebuild(server, options.payments)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
