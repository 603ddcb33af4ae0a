"""How long the network takes for a request, as an operator scripts it: always the same, or as a real one.

A real network is slow now and then. So it may be given a table of times, of which each reference picks one by
its hash (SHA-256, first four bytes, modulo the table's length): the same reference always waits as long, and
who knows the table knows how long the network took for each.
"""

import hashlib
from typing import Any, Final

from payments.simulator.errors import Refused
from payments.simulator.requests import Request

TABLE_MAX: Final = 10_000
MILLISECONDS_MAX: Final = 60_000


class Latency:
    """The script; without one the network answers at once."""

    def __init__(self) -> None:
        self._table: tuple[int, ...] = ()

    def clear(self) -> None:
        """Drop the script."""
        self._table = ()

    def script(self, body: dict[str, Any]) -> dict[str, object]:
        """Take {ms} for every request, or {table: [ms, …]}.

        :raises Refused: not such a script.
        """
        table = body.get("table", [body.get("ms")])
        is_table = isinstance(table, list) and 0 < len(table) <= TABLE_MAX
        if not is_table or not all(type(ms) is int and 0 <= ms <= MILLISECONDS_MAX for ms in table):
            raise Refused(
                422, "bad_script", "A script is {ms} or {table: [ms, …]}, whole numbers up to 60000"
            )
        self._table = tuple(table) if any(table) else ()
        return {"ms": table[0]} if len(table) == 1 else {"table": table}

    def seconds(self, request: Request) -> float:
        """Return how long a request is to wait; one without a reference takes the table's middle."""
        if not self._table:
            return 0.0
        if len(self._table) == 1 or request.method != "POST":
            return self._table[len(self._table) // 2] / 1000
        reference = str(request.body().get("reference", "")).encode("utf-8", "replace")
        place = int.from_bytes(hashlib.sha256(reference).digest()[:4], "big") % len(self._table)
        return self._table[place] / 1000
