"""Batches: Adyen as a payer of the sandbox bank, and the settlement detail report of each.

A batch takes all journal lines of a currency that none took; it is kept under the statement that shows it.
"""

import csv
import io
import sqlite3
from collections.abc import Sequence

from payments.simulator import objects
from payments.simulator.adyen import amounts
from payments.simulator.adyen.desk import Rules
from payments.simulator.adyen.errors import AdyenRefused
from payments.simulator.currencies import major
from payments.simulator.network import iso
from payments.simulator.objects import Body, Record
from payments.simulator.payers import Settlement
from payments.simulator.storage import Storage

COLUMNS = (
    "Company Account", "Merchant Account", "Psp Reference", "Merchant Reference", "Payment Method",
    "Creation Date", "TimeZone", "Type", "Modification Reference", "Gross Currency", "Gross Debit (GC)",
    "Gross Credit (GC)", "Exchange Rate", "Net Currency", "Net Debit (NC)", "Net Credit (NC)",
    "Commission (NC)", "Markup (NC)", "Scheme Fees (NC)", "Interchange (NC)", "Payment Method Variant",
    "Modification Merchant Reference", "Batch Number",
)  # fmt: skip


class Batches:
    """The face as a payer, over its storage."""

    payer_name = "Adyen N.V."

    def __init__(self, storage: Storage, rules: Rules) -> None:
        self._storage = storage
        self._rules = rules

    def unsettled(self) -> Sequence[str]:
        """The currencies of journal lines that no batch took."""
        with self._storage.reading() as connection:
            rows = connection.execute(
                "SELECT DISTINCT parent FROM object WHERE kind = 'journal' AND parent LIKE 'open:%'"
            ).fetchall()
        return [row["parent"].removeprefix("open:") for row in rows]

    def settle(self, currency: str, day: str, statement_id: str) -> Settlement | None:
        """Close the batch of a currency for a bank statement (see payers.Payer)."""
        with self._storage.writing() as connection:
            batch = _batch_of(connection, statement_id) or _close(connection, currency, day, statement_id)
        if batch is None:
            return None
        number, net = batch.body["number"], amounts.to_iso(batch.body["net"], currency)
        return Settlement(f"adyen_batch_{number}", net, f"ADYEN BATCH {number} TX{number:010}XT")

    def report(self, name: str) -> str:
        """The settlement detail report of a batch, by the name of its file.

        :raises AdyenRefused: there is none.
        """
        with self._storage.reading() as connection:
            rows = connection.execute("SELECT id FROM object WHERE kind = 'batch'").fetchall()
            for row in rows:
                batch = objects.get(connection, "batch", row["id"])
                if name == f"settlement_detail_report_batch_{batch.body['number']}.csv":
                    return self._csv(batch, objects.of_parent(connection, "journal", batch.id))
        raise AdyenRefused(404, "905", "No such report")

    def _csv(self, batch: Record, lines: Sequence[Record]) -> str:
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for line in lines:
            writer.writerow(self._row(batch.body, line.body))
        writer.writerow(self._payout(batch.body))
        return out.getvalue()

    def _row(self, batch: Body, line: Body) -> Body:
        """A line with its fee in parts: three in ten markup, one scheme fee, the rest interchange."""
        currency, fee = batch["currency"], amounts.to_iso(line["fee"], batch["currency"])
        gross = amounts.to_iso(line["value"], currency)
        markup, scheme = fee * 3 // 10, fee // 10
        net = line["sign"] * gross - fee
        parts = {"Markup (NC)": markup, "Scheme Fees (NC)": scheme, "Interchange (NC)": fee - markup - scheme}
        return {
            **self._head(batch, iso(line["at"])),
            "Psp Reference": line["payment"],
            "Merchant Reference": line["reference"],
            "Payment Method": line["brand"],
            "Type": line["type"],
            "Modification Reference": line["modification"],
            "Gross Currency": currency,
            "Gross Debit (GC)" if line["sign"] < 0 else "Gross Credit (GC)": _text(gross, currency),
            "Exchange Rate": "1",
            "Net Debit (NC)" if net < 0 else "Net Credit (NC)": _text(abs(net), currency),
            **{name: _text(part, currency) for name, part in parts.items() if part},
            "Payment Method Variant": line["brand"],
            "Modification Merchant Reference": line["modification_reference"],
        }

    def _payout(self, batch: Body) -> Body:
        net, currency = amounts.to_iso(batch["net"], batch["currency"]), batch["currency"]
        column = "Net Debit (NC)" if net >= 0 else "Net Credit (NC)"
        words = {"Type": "MerchantPayout", "Modification Reference": f"TX{batch['number']:010}XT"}
        return {**self._head(batch, batch["day"]), **words, column: _text(abs(net), currency)}

    def _head(self, batch: Body, at: str) -> Body:
        return {
            "Company Account": "Everycent",
            "Merchant Account": self._rules.account,
            "Creation Date": at[:19].replace("T", " "),
            "TimeZone": "UTC",
            "Net Currency": batch["currency"],
            "Batch Number": batch["number"],
        }


def _batch_of(connection: sqlite3.Connection, statement_id: str) -> Record | None:
    return objects.find(connection, "batch", f"batch:{statement_id}")


def _close(connection: sqlite3.Connection, currency: str, day: str, statement_id: str) -> Record | None:
    """Close a batch over all open lines of a currency; None, and nothing done, when they come to nothing."""
    lines = objects.of_parent(connection, "journal", f"open:{currency}")
    net = sum(line.body["sign"] * line.body["value"] - line.body["fee"] for line in lines)
    if not lines or not net:
        return None
    count = connection.execute("SELECT count(*) FROM object WHERE kind = 'batch'").fetchone()[0]
    body = {"number": count + 1, "net": net, "currency": currency, "day": day, "metadata": {}}
    batch = Record(f"batch:{statement_id}", "batch", "", lines[-1].made_at, body)
    objects.put(connection, batch)
    connection.execute(
        "UPDATE object SET parent = ? WHERE kind = 'journal' AND parent = ?", (batch.id, f"open:{currency}")
    )
    return batch


def _text(minor: int, currency: str) -> str:
    return major(minor, currency)
