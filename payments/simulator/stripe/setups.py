"""Setup intents: a card's bank is asked whether the card is good, and nothing is reserved."""

from payments.simulator.objects import Record
from payments.simulator.stripe import charges, debits, forms, methods
from payments.simulator.stripe.books import digest
from payments.simulator.stripe.desk import Desk, Done
from payments.simulator.stripe.errors import StripeRefused, error
from payments.simulator.stripe.forms import Params

CREATE = ("confirm", "customer", "description", "expand", "metadata", "payment_method", "payment_method_data",
          "payment_method_types", "return_url", "usage")  # fmt: skip
USAGES = ("off_session", "on_session")


def create(desk: Desk, params: Params) -> Done:
    """POST /v1/setup_intents; the sandbox asks the bank at once, so it wants confirm=true and a method."""
    forms.known(params, CREATE)
    usage = forms.text(params, "usage", "off_session")
    if usage not in USAGES:
        raise StripeRefused(400, "", f"Invalid usage: {usage}", param="usage")
    if not forms.boolean(params, "confirm", False):
        raise StripeRefused(400, "", "The sandbox has setup intents with confirm=true", param="confirm")
    method = methods.method_in(desk, params)
    if method is None:
        raise StripeRefused(400, "parameter_missing", "A payment method is needed", param="payment_method")
    if debits.is_debit(method):
        raise StripeRefused(400, "", "The sandbox sets up cards only", param="payment_method")
    customer = forms.text(params, "customer", "") or None
    methods.check_holder(method, customer)
    body = {
        "application": None, "attach_to_self": False, "automatic_payment_methods": None,
        "cancellation_reason": None, "customer": customer,
        "description": forms.text(params, "description", "") or None, "last_setup_error": None,
        "latest_attempt": None, "mandate": None, "metadata": forms.metadata(params, {}), "next_action": None,
        "payment_method": method.id, "payment_method_options": {}, "payment_method_types": ["card"],
        "single_use_mandate": None, "status": "processing", "usage": usage,
    }  # fmt: skip
    made = desk.make("seti", "setup_intent", "", body)
    made.body["client_secret"] = f"{made.id}_secret_{digest('s', made.id, desk.key)[2:]}"
    desk.save(made)
    desk.tell("setup_intent.created", made.body)
    return _ask(desk, made, method)


def conclude(desk: Desk, setup: Record) -> Done:
    """What comes of one that was processing."""
    setup.due_at = None
    code = str(setup.private["after"])
    if code:
        return _refuse(desk, setup, desk.get("payment_method", setup.body["payment_method"]), code)
    return _succeed(desk, setup)


def _ask(desk: Desk, setup: Record, method: Record) -> Done:
    plan = desk.plan
    if plan.result == "decline":
        return _refuse(desk, setup, method, plan.code)
    if plan.result == "challenge":
        setup.body |= {"status": "requires_action", "next_action": {"type": "use_stripe_sdk",
                                                                    "use_stripe_sdk": {}}}  # fmt: skip
        desk.save(setup)
        desk.tell("setup_intent.requires_action", setup.body)
        return Done(200, setup.body)
    if plan.result.startswith("pending_then"):
        setup.private["after"] = "" if plan.result == "pending_then_ok" else plan.code
        setup.due_at = desk.now + desk.rules.pending_seconds
        desk.save(setup)
        return Done(200, setup.body)
    return _succeed(desk, setup)


def _succeed(desk: Desk, setup: Record) -> Done:
    setup.body |= {"status": "succeeded"}
    desk.save(setup)
    desk.tell("setup_intent.succeeded", setup.body)
    return Done(200, setup.body)


def _refuse(desk: Desk, setup: Record, method: Record, decline_code: str) -> Done:
    code, told, message = charges.words(decline_code)
    kept = {**error("card_error", code, message, **told), "payment_method": method.body}
    setup.body |= {"status": "requires_payment_method", "payment_method": None, "last_setup_error": kept}
    desk.save(setup)
    desk.tell("setup_intent.setup_failed", setup.body)
    return Done(402, {"error": {**kept, "setup_intent": setup.body}})
