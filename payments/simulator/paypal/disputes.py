"""Disputes of captures: opened by a buyer or an operator, answered by the merchant, decided by what was said.

An inquiry takes no money; a claim takes the amount and a fee, which come back when it is won. Evidence whose
text holds `winning_evidence` or `losing_evidence` is decided so after --pending-seconds; else an operator
decides. Dates decide nothing.
"""

from email.parser import BytesParser
from email.policy import HTTP
from json import loads
from typing import Any

from payments.simulator import objects
from payments.simulator.errors import Refused
from payments.simulator.objects import Body, Record
from payments.simulator.paypal import amounts, books
from payments.simulator.paypal.books import Movement
from payments.simulator.paypal.desk import Desk, Done, iso
from payments.simulator.paypal.errors import PayPalRefused

FEE = 2_000
DAYS = {"INQUIRY": 20, "CHARGEBACK": 10, "PRE_ARBITRATION": 10}
WAITS = "WAITING_FOR_SELLER_RESPONSE"
CODES = {"DISPUTE_SETTLEMENT": ("T1201", "T1202"), "DISPUTE_FEE": ("T0106", "T0106")}
"""How the movements stand in reports: chargeback and its reversal, its fee."""
ENDS = {
    "won": "RESOLVED_SELLER_FAVOUR",
    "lost": "RESOLVED_BUYER_FAVOUR",
    "cancelled": "CANCELED_BY_BUYER",
    "paid_out": "RESOLVED_WITH_PAYOUT",
}
STAGES = ("INQUIRY", "CHARGEBACK", "PRE_ARBITRATION")


def listed(desk: Desk, params: Body) -> Done:
    """GET /v1/customer/disputes?disputed_transaction_id=…: the disputes of a capture, oldest first."""
    rows = objects.of_parent(desk.connection, "dispute", str(params.get("disputed_transaction_id", "")))
    names = ("dispute_id", "create_time", "update_time", "reason", "status", "dispute_amount")
    return Done(200, {"items": [{name: row.body[name] for name in names} for row in rows], "links": []})


def show(desk: Desk, dispute_id: str, _params: Body) -> Done:
    """GET /v1/customer/disputes/{id}."""
    return Done(200, desk.get("dispute", dispute_id).body)


def open_case(desk: Desk, capture: Record, *, stage: str, reason: str, minor: int | None = None) -> Record:
    """Open a dispute of a capture; a claim takes its money at once."""
    whole, currency = amounts.read(capture.body["amount"])
    if stage not in STAGES or not 0 < (minor or whole) <= whole:
        raise Refused(422, "bad_dispute", "A dispute has a stage and at most the captured amount")
    dispute_id = f"PP-D-{int(books.digest('dispute', capture.id, desk.key, stage), 16) % 10**9}"
    body: Body = {
        "dispute_id": dispute_id,
        "disputed_transactions": [
            {"seller_transaction_id": capture.id, "create_time": capture.body["create_time"],
             "gross_amount": capture.body["amount"], "transaction_status": "COMPLETED",
             "invoice_number": capture.body["invoice_id"], "custom": capture.body["custom_id"]},
        ],
        "reason": reason,
        "status": WAITS,
        "dispute_amount": amounts.money(minor or whole, currency),
        "dispute_life_cycle_stage": stage,
        "dispute_channel": "INTERNAL",
        "messages": [],
        "evidences": [],
        "money_movements": [],
    }  # fmt: skip
    made = desk.make("dispute", capture.id, body, object_id=dispute_id)
    if stage != "INQUIRY":
        _move(desk, made, "DEBIT")
    _ask(desk, made)
    desk.tell("CUSTOMER.DISPUTE.CREATED", made.body)
    return made


def provide_evidence(desk: Desk, dispute_id: str, params: Body) -> Done:
    """POST …/provide-evidence."""
    dispute = _waiting(desk, dispute_id, "provide_evidence")
    given = params.get("evidences")
    if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
        raise PayPalRefused(400, "MISSING_REQUIRED_PARAMETER", "evidences are needed.")
    dispute.body["evidences"] += [{**one, "source": "SUBMITTED_BY_SELLER"} for one in given]
    return _answered(desk, dispute, " ".join(str(one.get("notes", "")) for one in given))


def send_message(desk: Desk, dispute_id: str, params: Body) -> Done:
    """POST …/send-message, in an inquiry."""
    dispute = _waiting(desk, dispute_id, "send_message")
    message = str(params.get("message", ""))
    if not 0 < len(message) <= 2000:
        raise PayPalRefused(400, "INVALID_STRING_LENGTH", "A message has 1 to 2000 characters.")
    dispute.body["messages"].append({"posted_by": "SELLER", "time_posted": iso(desk.now), "content": message})
    return _answered(desk, dispute, message)


def accept_claim(desk: Desk, dispute_id: str, _params: Body) -> Done:
    """POST …/accept-claim: the buyer has his money back."""
    dispute = _waiting(desk, dispute_id, "accept_claim")
    if not dispute.body["money_movements"]:
        _move(desk, dispute, "DEBIT", with_fee=False)
    _end(desk, dispute, "ACCEPTED")
    return Done(200, {"links": dispute.body["links"]})


def become(desk: Desk, dispute_id: str, to: str) -> Body:
    """Move a dispute as an operator: to a stage, or to an end (won, lost, cancelled, paid_out).

    :raises PayPalRefused: there is none. :raises Refused: it cannot.
    """
    dispute = desk.get("dispute", dispute_id)
    stage = to.upper()
    if stage in STAGES[1:] and dispute.body["status"] != "RESOLVED":
        if not dispute.body["money_movements"]:
            _move(desk, dispute, "DEBIT")
        dispute.body |= {"dispute_life_cycle_stage": stage, "status": WAITS}
        _ask(desk, dispute)
        desk.tell("CUSTOMER.DISPUTE.UPDATED", dispute.body)
    elif to in ENDS and dispute.body["status"] != "RESOLVED":
        _decide(desk, dispute, to)
    else:
        raise Refused(422, "bad_move", f"A dispute that is {dispute.body['status']} cannot become {to}")
    return dispute.body


def conclude(desk: Desk, dispute: Record) -> None:
    """What the evidence decides."""
    _decide(desk, dispute, str(dispute.private["then"]))


def params_of(content_type: str, raw: bytes) -> Body:
    """The JSON of a request: the body, or the part `input` of a form; the files' sizes beside it.

    :raises PayPalRefused: it is none.
    """
    words = raw
    files: list[Body] = []
    if content_type.startswith("multipart/"):
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        words = b""
        for part in BytesParser(policy=HTTP).parsebytes(head + raw).walk():
            name = part.get_param("name", header="content-disposition")
            content: Any = part.get_payload(decode=True)
            if name == "input":
                words = content or b""
            elif name:
                files.append({"name": part.get_filename(), "bytes": len(content or b"")})
    try:
        told = loads(words or b"{}")
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise PayPalRefused(400, "MALFORMED_REQUEST_JSON", "The request JSON is not well formed.")
    return told | ({"files": files} if files else {})


def _answered(desk: Desk, dispute: Record, words: str) -> Done:
    dispute.body["status"] = "UNDER_REVIEW"
    then = "won" if "winning_evidence" in words else "lost" if "losing_evidence" in words else ""
    dispute.private["then"] = then
    dispute.due_at = desk.now + desk.rules.pending_seconds if then else None
    _ask(desk, dispute)
    desk.tell("CUSTOMER.DISPUTE.UPDATED", dispute.body)
    return Done(200, {"links": dispute.body["links"]})


def _decide(desk: Desk, dispute: Record, to: str) -> None:
    has_debit = any(row["type"] == "DEBIT" for row in dispute.body["money_movements"])
    if to == "lost" and not has_debit:
        _move(desk, dispute, "DEBIT")
    elif to != "lost" and has_debit:
        _move(desk, dispute, "CREDIT")
    _end(desk, dispute, ENDS[to])


def _end(desk: Desk, dispute: Record, outcome: str) -> None:
    dispute.due_at = None
    dispute.body |= {"status": "RESOLVED", "dispute_outcome": {"outcome_code": outcome}}
    _ask(desk, dispute)
    desk.tell("CUSTOMER.DISPUTE.RESOLVED", dispute.body)


def _ask(desk: Desk, dispute: Record) -> None:
    """Say until when, and by which steps, the merchant may answer; save it."""
    path, is_open = f"/v1/customer/disputes/{dispute.id}", dispute.body["status"] == WAITS
    stage = dispute.body["dispute_life_cycle_stage"]
    steps = ("send_message" if stage == "INQUIRY" else "provide_evidence", "accept_claim") if is_open else ()
    dispute.body["links"] = [desk.link(path, "self")] + [
        desk.link(f"{path}/{step.replace('_', '-')}", step, "POST") for step in steps
    ]
    if is_open:
        dispute.body["seller_response_due_date"] = iso(desk.now + DAYS[stage] * 86_400)
    else:
        dispute.body.pop("seller_response_due_date", None)
    desk.save(dispute)


def _waiting(desk: Desk, dispute_id: str, step: str) -> Record:
    dispute = desk.get("dispute", dispute_id)
    if all(link["rel"] != step for link in dispute.body["links"]):
        raise PayPalRefused(400, "ACTION_NOT_ALLOWED_IN_CURRENT_DISPUTE_STATE", "Not in this state.")
    if desk.plan.result == "decline":
        raise PayPalRefused(422, desk.plan.code)
    return dispute


def _move(desk: Desk, dispute: Record, direction: str, *, with_fee: bool = True) -> None:
    minor, currency = amounts.read(dispute.body["dispute_amount"])
    rows = [("DISPUTE_SETTLEMENT", minor)] + ([("DISPUTE_FEE", min(FEE, minor))] if with_fee else [])
    for reason, amount in rows:
        told = {"affected_party": "SELLER", "amount": amounts.money(amount, currency),
                "initiated_time": iso(desk.now), "type": direction, "reason": reason}  # fmt: skip
        dispute.body["money_movements"].append(told)
        count = str(len(dispute.body["money_movements"]))
        signed = -amount if direction == "DEBIT" else amount
        movement_id = books.digest("moved", dispute.id, count)
        code = CODES[reason][direction == "CREDIT"]
        books.move(
            desk.connection,
            Movement(movement_id, code, dispute.parent, signed, 0, currency, desk.now),
        )
