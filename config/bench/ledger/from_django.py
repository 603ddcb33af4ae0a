"""Single entries from Django: `journal.post` in a phase, and the whole of `record`, beside SQL."""

import random
from uuid import UUID

from config import database_roles
from config.bench.ledger import filling, pgbench, workers
from config.bench.ledger.figures import Run, Section, Target, interleave, ratio
from config.bench.ledger.filling import Books
from config.bench.ledger.serving import Server, upkeep
from config.bench.ledger.subject import BenchSubject, make_table
from config.grants import as_owner
from ledger import clock, journal, locks, reading
from ledger.actors import SYSTEM
from ledger.events import Cause
from ledger.recording import record
from ledger.writing import gathered

CLIENTS = 4
SHARE_OF_SQL = 0.50


def measure(server: Server, books: Books, *, seconds: float, rounds: int) -> Section:
    """Measure both at four clients, in turn with the same entries posted by pgbench."""
    with as_owner():
        make_table()
    server.execute(f"GRANT ALL ON bench_subject TO {database_roles.APPLICATION}")
    script = pgbench.spread_script(books)
    accounts = books.merchant, books.count

    def sql() -> Run:
        with upkeep(seconds=seconds):
            return pgbench.run(server, script, clients=CLIENTS, seconds=seconds)

    def posting() -> Run:
        with upkeep(seconds=seconds):
            return workers.run(post_work, *accounts, clients=CLIENTS, seconds=seconds)

    def recording() -> Run:
        with upkeep(seconds=seconds):
            return workers.run(record_work, *accounts, clients=CLIENTS, seconds=seconds)

    def raw() -> Run:
        script = pgbench.raw_script(books)
        return pgbench.run(server, script, clients=CLIENTS, seconds=seconds)

    variants = {"raw": raw, "SQL": sql, "journal.post": posting, "record": recording}
    section = Section(f"Single entries from Django, {CLIENTS} clients", interleave(variants, rounds))
    runs = section.runs
    section.targets = [
        Target(f"{name} beside SQL, {CLIENTS} clients", ratio(runs[name], runs["SQL"]), SHARE_OF_SQL)
        for name in ("journal.post", "record")
    ]
    section.remarks = [
        f"journal.post beside raw SQL: {ratio(runs['journal.post'], runs['raw']):.2f}",
        "record writes three rows more: the subject, its event, and what they are indexed by",
    ]
    return section


def post_work(number: int, merchant: UUID, accounts: int) -> workers.Work:
    """Return the work of one client: an entry between two accounts at random, in a phase of its own."""
    dice = random.Random(number)

    def work() -> None:
        draft = filling.transfer(merchant, dice, accounts)
        with locks.phase():
            journal.post([draft])

    return work


def record_work(number: int, merchant: UUID, accounts: int) -> workers.Work:
    """Return the same work as a step of a subject: its move, its money, its news.

    The phase is gathered and the row is made as on the hot path.
    """
    dice = random.Random(number)

    @gathered
    def work() -> None:
        legs, at = filling.transfer_legs(merchant, dice, accounts), clock.now()
        subject = reading.new(BenchSubject, merchant_id=merchant, amount_minor=1, currency="USD")
        with record(subject, actor=SYSTEM, cause=Cause("bench", "run"), at=at) as entry:
            subject.post(at)
            entry.post(legs, step="transfer")
            entry.announce({"amount_minor": 1, "currency": "USD"})

    return work
