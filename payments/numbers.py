"""Human numbers (`PAY-2026-000123`): unique per merchant, kind and year; gaps are allowed.

1. A counter row locked until the main phase commits would serialise all payments of a merchant.
2. So a process takes a block in one short statement of its own, outside any phase, and hands the block out
   from memory: no lock is held, and most payments cost no statement at all.
3. What is left of a block is lost when the process ends: that is the gap. Numbers of two processes are
   therefore not in the order of time; the id is.
"""

import threading
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from ledger.locks import is_in_phase

BLOCK: Final = 20
PAYMENT: Final = "PAY"
REFUND: Final = "REF"
DISPUTE: Final = "DSP"

_TAKE = """
INSERT INTO payments_numbercounter AS c (merchant_id, kind, year, last) VALUES (%s, %s, %s, %s)
ON CONFLICT (merchant_id, kind, year) DO UPDATE SET last = c.last + EXCLUDED.last RETURNING c.last
"""
_blocks: dict[tuple[UUID, str, int], range] = {}
_guard = threading.Lock()


def take(merchant_id: UUID, kind: str, at: datetime) -> str:
    """Return the next number of a merchant's kind in the year of `at` (UTC).

    Must be called before the phase that uses it: the block is committed on its own.

    :raises RuntimeError: a phase is open.
    """
    if is_in_phase():
        raise RuntimeError("take a number before the phase: its counter row would stay locked until commit")
    year = at.year
    key = (merchant_id, kind, year)
    with _guard:
        block = _blocks.get(key, range(0))
        if not block:
            block = _take_block(merchant_id, kind, year)
        number, _blocks[key] = block[0], block[1:]
    return f"{kind}-{year}-{number:06}"


def _take_block(merchant_id: UUID, kind: str, year: int) -> range:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [merchant_id, kind, year, BLOCK])
        (last,) = cursor.fetchone()
    return range(last - BLOCK + 1, last + 1)
