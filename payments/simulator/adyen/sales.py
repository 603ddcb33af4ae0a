"""What is captured by itself with the authorization: no webhook tells it, only a failure is told."""

from payments.simulator.adyen import amounts, cards, disputes
from payments.simulator.adyen.desk import Desk
from payments.simulator.objects import Record


def capture(desk: Desk, payment: Record) -> None:
    """Take all of a payment that was just authorised; it may fail later, as the card's scenario says."""
    private = payment.private
    value = private["value"]
    made = desk.make(
        "modification", payment.id, {}, kind="capture", reference=private["reference"], value=value,
        status="done", later="", reason="", event="CAPTURE",
    )  # fmt: skip
    private["captured"] = value
    desk.save(payment)
    desk.journal("Settled", payment, made, value, amounts.fee_of(value, private["currency"]))
    card = cards.BY_NAME.get(private["scenario"])
    fails, _, reason = (card.faults.get("capture", "") if card else "").partition(":")
    if fails == "fail_later":
        made.private |= {"later": "undo", "reason": reason}
        made.due_at = desk.now + desk.rules.pending_seconds
        desk.save(made)
    disputes.follow(desk, payment, made)
