"""What an authorization was asked for beside its amount: to be taken at once, and the customer's challenge.

One row beside the operation, only where there is something to say. A challenge ends by what the customer does
on the page at `/challenges/{id}`, by a void, or by itself when its time is over.
"""

import sqlite3

from payments.simulator import pages
from payments.simulator.currencies import major
from payments.simulator.errors import Refused
from payments.simulator.faults import Plan
from payments.simulator.laws import Call

NOT_AUTHENTICATED = "authentication_failed"
RESULTS = {
    "authenticated": ("Confirm the payment", "success"),
    "attempted": ("Let the card network stand in", ""),
    "failed": ("Fail the check", "fail"),
}
_SHIFTS = {"authenticated": "issuer", "attempted": "issuer", "exempted": "merchant"}


def asks_for_challenge(call: Call, plan: Plan) -> bool:
    """Say whether the customer must act first."""
    return plan.result.startswith("challenge") and not is_exempted(call, plan)


def is_exempted(call: Call, plan: Plan) -> bool:
    """Say whether the exemption that the merchant asked for is granted."""
    return plan.result == "challenge_unless_exempted" and bool(call.exemption)


def keep(
    connection: sqlite3.Connection, row: sqlite3.Row, call: Call, plan: Plan, until: float | None
) -> None:
    """Keep what was asked for with an authorization."""
    if row["kind"] != "authorize":
        return
    result = "exempted" if is_exempted(call, plan) else ""
    if until is None and not result and not call.wants_capture:
        return
    then_code = plan.code if plan.result == "challenge_then_decline" else None
    connection.execute(
        "INSERT INTO wish (operation_id, wants_capture, base_url, return_url, exemption, until, then_code,"
        " result) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row["id"],
            call.wants_capture,
            call.base_url,
            call.return_url,
            call.exemption,
            until,
            then_code,
            result,
        ),
    )


def of(connection: sqlite3.Connection, operation_id: str) -> sqlite3.Row | None:
    """What was asked for with an authorization, when there is something to say."""
    found: sqlite3.Row | None = connection.execute(
        "SELECT * FROM wish WHERE operation_id = ?", (operation_id,)
    ).fetchone()
    return found


def end_challenge(connection: sqlite3.Connection, operation_id: str, result: str) -> sqlite3.Row | None:
    """End a challenge and return its authorization as it stands then; None when none waits.

    :raises Refused: the result is none.
    """
    wish = of(connection, operation_id)
    if result not in RESULTS:
        raise Refused(422, "bad_result", f"A result is one of {', '.join(RESULTS)}", param="result")
    if wish is None:
        return None
    code = NOT_AUTHENTICATED if result == "failed" else wish["then_code"]
    row: sqlite3.Row | None = connection.execute(
        "UPDATE operation SET status = ?, code = ?, due_at = NULL, due_status = NULL, due_code = NULL"
        " WHERE id = ? AND status = 'requires_action' RETURNING *",
        ("declined" if code else "authorized", code, operation_id),
    ).fetchone()
    if row is not None:
        connection.execute("UPDATE wish SET result = ? WHERE operation_id = ?", (result, operation_id))
    return row


def described(wish: sqlite3.Row | None, status: str, iso_until: str) -> dict[str, object]:
    """What an authorization's answer tells of its challenge."""
    if wish is None:
        return {}
    if status == "requires_action":
        page = f"{wish['base_url']}/challenges/{wish['operation_id']}"
        return {"action_url": page, "action_expires": iso_until}
    if not wish["result"]:
        return {}
    told: dict[str, object] = {"authentication": wish["result"]}
    if wish["result"] in _SHIFTS:
        told["liability_shift"] = _SHIFTS[wish["result"]]
    if wish["result"] == "exempted":
        told["exemption"] = wish["exemption"]
    return told


def page(row: sqlite3.Row, brand: str, last4: str) -> str:
    """The page of the customer's bank: what is to be paid, and a button for each way it can end."""
    rows = {
        "Amount": f"{major(row['amount'], row['currency'])} {row['currency']}",
        "Card": f"{brand.capitalize()} ending in {last4}",
        "Payment": row["reference"],
    }
    buttons = (
        f'<button formaction="/challenges/{row["id"]}?result={result}" class="{kind}">{label}</button>'
        for result, (label, kind) in RESULTS.items()
    )
    return pages.check(rows, buttons)


def done_page() -> str:
    """What the customer sees where the merchant named no page to go back to."""
    return pages.frame("Thank you", "<p>The bank's check has ended. You can close this page.</p>")
