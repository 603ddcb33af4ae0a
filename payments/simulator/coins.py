"""Payments in a crypto currency: an address to pay to, an amount in coins, and confirmations of the chain.

The price is fixed when the payment is asked for. The payer sends coins (a button on the page, or POST with
`result`); the chain then confirms them one block after another, and with the last one the payment stands. The
addresses have a regression network's prefix and a wrong checksum, so that no wallet sends real coins there.
"""

import hashlib
import sqlite3
import time
from decimal import ROUND_UP, Decimal
from typing import Final

from payments.simulator import pages
from payments.simulator.currencies import exponent, major
from payments.simulator.errors import Refused
from payments.simulator.faults import Plan
from payments.simulator.laws import Call
from payments.simulator.rate_feed import PER_EURO

TYPE: Final = "crypto"
NETWORKS: Final = ("bitcoin",)
EUROS_PER_COIN: Final = 60_000
SMALLEST: Final = Decimal("0.00000001")
CONFIRMATIONS_NEEDED: Final = 3
NOT_PAID: Final = "payment_not_received"
TOO_LITTLE: Final = "amount_invalid"
RESULTS: Final = {
    "paid": ("Send the coins", "success"),
    "underpaid": ("Send too few", ""),
    "unpaid": ("Let it lapse", "fail"),
}
_LETTERS: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_ADDRESS_LETTERS: Final = 38


def check_address(network: str, address: str) -> str:
    """The address to which coins of a refund go.

    :raises Refused: a network that is not carried, or nothing that could be an address of it.
    """
    if network not in NETWORKS:
        raise Refused(422, "network_not_supported", "No such network is carried", param="network")
    if not (26 <= len(address) <= 90 and address.isascii() and address.isalnum()):
        raise Refused(422, "invalid_address", "This is no address", param="address")
    return address


def must_be_sent(connection: sqlite3.Connection, call: Call, plan: Plan) -> bool:
    """Say whether an authorization waits for coins."""
    if call.kind != "authorize" or call.is_verification or plan.result != "ok":
        return False
    row = connection.execute("SELECT type FROM token WHERE token = ?", (call.token,)).fetchone()
    return row is not None and row["type"] == TYPE


def price(amount: int, currency: str) -> str:
    """What an amount of minor units is in coins, rounded up to the smallest part of one.

    :raises Refused: there is no rate for the currency.
    """
    if currency != "EUR" and currency not in PER_EURO:
        raise Refused(422, "currency_not_supported", f"Coins have no price in {currency}", param="currency")
    euros = Decimal(amount).scaleb(-exponent(currency)) / Decimal(PER_EURO.get(currency, "1"))
    return f"{(euros / EUROS_PER_COIN).quantize(SMALLEST, ROUND_UP):f}"


def keep(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    """Give an authorization that waits an address of its own."""
    digest = hashlib.sha256(f"coin|{row['id']}".encode()).digest() * 2
    address = "bcrt1" + "".join(_LETTERS[byte % 32] for byte in digest[:_ADDRESS_LETTERS])
    connection.execute(
        "INSERT INTO coin (operation_id, network, address, units) VALUES (?, ?, ?, ?)",
        (row["id"], NETWORKS[0], address, price(row["amount"], row["currency"])),
    )


def of(connection: sqlite3.Connection, operation_id: str) -> sqlite3.Row | None:
    """What was asked for in coins, when it was."""
    found: sqlite3.Row | None = connection.execute(
        "SELECT * FROM coin WHERE operation_id = ?", (operation_id,)
    ).fetchone()
    return found


def send(
    connection: sqlite3.Connection, operation_id: str, result: str, block_seconds: float
) -> sqlite3.Row | None:
    """Let the payer act, and return the authorization as it stands then; None when none waits.

    :raises Refused: the result is none.
    """
    if result not in RESULTS:
        raise Refused(422, "bad_result", f"A result is one of {', '.join(RESULTS)}", param="result")
    now = time.time()
    code = {"underpaid": TOO_LITTLE, "unpaid": NOT_PAID}.get(result)
    due = (None, None) if code else (now + CONFIRMATIONS_NEEDED * block_seconds, "authorized")
    row: sqlite3.Row | None = connection.execute(
        "UPDATE operation SET status = ?, code = ?, due_at = ?, due_status = ?, due_code = NULL"
        " WHERE id = ? AND status = 'requires_action' RETURNING *",
        ("declined" if code else "pending", code, *due, operation_id),
    ).fetchone()
    if row is not None and not code:
        connection.execute(
            "UPDATE coin SET seen_at = ?, block_seconds = ? WHERE operation_id = ?",
            (now, block_seconds, operation_id),
        )
    return row


def described(coin: sqlite3.Row | None) -> dict[str, object]:
    """What an authorization's answer tells of its coins; all of it is text."""
    if coin is None:
        return {}
    told = {name: coin[name] for name in ("network", "address")} | {
        "amount": coin["units"],
        "confirmations": str(_confirmations(coin)),
        "confirmations_needed": str(CONFIRMATIONS_NEEDED),
    }
    return {"crypto": told}


def page(row: sqlite3.Row, coin: sqlite3.Row) -> str:
    """The payer's page: where to send how much, and a button for each thing that may happen."""
    rows = {
        "Amount": f"{major(row['amount'], row['currency'])} {row['currency']}",
        "Send": f"{coin['units']} coins of {coin['network']}",
        "To": coin["address"],
        "Confirmations": f"{_confirmations(coin)} of {CONFIRMATIONS_NEEDED}",
        "Payment": row["reference"],
    }
    buttons = "".join(
        f'<button formaction="/challenges/{row["id"]}?result={result}" class="{kind}">{label}</button>'
        for result, (label, kind) in RESULTS.items()
    )
    form = f'<form method="post">{buttons}</form>' if row["status"] == "requires_action" else ""
    said = "This is the sandbox: choose what happens." if form else "The chain confirms the coins."
    return pages.frame("Pay in coins", f"<p>{said}</p>{pages.facts(rows)}{form}", "coins")


def _confirmations(coin: sqlite3.Row) -> int:
    if coin["seen_at"] is None:
        return 0
    if not coin["block_seconds"]:
        return CONFIRMATIONS_NEEDED
    return min(CONFIRMATIONS_NEEDED, int((time.time() - coin["seen_at"]) / coin["block_seconds"]))
