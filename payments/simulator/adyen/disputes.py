"""Disputes as Adyen tells them: notified, charged back, defended, reversed, and decided by the issuer."""

from payments.simulator.adyen import cards
from payments.simulator.adyen.desk import Desk
from payments.simulator.adyen.errors import invalid
from payments.simulator.network import iso
from payments.simulator.objects import Body, Record

DEFENCE_SECONDS = 18 * 86_400
FEE = 1_500
"""What a chargeback costs, in Adyen's units; it is given back with nothing."""
WINNING = "winning_evidence"
SCHEMES = {"visa": "visa", "mc": "mc", "amex": "amex", "discover": "discover", "jcb": "jcb"}
MOVES = ("REQUEST_FOR_INFORMATION", "NOTIFICATION_OF_CHARGEBACK", "CHARGEBACK", "INFORMATION_SUPPLIED",
         "CHARGEBACK_REVERSED", "ISSUER_RESPONSE_TIMEFRAME_EXPIRED", "SECOND_CHARGEBACK",
         "DISPUTE_DEFENSE_PERIOD_ENDED", "PREARBITRATION_OPEN", "PREARBITRATION_WON",
         "PREARBITRATION_LOST")  # fmt: skip
JOURNALS = {
    "CHARGEBACK": ("Chargeback", -1),
    "CHARGEBACK_REVERSED": ("ChargebackReversed", 1),
    "SECOND_CHARGEBACK": ("SecondChargeback", -1),
}


def follow(desk: Desk, payment: Record, capture: Record) -> None:
    """Open the dispute that the card's scenario brings about, once a payment."""
    card = cards.BY_NAME.get(payment.private["scenario"])
    if card is None or not card.dispute or payment.private.get("dispute"):
        return
    kind, _, reason = card.dispute.rpartition(":")
    events = ("REQUEST_FOR_INFORMATION",) if kind == "inquiry" else MOVES[1:3]
    open_one(desk, payment, reason, capture.private["value"], events)


def open_one(desk: Desk, payment: Record, reason: str, value: int, events: tuple[str, ...]) -> Record:
    """Open a dispute of a captured payment, with its first events.

    :raises AdyenRefused: nothing is captured of it.
    """
    if not 0 < value <= payment.private["captured"]:
        raise invalid("137", "Invalid amount specified")
    made = desk.make(
        "dispute", payment.id, {}, reference=payment.private["reference"], value=value, reason=reason,
        status="Undefended", documents={}, due=desk.now + DEFENCE_SECONDS,
    )  # fmt: skip
    payment.private["dispute"] = made.id
    desk.save(payment)
    for event in events:
        move(desk, payment, made, event)
    return made


def move(desk: Desk, payment: Record, dispute: Record, event: str, status: str = "") -> None:
    """Let a dispute take a step, after which it has a status: its money in the journal, its webhook.

    :raises AdyenRefused: no such step.
    """
    if event not in MOVES:
        raise invalid("702", f"a step is one of {', '.join(MOVES)}")
    steps = {
        "REQUEST_FOR_INFORMATION": "Unresponded", "NOTIFICATION_OF_CHARGEBACK": "Undefended",
        "CHARGEBACK": "Undefended", "ISSUER_RESPONSE_TIMEFRAME_EXPIRED": "Won", "PREARBITRATION_WON": "Won",
        "INFORMATION_SUPPLIED": "Responded" if is_inquiry(dispute) else "Pending",
        "CHARGEBACK_REVERSED": "Pending", "SECOND_CHARGEBACK": "Lost", "PREARBITRATION_LOST": "Lost",
        "DISPUTE_DEFENSE_PERIOD_ENDED": "Lost",
    }  # fmt: skip
    becomes = status or steps.get(event) or str(dispute.private["status"])
    dispute.private["status"] = becomes
    desk.save(dispute)
    value = dispute.private["value"]
    if event in JOURNALS:
        kind, sign = JOURNALS[event]
        fee = FEE if event == "CHARGEBACK" else 0
        desk.journal(kind, payment, dispute, value, fee, sign, event.lower())
    more: Body = {
        "chargebackReasonCode": dispute.private["reason"],
        "chargebackSchemeCode": SCHEMES.get(payment.private["brand"], "visa"),
        "disputeStatus": becomes,
        "defendable": "true" if becomes in ("Undefended", "Unresponded") else "false",
        "defensePeriodEndsAt": iso(dispute.private["due"]),
    }
    desk.tell(event, payment, dispute, value, reason="Dispute", more=more)


def conclude(desk: Desk, dispute: Record) -> None:
    """The issuer's word on a defence."""
    dispute.due_at = None
    payment = desk.get("payment", dispute.parent)
    won = any(one["convinces"] for one in dispute.private["documents"].values())
    move(desk, payment, dispute, "ISSUER_RESPONSE_TIMEFRAME_EXPIRED" if won else "SECOND_CHARGEBACK")


def is_inquiry(dispute: Record) -> bool:
    """Say whether it is a request for information: no money has moved."""
    return dispute.private["status"] in ("Unresponded", "Responded")
