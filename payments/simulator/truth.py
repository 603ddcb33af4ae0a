"""The network's truth for those who check: every operation as it stands, sums of it, the callbacks' fate."""

from payments.simulator.network import iso
from payments.simulator.storage import Storage

PAGE_MAX = 1000
# What was asked for: by what increments have raised an authorization since is theirs.
AMOUNT = (
    "amount - coalesce((SELECT sum(raised.amount) FROM operation raised WHERE raised.kind = 'increment'"
    " AND raised.status = 'succeeded' AND raised.authorization_id = operation.id), 0)"
)
COLUMNS = (
    f"seq, id, kind, idempotency_key, authorization_id, reference, {AMOUNT} AS amount, currency, fee, status,"
    " code, captured, refunded, voided, made_at, settled_in"
)


class Truth:
    """Read-only views on the storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def page(self, after: int, limit: int) -> dict[str, object]:
        """Operations after a seq, oldest first, with the seq to go on from."""
        size = max(1, min(limit, PAGE_MAX))
        with self._storage.reading() as connection:
            rows = connection.execute(
                f"SELECT {COLUMNS} FROM operation WHERE seq > ? ORDER BY seq LIMIT ?",  # noqa: S608 - fixed columns
                (after, size + 1),
            ).fetchall()
        data = [dict(row) | {"made_at": iso(row["made_at"])} for row in rows[:size]]
        return {
            "data": data,
            "has_more": len(rows) > size,
            "after": rows[:size][-1]["seq"] if data else after,
        }

    def totals(self) -> dict[str, object]:
        """Count, amount and fees (minor units) per kind, status and currency."""
        with self._storage.reading() as connection:
            rows = connection.execute(
                f"SELECT kind, status, currency, count(*) AS count, sum({AMOUNT}) AS amount, sum(fee) AS fees"  # noqa: S608 - fixed columns
                " FROM operation GROUP BY kind, status, currency ORDER BY kind, status, currency"
            ).fetchall()
        return {"data": [dict(row) for row in rows], "operations": sum(row["count"] for row in rows)}

    def callbacks(self) -> dict[str, object]:
        """How many callbacks wait and were delivered, and the last hundred of them."""
        with self._storage.reading() as connection:
            waiting, delivered = connection.execute(
                "SELECT count(*) - count(delivered_at), count(delivered_at) FROM callback"
            ).fetchone()
            rows = connection.execute(
                "SELECT seq, event_id, tries, last_answer, delivered_at FROM callback"
                " ORDER BY seq DESC LIMIT 100"
            ).fetchall()
        return {"waiting": waiting, "delivered": delivered, "data": [dict(row) for row in rows]}
