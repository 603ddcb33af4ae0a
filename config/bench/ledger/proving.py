"""Long work over large books, as staff run it: verifying every seal, rebuilding payments from their events.

Each runs as a process of its own, whose time and largest memory are noted.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.core.management import get_commands
from django.db import connections

from config import house
from config.bench.ledger.figures import Run, Section, Target
from config.bench.ledger.noise import noise
from config.bench.ledger.serving import Server, seal_all
from ledger import clock, ids
from ledger.actors import SYSTEM
from ledger.locks import phase
from ledger.recording import record
from payments.models import Payment
from vendors.services import onboarding

VERIFY_SECONDS = 120.0
POSTINGS = 1_000_000  # what has to be verified in that time
MEMORY_MB = 400.0
PROCESSES = 2
BATCH = 250


def has(command: str) -> bool:
    """Say whether this house has a management command."""
    return command in get_commands()


def verify(server: Server) -> Section:
    """Seal what stands, then verify all of it; the time is set in relation to a million postings."""
    seal_all()
    (postings,) = server.execute("SELECT count(*) FROM ledger_posting")[0]
    section = Section(f"Verifying every seal of {postings:,} postings, once", unit=" postings/s")
    run = _run_command(["verify_books"], postings)
    section.runs["verify_books"] = [run]
    section.targets = [
        Target("verify_books, a million postings", POSTINGS / run.rate, VERIFY_SECONDS, "s", at_most=True),
        Target("verify_books, peak memory", run.extra["peak MB"], MEMORY_MB, "MB", at_most=True),
    ]
    return section


def rebuild(server: Server, payments: int) -> Section:
    """Record payments, created and authorized, then rebuild each from its events and compare it."""
    make_payments(payments)
    server.settle()
    section = Section(f"Rebuilding {payments:,} payments from their events, once", unit=" payments/s")
    run = _run_command(["rebuild", "payment", "--all"], payments)
    section.runs["rebuild"] = [run]
    section.targets = [
        Target("rebuild, peak memory", run.extra["peak MB"], MEMORY_MB, "MB", at_most=True),
    ]
    section.remarks = [f"took {payments / run.rate:,.1f} s"]
    return section


def make_payments(count: int) -> None:
    """Record payments with two events each, many in a step, by several processes."""
    at = clock.now()
    merchant = onboarding.create_merchant(name="Benchmark", actor=SYSTEM, at=at)
    connections.close_all()
    share = count // PROCESSES
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        pool.starmap(_record, [(merchant.pk, number, share) for number in range(PROCESSES)], chunksize=1)


def _record(merchant: UUID, number: int, count: int) -> None:
    for start in range(0, count, BATCH):
        at = clock.now()
        payments = [_payment(merchant, f"{number}-{start + n}") for n in range(min(BATCH, count - start))]
        with phase():
            with record(*payments, actor=SYSTEM, at=at) as entry:
                for payment in payments:
                    payment.create()
                    entry.announce({"amount_minor": payment.amount_minor}, payment)
            with record(*payments, actor=SYSTEM, at=at) as entry:
                for payment in payments:
                    payment.authorize(payment.amount, f"ref-{payment.number}", at, at + timedelta(days=7))
                    entry.announce({"amount_minor": payment.amount_minor}, payment)
    connections.close_all()


def _payment(merchant: UUID, number: str) -> Payment:
    return Payment(
        id=ids.uuid7(), merchant_id=merchant, number=number, order_ref=f"order-{number}",
        customer_ref=f"customer-{number}", currency="USD", amount_minor=1999, capture_method="manual",
        method_type="card", method_token=f"tok-{number}", provider="velocitypay", created_at=clock.now(),
    )  # fmt: skip


def _run_command(arguments: Sequence[str], work: int) -> Run:
    """Run a management command and return its rate and its largest memory."""
    began = clock.monotonic()
    with noise() as around:
        process = subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=house.ROOT)
        _, status, used = os.wait4(process.pid, 0)
    seconds = clock.monotonic() - began
    if status:
        raise RuntimeError(f"{arguments[0]} ended with status {os.waitstatus_to_exitcode(status)}")
    peak = round(used.ru_maxrss / 1024, 1)  # kilobytes (getrusage(2))
    return around.note(Run(work / seconds, seconds * 1000, seconds * 1000, extra={"peak MB": peak}), seconds)
