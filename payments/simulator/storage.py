"""A face's own memory: one SQLite file in WAL mode. SCHEMA is VelocityPay's; COMMON is every face's.

One connection, one lock: a write takes some tens of microseconds, so more would only add waiting. A committed
effect survives kill -9 of this process (WAL with synchronous=NORMAL loses commits only with the machine), and
an answer is given only after its commit.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMON = """
CREATE TABLE IF NOT EXISTS callback (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    body TEXT NOT NULL,
    due_at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    last_answer TEXT,
    delivered_at REAL
);
CREATE INDEX IF NOT EXISTS callback_due ON callback (due_at, seq) WHERE delivered_at IS NULL;
CREATE TABLE IF NOT EXISTS fault_script (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    match TEXT NOT NULL,
    faults TEXT NOT NULL,
    nth INTEGER NOT NULL,
    seen INTEGER NOT NULL DEFAULT 0,
    taken INTEGER NOT NULL DEFAULT 0,
    active INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS fault_hit (fault TEXT PRIMARY KEY, hits INTEGER NOT NULL) WITHOUT ROWID;
"""

SCHEMA = """
CREATE TABLE IF NOT EXISTS token (
    token TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    brand TEXT NOT NULL,
    last4 TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    country TEXT NOT NULL,
    scenario TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS operation (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE,
    request_hash TEXT NOT NULL,
    authorization_id TEXT,
    dispute_id TEXT,
    reference TEXT NOT NULL,
    token TEXT,
    destination TEXT,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    currency TEXT NOT NULL,
    fee INTEGER NOT NULL DEFAULT 0 CHECK (fee BETWEEN 0 AND amount),
    status TEXT NOT NULL,
    code TEXT,
    captured INTEGER NOT NULL DEFAULT 0 CHECK (captured BETWEEN 0 AND amount),
    refunded INTEGER NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND captured),
    voided INTEGER NOT NULL DEFAULT 0,
    made_at REAL NOT NULL,
    due_at REAL,
    due_status TEXT,
    due_code TEXT,
    callback_plan TEXT NOT NULL DEFAULT '',
    settled_in TEXT
);
CREATE INDEX IF NOT EXISTS operation_due ON operation (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS operation_parts ON operation (authorization_id) WHERE authorization_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS operation_unsettled ON operation (currency, seq)
    WHERE settled_in IS NULL AND status IN ('succeeded', 'paid')
    AND kind IN ('capture', 'refund', 'transfer', 'withdrawal', 'reinstatement');
CREATE TABLE IF NOT EXISTS dispute (
    id TEXT PRIMARY KEY,
    authorization_id TEXT NOT NULL,
    network TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    stage TEXT NOT NULL,
    status TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    version INTEGER NOT NULL,
    opened_at REAL NOT NULL,
    due_at REAL,
    evidence TEXT,
    decided_at REAL,
    decision TEXT
);
CREATE INDEX IF NOT EXISTS dispute_due ON dispute (decided_at) WHERE decided_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS operation_of_dispute ON operation (dispute_id) WHERE dispute_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS operation_settled ON operation (settled_in, seq) WHERE settled_in IS NOT NULL;
CREATE TABLE IF NOT EXISTS wish (
    operation_id TEXT PRIMARY KEY,
    wants_capture INTEGER NOT NULL,
    base_url TEXT NOT NULL,
    return_url TEXT NOT NULL,
    exemption TEXT NOT NULL,
    until REAL,
    then_code TEXT,
    result TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS coin (
    operation_id TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    address TEXT NOT NULL UNIQUE,
    units TEXT NOT NULL,
    seen_at REAL,
    block_seconds REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS account (
    currency TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    iban TEXT NOT NULL UNIQUE,
    balance INTEGER NOT NULL DEFAULT 0,
    statements INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS closing (
    currency TEXT PRIMARY KEY,
    statement_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    day TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settlement_report (
    id TEXT PRIMARY KEY,
    statement_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    date TEXT NOT NULL,
    captured INTEGER NOT NULL,
    fees INTEGER NOT NULL,
    refunded INTEGER NOT NULL,
    net INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS statement (
    id TEXT PRIMARY KEY,
    currency TEXT NOT NULL,
    date TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    opening INTEGER NOT NULL,
    closing INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    xml TEXT NOT NULL,
    UNIQUE (currency, sequence)
) WITHOUT ROWID;
"""

COMMON_TABLES = ("callback", "fault_script", "fault_hit")
TABLES = (
    "token",
    "operation",
    "dispute",
    "wish",
    "account",
    "closing",
    "settlement_report",
    "statement",
)


class Storage:
    """The SQLite file, opened once; every access goes through `writing` or `reading`."""

    def __init__(
        self,
        folder: Path,
        file: str = "network.sqlite3",
        schema: str = SCHEMA,
        tables: tuple[str, ...] = TABLES,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._tables = (*COMMON_TABLES, *tables)
        self._connection = sqlite3.connect(
            folder / file, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(COMMON + schema)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the one writer's place; commit at the end, roll back on any error."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read what is committed."""
        with self._lock:
            yield self._connection

    def reset(self) -> None:
        """Forget everything."""
        with self.writing() as connection:
            for table in self._tables:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the tuples above
