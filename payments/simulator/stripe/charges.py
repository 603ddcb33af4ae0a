"""Charges: what the card's bank said, what was captured, and the balance transactions that tell the fee."""

from payments.simulator.objects import Body, Record
from payments.simulator.stripe import amounts, books, cards, debits, klarna
from payments.simulator.stripe.cards import Card
from payments.simulator.stripe.desk import Desk, Done
from payments.simulator.stripe.errors import StripeRefused, error

AVAILABLE_SECONDS = 2 * 86_400
HOLD_SECONDS = 7 * 86_400
MESSAGES = {
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "payment_intent_authentication_failure": (
        "The provided PaymentMethod has failed authentication. Provide another payment method."
    ),
}

NETWORK_CODES = {
    "do_not_honor": "05", "expired_card": "54", "generic_decline": "05", "insufficient_funds": "51",
    "lost_card": "41", "processing_error": "96", "stolen_card": "43", "transaction_not_allowed": "57",
}  # fmt: skip
FORBIDDING = ("03", "21", "40", "41", "99")
OUTCOME = ("network_decline_code", "network_advice_code", "advice_code")


def authorize(desk: Desk, intent: Record, method: Record, card: Card | None, secure: str = "") -> Record:
    """Make the charge of an authorization; the intent's figures follow."""
    charge = _make(desk, intent, method, card, secure, "succeeded")
    intent.body |= {
        "latest_charge": charge.id,
        "payment_method": method.id,
        "last_payment_error": None,
        "next_action": None,
    }
    desk.tell("charge.succeeded", charge.body)
    if intent.body["capture_method"] == "manual":
        intent.body |= {"status": "requires_capture", "amount_capturable": intent.body["amount"]}
        desk.save(intent)
        desk.tell("payment_intent.amount_capturable_updated", intent.body)
        return charge
    intent.body |= {"status": "succeeded", "amount_received": intent.body["amount"]}
    take(desk, charge, intent.body["amount"], is_final=True)
    desk.save(intent)
    desk.tell("payment_intent.succeeded", intent.body)
    return charge


def decline(desk: Desk, intent: Record, method: Record, card: Card | None, decline_code: str) -> Done:
    """Refuse an intent's payment method: a failed charge, and HTTP 402 with the intent in the error."""
    code, told, message = words(decline_code)
    charge = _make(desk, intent, method, card, "", "failed")
    if debits.is_debit(method):  # it was counted when it went out
        code, told = decline_code, {}
        balance_transaction(desk, charge, "payment", charge.body["amount"], 0)
        balance_transaction(desk, charge, "payment_failure_refund", -charge.body["amount"], 0)
    charge.body |= {"failure_code": code, "failure_message": message, "paid": False}
    charge.body["outcome"] |= {"type": "issuer_declined", "network_status": "declined_by_network",
                               "reason": decline_code.partition("@")[0]}  # fmt: skip
    charge.body["outcome"] |= {name: told[name] for name in OUTCOME if name in told}
    desk.save(charge)
    refusal = error("card_error", code, message, charge=charge.id, **told)
    kept = {**refusal, "payment_method": method.body}
    intent.body |= {
        "status": "requires_payment_method",
        "latest_charge": charge.id,
        "payment_method": None,
        "next_action": None,
        "last_payment_error": kept,
    }
    desk.save(intent)
    desk.tell("charge.failed", charge.body)
    desk.tell("payment_intent.payment_failed", intent.body)
    return Done(402, {"error": {**kept, "payment_intent": intent.body}})


def words(decline_code: str) -> tuple[str, dict[str, str], str]:
    """How a decline is told: the error's code, what stands beside it, and a sentence.

    Beside it: its decline_code where it has one, the network's own code, and after an `@` in the plan the
    network's advice, with Stripe's reading of it.
    """
    decline_code, _, advice = decline_code.partition("@")
    is_own = decline_code in cards.OWN_CODES or decline_code.startswith(("authentication", "payment_intent"))
    code = decline_code if is_own else "card_declined"
    told = {} if is_own else {"decline_code": decline_code}
    if decline_code in NETWORK_CODES:
        told["network_decline_code"] = NETWORK_CODES[decline_code]
    if advice:
        told |= {"network_advice_code": advice}
        told["advice_code"] = "do_not_try_again" if advice in FORBIDDING else "try_again_later"
    return code, told, MESSAGES.get(decline_code, "Your card was declined.")


def take(desk: Desk, charge: Record, amount: int, *, is_final: bool) -> None:
    """Capture a part of a charge: a balance transaction with its fee; the last part ends it."""
    kind = charge.body["payment_method_details"]["type"]
    if kind in debits.CURRENCIES:
        balance = balance_transaction(desk, charge, "payment", amount, debits.fee_of(amount, kind))
    else:
        fee = amounts.fee_of(amount, charge.body["currency"])
        balance = balance_transaction(desk, charge, "charge" if kind == "card" else "payment", amount, fee)
    charge.body["amount_captured"] += amount
    charge.body |= {"captured": is_final, "balance_transaction": balance.id}
    desk.save(charge)
    desk.tell("charge.captured" if is_final else "charge.updated", charge.body)


def balance_transaction(desk: Desk, source: Record, kind: str, amount: int, fee: int) -> Record:
    """Write one movement of our balance there; `amount` is signed, what we keep is amount - fee."""
    details = [{"amount": fee, "application": None, "currency": source.body["currency"],
                "description": "Processing fees", "type": "stripe_fee"}]  # fmt: skip
    body: Body = {
        "amount": amount,
        "available_on": int(desk.now + AVAILABLE_SECONDS),
        "currency": source.body["currency"],
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": details if fee else [],
        "net": amount - fee,
        "reporting_category": kind,
        "source": source.id,
        "status": "pending",
        "type": kind,
        "balance_type": "payments",
    }
    made = desk.make("txn", "balance_transaction", source.id, body, key=desk.key)
    desk.connection.execute(
        "INSERT INTO movement VALUES (?, ?, ?, NULL)", (made.id, body["currency"], body["net"])
    )
    return made


def of_intent(desk: Desk, intent: Record) -> Record:
    """The charge of an intent that was authorized.

    :raises StripeRefused: it has none.
    """
    charge_id = intent.body["latest_charge"]
    if charge_id is None:
        raise StripeRefused(400, "", "This PaymentIntent does not have a successful charge to refund.")
    return books.get(desk.connection, "charge", charge_id)


def _make(desk: Desk, intent: Record, method: Record, card: Card | None, secure: str, status: str) -> Record:
    scenario = card.name if card else str(method.private["scenario"])
    body: Body = {
        "amount": intent.body["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "balance_transaction": None,
        "billing_details": method.body["billing_details"],
        "captured": False,
        "currency": intent.body["currency"],
        "customer": intent.body["customer"],
        "description": intent.body["description"],
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "metadata": dict(intent.body["metadata"]),
        "outcome": {
            "network_status": "approved_by_network", "reason": None,
            "risk_level": card.risk if card and card.risk != "warning" else "normal",
            "seller_message": "Payment complete.", "type": "authorized",
        },
        "paid": True,
        "payment_intent": intent.id,
        "payment_method": method.id,
        "payment_method_details": _details(desk, intent, method, card, secure, status),
        "refunded": False,
        "status": status,
    }  # fmt: skip
    return desk.make("ch", "charge", intent.id, body, scenario=scenario)


def _details(desk: Desk, intent: Record, method: Record, card: Card | None, secure: str, status: str) -> Body:
    """What a charge tells of the card or account that it was made to."""
    if debits.is_debit(method):
        return debits.details(method)
    if klarna.is_klarna(method):
        return klarna.details(intent, method)
    wanted = intent.body["payment_method_options"].get("card", {})
    may_repeat = wanted.get("request_multicapture") == "if_available"
    facts = method.body["card"]
    has_it = may_repeat and facts["brand"] in cards.MULTICAPTURE_BRANDS
    shown = {name: facts[name] for name in ("brand", "country", "exp_month", "exp_year", "fingerprint")}
    return {
        "type": "card",
        "card": {
            **shown,
            "checks": {**facts["checks"], **(card.checks if card else {})},
            "capture_before": int(desk.now + HOLD_SECONDS) if status == "succeeded" else None,
            "funding": facts["funding"],
            "last4": facts["last4"],
            "multicapture": {"status": "available" if has_it else "unavailable"},
            "network": facts["brand"],
            "three_d_secure": _secured(secure or (card.three_d_secure if card else "")),
            "wallet": None,
        },
    }


def _secured(result: str) -> Body | None:
    if not result:
        return None
    return {
        "authentication_flow": "challenge" if result == "authenticated" else "frictionless",
        "electronic_commerce_indicator": "05" if result == "authenticated" else "06",
        "exemption_indicator": None,
        "result": result,
        "result_reason": None,
        "transaction_id": None,
        "version": "2.2.0",
    }
