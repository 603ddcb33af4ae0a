"""Payment intents: create, confirm, challenge, capture, cancel, and what comes of one that was processing.

Laws: received + capturable <= amount; captures only while `requires_capture`; an intent that ended stays so.
"""

from payments.simulator.objects import Record
from payments.simulator.stripe import amounts, charges, debits, disputes, forms, klarna, methods
from payments.simulator.stripe.books import digest
from payments.simulator.stripe.desk import Desk, Done
from payments.simulator.stripe.errors import StripeRefused
from payments.simulator.stripe.forms import Params

CAPTURE_METHODS = ("manual", "automatic", "automatic_async")
CANCELLABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action",
               "processing")  # fmt: skip
REASONS = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")
CAPTURES_MAX = 50
FAILED_AUTHENTICATION = "payment_intent_authentication_failure"
CREATE = (
    "amount", "currency", "automatic_payment_methods", "capture_method", "confirm", "customer", "description",
    "expand", "metadata", "off_session", "payment_method", "payment_method_data", "payment_method_options",
    "payment_method_types", "receipt_email", "return_url", "setup_future_usage", "shipping",
    "statement_descriptor_suffix", "transfer_group", "confirmation_method", "error_on_requires_action",
    "mandate_data",
)  # fmt: skip
CONFIRM = ("payment_method", "payment_method_data", "return_url", "off_session", "expand",
           "payment_method_options", "error_on_requires_action", "mandate_data")  # fmt: skip
CAPTURE = ("amount_to_capture", "final_capture", "metadata", "expand", "statement_descriptor_suffix")


def create(desk: Desk, params: Params) -> Done:
    """POST /v1/payment_intents."""
    forms.known(params, CREATE)
    currency = amounts.check_currency(forms.text(params, "currency"))
    amount = amounts.check_amount(forms.integer(params, "amount"), currency)
    capture_method = forms.text(params, "capture_method", "automatic_async")
    if capture_method not in CAPTURE_METHODS:
        raise StripeRefused(400, "", f"Invalid capture_method: {capture_method}", param="capture_method")
    customer = forms.text(params, "customer", "") or None
    if customer:
        desk.get("customer", customer, "customer")
    body = {
        "amount": amount, "amount_capturable": 0, "amount_details": {"tip": {}}, "amount_received": 0,
        "application": None, "application_fee_amount": None, "automatic_payment_methods": None,
        "canceled_at": None, "cancellation_reason": None, "capture_method": capture_method,
        "confirmation_method": "automatic", "currency": currency, "customer": customer,
        "description": forms.text(params, "description", "") or None, "last_payment_error": None,
        "latest_charge": None, "metadata": forms.metadata(params, {}), "next_action": None,
        "on_behalf_of": None, "payment_method": None,
        "payment_method_options": forms.mapping(params, "payment_method_options"),
        "payment_method_types": _types(params), "processing": None, "receipt_email": None, "review": None,
        "setup_future_usage": None, "shipping": None, "source": None, "statement_descriptor": None,
        "statement_descriptor_suffix": None, "status": "requires_payment_method", "transfer_data": None,
        "transfer_group": None,
    }  # fmt: skip
    method = methods.method_in(desk, params)
    made = desk.make("pi", "payment_intent", "", body, captures=0)
    made.body["client_secret"] = f"{made.id}_secret_{digest('s', made.id, desk.key)[2:]}"
    if method:
        made.body |= {"payment_method": method.id, "status": "requires_confirmation"}
    desk.save(made)
    desk.tell("payment_intent.created", made.body)
    if forms.boolean(params, "confirm", False):
        return _confirm(desk, made, method, params)
    return Done(200, made.body)


def update(desk: Desk, intent_id: str, params: Params) -> Done:
    """POST /v1/payment_intents/{id}: description and metadata."""
    forms.known(params, ("metadata", "description", "expand"))
    intent = desk.get("payment_intent", intent_id)
    intent.body["metadata"] = forms.metadata(params, intent.body["metadata"])
    intent.body["description"] = forms.text(params, "description", "") or intent.body["description"]
    desk.save(intent)
    return Done(200, intent.body)


def confirm(desk: Desk, intent_id: str, params: Params) -> Done:
    """POST /v1/payment_intents/{id}/confirm."""
    forms.known(params, CONFIRM)
    intent = desk.get("payment_intent", intent_id)
    if intent.body["status"] not in ("requires_payment_method", "requires_confirmation", "requires_action"):
        raise _unexpected(intent, "confirm")
    method = methods.method_in(desk, params)
    if method is None and intent.body["payment_method"]:
        method = desk.get("payment_method", intent.body["payment_method"])
    return _confirm(desk, intent, method, params)


def capture(desk: Desk, intent_id: str, params: Params) -> Done:
    """POST /v1/payment_intents/{id}/capture: the rest is released unless final_capture=false."""
    forms.known(params, CAPTURE)
    intent = desk.get("payment_intent", intent_id)
    if intent.body["status"] != "requires_capture":
        raise _unexpected(intent, "capture")
    charge = charges.of_intent(desk, intent)
    left = intent.body["amount_capturable"]
    amount = forms.integer(params, "amount_to_capture", left)
    amounts.check_amount(amount, intent.body["currency"], "amount_to_capture", minimum=False)
    if amount > left:
        raise StripeRefused(
            400, "amount_too_large",
            f"The amount to capture ({amount}) is greater than the amount capturable ({left}).",
            param="amount_to_capture",
        )  # fmt: skip
    is_final = forms.boolean(params, "final_capture", True)
    card = charge.body["payment_method_details"].get("card")
    may_repeat = card is not None and card["multicapture"]["status"] == "available"
    if not is_final and (not may_repeat or intent.private["captures"] >= CAPTURES_MAX):
        raise StripeRefused(
            400, "", "final_capture=false needs multicapture, which is not available here",
            param="final_capture",
        )  # fmt: skip
    if desk.plan.result == "decline":
        refusal = {"type": "card_error", "code": "card_declined", "decline_code": desk.plan.code,
                   "message": "Your card was declined."}  # fmt: skip
        return Done(402, {"error": {**refusal, "payment_intent": intent.body}})
    _capture(desk, intent, charge, amount, is_final=is_final or amount == left, params=params)
    disputes.follow(desk, charge)
    return Done(200, intent.body)


def cancel(desk: Desk, intent_id: str, params: Params) -> Done:
    """POST /v1/payment_intents/{id}/cancel: what is not captured is released."""
    forms.known(params, ("cancellation_reason", "expand"))
    intent = desk.get("payment_intent", intent_id)
    reason = forms.text(params, "cancellation_reason", "") or None
    if reason and reason not in REASONS:
        raise StripeRefused(400, "", f"Invalid cancellation_reason: {reason}", param="cancellation_reason")
    if intent.body["status"] not in CANCELLABLE:
        raise _unexpected(intent, "cancel")
    is_captured = intent.body["amount_received"] > 0
    intent.due_at, intent.private["voided_by"] = None, desk.key
    intent.body |= {
        "amount_capturable": 0,
        "next_action": None,
        "status": "succeeded" if is_captured else "canceled",
        "canceled_at": None if is_captured else int(desk.now),
        "cancellation_reason": None if is_captured else reason,
    }
    desk.save(intent)
    desk.tell("payment_intent.succeeded" if is_captured else "payment_intent.canceled", intent.body)
    return Done(200, intent.body)


def conclude(desk: Desk, intent: Record, succeeded: bool, code: str) -> Done:
    """End a challenge or a processing intent, by the payer or by time."""
    method = desk.get("payment_method", intent.private["method"])
    card = methods.card_of(method)
    intent.due_at = None
    was_challenged = intent.body["status"] == "requires_action"
    if succeeded and was_challenged and debits.is_debit(method):
        method.private["verified"] = True
        desk.save(method)
        return _process(desk, intent, method)
    if succeeded and was_challenged and card and card.after_challenge:
        succeeded, code = False, card.after_challenge
    if not succeeded:
        return charges.decline(desk, intent, method, card, code)
    charge = charges.authorize(desk, intent, method, card, "authenticated" if was_challenged else "")
    if charge.body["captured"]:
        disputes.follow(desk, charge)
    return Done(200, intent.body)


def _capture(
    desk: Desk, intent: Record, charge: Record, amount: int, *, is_final: bool, params: Params
) -> None:
    intent.private["captures"] += 1
    intent.body["amount_received"] += amount
    intent.body["amount_capturable"] = 0 if is_final else intent.body["amount_capturable"] - amount
    intent.body["status"] = "succeeded" if is_final else "requires_capture"
    intent.body["metadata"] = forms.metadata(params, intent.body["metadata"])
    charges.take(desk, charge, amount, is_final=is_final)
    desk.save(intent)
    told = "payment_intent.succeeded" if is_final else "payment_intent.amount_capturable_updated"
    desk.tell(told, intent.body)


def _confirm(desk: Desk, intent: Record, method: Record | None, params: Params) -> Done:
    if method is None:
        raise StripeRefused(
            400, "payment_intent_unexpected_state", "A payment method is needed to confirm",
            param="payment_method",
        )  # fmt: skip
    methods.check_holder(method, intent.body["customer"])
    card = methods.card_of(method)
    intent.private["method"] = method.id
    plan = desk.plan
    if plan.result == "decline":
        return charges.decline(desk, intent, method, card, plan.code)
    if debits.is_debit(method):
        return _draw(desk, intent, method, params)
    if klarna.is_klarna(method):
        return_url = forms.text(params, "return_url", "")
        klarna.check(intent.body, method, return_url)
        return _challenge(desk, intent, method, return_url)
    if plan.result == "challenge":
        cannot_act = forms.boolean(params, "off_session", False)
        if cannot_act or forms.boolean(params, "error_on_requires_action", False):
            return charges.decline(desk, intent, method, card, "authentication_required")
        return _challenge(desk, intent, method, forms.text(params, "return_url", ""))
    if plan.result.startswith("pending_then"):
        intent.private["later"] = "" if plan.result == "pending_then_ok" else plan.code
        return _process(desk, intent, method)
    charge = charges.authorize(desk, intent, method, card)
    if charge.body["captured"]:
        disputes.follow(desk, charge)
    return Done(200, intent.body)


def _draw(desk: Desk, intent: Record, method: Record, params: Params) -> Done:
    """Begin a debit: its account is verified first, or it is with the bank until its time comes."""
    debits.check(intent.body, method, params)
    intent.private["later"] = desk.plan.code if desk.plan.result == "pending_then_fail" else ""
    if method.private["verified"]:
        return _process(desk, intent, method)
    return _challenge(desk, intent, method, forms.text(params, "return_url", ""))


def _process(desk: Desk, intent: Record, method: Record) -> Done:
    """Let it be processed; what comes of that is known later."""
    intent.private["after"] = intent.private["later"]
    intent.body |= {"status": "processing", "payment_method": method.id, "next_action": None}
    intent.due_at = desk.now + desk.rules.pending_seconds
    desk.save(intent)
    desk.tell("payment_intent.processing", intent.body)
    return Done(200, intent.body)


def _types(params: Params) -> list[str]:
    sent = params.get("payment_method_types") or ["card"]
    return [str(one) for one in sent] if isinstance(sent, list) else [str(sent)]


def _challenge(desk: Desk, intent: Record, method: Record, return_url: str) -> Done:
    intent.private |= {"return_url": return_url, "after": FAILED_AUTHENTICATION}
    intent.due_at = desk.now + desk.rules.challenge_seconds
    url = f"{desk.rules.url}/3ds/{intent.id}?key={intent.body['client_secret']}"
    action = {"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": return_url}}
    if debits.is_debit(method):
        verification = {"hosted_verification_url": url, "arrival_date": int(desk.now) + 86_400,
                        "microdeposit_type": "descriptor_code"}  # fmt: skip
        action = {"type": "verify_with_microdeposits", "verify_with_microdeposits": verification}
    elif not return_url:
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect",
                                                               "stripe_js": url}}  # fmt: skip
    intent.body |= {"status": "requires_action", "payment_method": method.id, "next_action": action}
    desk.save(intent)
    desk.tell("payment_intent.requires_action", intent.body)
    return Done(200, intent.body)


def _unexpected(intent: Record, what: str) -> StripeRefused:
    status = intent.body["status"]
    return StripeRefused(
        400,
        "payment_intent_unexpected_state",
        f"You cannot {what} this PaymentIntent because it has a status of {status}.",
    )
