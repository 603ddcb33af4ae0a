"""One entry a call, at the level of SQL: our journal, spread and hot, beside raw SQL and django-hordak."""

from collections.abc import Callable, Iterator
from functools import partial

from config import database_roles
from config.bench.ledger import hordak, pgbench, raw
from config.bench.ledger.figures import Run, Section, Target, interleave, ratio
from config.bench.ledger.filling import Books
from config.bench.ledger.serving import SLOW_COMMIT, Server, upkeep

SHARE_OF_RAW = {1: 0.65, 4: 0.65, 16: 0.55}
HOT_OF_SPREAD = 0.90
SLOW_HOT_OF_SPREAD = 0.80
TIMES_HORDAK = 7.0
COST_OF_LAWS = 0.25
SLOW_CLIENTS = 16
PEER = "django-hordak"  # loads its two accounts for each transfer, as a request has to
PEER_IN_MEMORY = "django-hordak, in memory"


def measure(
    server: Server, books: Books, *, clients: tuple[int, ...], seconds: float, rounds: int,
    peer: hordak.Peer | None,
) -> Iterator[Section]:  # fmt: skip
    """Measure all variants at each number of clients, and with slowed commits at the highest."""
    for count in clients:
        yield _section(server, books, count, seconds, rounds, peer)
    if SLOW_CLIENTS in clients:
        yield _slow_section(server, books, seconds, rounds)


def _section(
    server: Server, books: Books, clients: int, seconds: float, rounds: int, peer: hordak.Peer | None
) -> Section:
    variants = _variants(server, books, clients, seconds)
    if peer is not None:
        variants[PEER] = lambda: peer.run(clients, seconds, loads=True)
        variants[PEER_IN_MEMORY] = lambda: peer.run(clients, seconds)
    _warm_up(server, books, clients)
    section = Section(f"Single entries in SQL, {clients} clients", interleave(variants, rounds))
    runs = section.runs
    ours = runs["ours"]
    by_raw, by_lawless = ratio(ours, runs["raw"]), ratio(ours, runs["ours without laws"])
    at = f"{clients} clients"
    section.targets = [
        Target(f"spread beside raw, {at}", by_raw, SHARE_OF_RAW.get(clients, 0.55)),
        Target(f"hot beside spread, {at}", ratio(runs["ours, hot"], ours), HOT_OF_SPREAD),
        Target(f"cost of laws and sealing, {at}", 1 - by_lawless, COST_OF_LAWS, at_most=True),
    ]
    if peer is not None:
        section.targets.append(Target(f"times django-hordak, {at}", ratio(ours, runs[PEER]), TIMES_HORDAK))
        section.remarks.append(
            f"beside django-hordak with its accounts in memory: {ratio(ours, runs[PEER_IN_MEMORY]):.2f} times"
        )
    return section


def _slow_section(server: Server, books: Books, seconds: float, rounds: int) -> Section:
    # How long a commit waits is otherwise a superuser's to say, and the scripts run as the application.
    server.execute(f"GRANT SET ON PARAMETER commit_delay TO {database_roles.APPLICATION}")
    variants = _variants(server, books, SLOW_CLIENTS, seconds, slow=True)
    section = Section(f"Commits slowed to 1 ms, {SLOW_CLIENTS} clients", interleave(variants, rounds))
    section.targets = [
        Target(
            f"hot beside spread, {SLOW_CLIENTS} clients, 1 ms commits",
            ratio(section.runs["ours, hot"], section.runs["ours"]), SLOW_HOT_OF_SPREAD,
        )
    ]  # fmt: skip
    return section


def _variants(
    server: Server, books: Books, clients: int, seconds: float, *, slow: bool = False
) -> dict[str, Callable[[], Run]]:
    options = " ".join(f"-c {option}" for option in SLOW_COMMIT) if slow else ""
    run = partial(pgbench.run, server, clients=clients, seconds=seconds, slow=options)

    def kept(script: str) -> Run:
        with upkeep(seconds=seconds):
            return run(script)

    def lawless(script: str) -> Run:
        with upkeep(raw.LAWLESS, seal=False, seconds=seconds):
            return run(script, schema=raw.LAWLESS)

    found: dict[str, Callable[[], Run]] = {
        "raw": lambda: run(pgbench.raw_script(books)),
        "ours": lambda: kept(pgbench.spread_script(books)),
        "ours, hot": lambda: kept(pgbench.hot_script(books)),
        "raw, hot": lambda: run(pgbench.raw_script(books, hot=True)),
    }
    if not slow:
        found["ours without laws"] = lambda: lawless(pgbench.spread_script(books))
    return found


def _warm_up(server: Server, books: Books, clients: int) -> None:
    for variant in _variants(server, books, clients, 1).values():
        variant()
