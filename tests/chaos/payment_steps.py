"""The steps of a payment, for tests that kill one on its way."""

from uuid import UUID, uuid5

from ledger import clock
from ledger.actors import Actor
from ledger.money import Money
from payments.services.disputes import answering_disputes
from payments.services.payment_wishes import NewPayment, WantedShare
from payments.services.payments import authorizing, capturing, creating, paying, voiding
from payments.services.refunds import refunding, requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from payments.services.webhooks import webhook_intake
from tests.kit.callbacks import apply_due


def run(step: str, merchant_id: UUID, payment_id: UUID, operation_id: UUID, wanted: dict) -> None:
    """Do one step as the web server would."""
    common = {
        "merchant_id": merchant_id,
        "payment_id": payment_id,
        "actor": Actor("api_key", "chaos"),
        "at": clock.now(),
    }
    match step:
        case "create" | "pay":
            new = NewPayment(
                amount=Money(10_000, "USD"),
                order_ref="order-1",
                customer_ref=wanted.get("customer", f"carla-{payment_id}"),
                method_type="card",
                method_token=wanted["token"],
                method_id=UUID(wanted["method"]) if "method" in wanted else None,
                capture_method="automatic" if step == "pay" else "manual",
                shares=[WantedShare(UUID(wanted["vendor"]), Money(6_000, "USD"))],
            )
            (paying.pay if step == "pay" else creating.create)(wanted=new, **common)
        case "authorize":
            authorizing.authorize(operation_id=operation_id, **common)
        case "capture":
            capturing.capture(operation_id=operation_id, amount=None, **common)
        case "void":
            voiding.cancel(operation_id=operation_id, reason="chaos", **common)
        case "refund":
            refund_id = uuid5(operation_id, "refund")
            wish = RefundWish(refund_id=refund_id, payment_id=payment_id, amount_minor=4_000)
            common.pop("payment_id")
            requesting_refunds.request(wish=wish, **common)
            refunding.process(refund_id=refund_id, operation_id=operation_id, **common)
        case "challenge" | "accept":
            common.pop("payment_id")
            answer = getattr(answering_disputes, step)
            answer(dispute_id=UUID(wanted["dispute"]), operation_id=operation_id, **common)
        case "webhook":
            webhook_intake.receive("velocitypay", wanted["headers"], wanted["body"].encode(), common["at"])
            apply_due(common["at"])
