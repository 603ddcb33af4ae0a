"""Payments: made, challenged, finished, authorised or refused, and what comes of one that was pending.

Inside a payment's record all values are in Adyen's units. Its reference is told with the final answer, not
with a redirect: until then the merchant knows it by his own.
"""

import hashlib
from typing import Any

from payments.simulator import objects
from payments.simulator.adyen import amounts, cards, lending, sales
from payments.simulator.adyen.desk import Desk, Done
from payments.simulator.adyen.errors import AdyenRefused, invalid
from payments.simulator.objects import Body, Record

AUTHORISED, REFUSED, REDIRECT, PENDING, CLOSED = "authorised", "refused", "redirect", "pending", "closed"
NOT_AUTHENTICATED, AUTHENTICATION_REQUIRED, CANCELLED = "11", "38", "15"
WALLETS = ("applepay", "googlepay")
LIMIT = 1_000_000_000


def create(desk: Desk, body: Body) -> Done:
    """POST /payments."""
    check_account(desk, body)
    value, currency = amounts.read(body, least=0)
    reference = text(body, "reference", "130", 80)
    text(body, "returnUrl", "14_0401", 8_000)
    method = _method(desk, body)
    more = body.get("additionalData")
    wishes: Body = more if isinstance(more, dict) else {}
    private = {
        "reference": reference, "order": str(body.get("merchantOrderReference", "")), "currency": currency,
        "value": value, "status": PENDING, "captured": 0, "refunded": 0, "released": 0,
        "return_url": body["returnUrl"], "secure": "", "code": "", **method,
        "is_sale": wishes.get("manualCapture") != "true",
        "is_raisable": wishes.get("authorisationType") == "PreAuth",
    }  # fmt: skip
    payment = desk.make("payment", "", {"metadata": {"operation": reference}}, **private)
    plan = desk.plan
    refusal = cards.HOLDERS.get(str(method["holder"]), "")
    if value > LIMIT:
        refusal = "28"
    if plan.result == "decline" or refusal:
        return Done(200, refuse(desk, payment, refusal or _code(plan.code)))
    if lending.is_lent(method["brand"]):
        return Done(200, _redirect(desk, payment, "klarna"))
    if plan.result.startswith("challenge"):
        return Done(200, _challenge(desk, payment, body))
    if plan.result.startswith("pending_then"):
        payment.private["code"] = "" if plan.result == "pending_then_ok" else _code(plan.code)
        payment.due_at = desk.now + desk.rules.pending_seconds
        desk.save(payment)
        return Done(200, answer(payment))
    return Done(200, authorise(desk, payment))


def finish(desk: Desk, body: Body) -> Done:
    """POST /payments/details with what the payer's browser brought back."""
    details = body.get("details")
    result = details.get("redirectResult") if isinstance(details, dict) else None
    if not isinstance(result, str) or not result:
        raise invalid("14_030", "Return URL is missing.")
    found = objects.labelled(desk.connection, "payment", "result", result, desk.now)
    if not found:
        raise invalid("14_011", "Invalid redirectResult")
    payment = found[0]
    if payment.private["status"] != REDIRECT:
        return Done(200, answer(payment))
    return Done(200, conclude_challenge(desk, payment))


def conclude_challenge(desk: Desk, payment: Record) -> Body:
    """End a challenge as its page ended."""
    payment.due_at = None
    if payment.private["passed"] is not True:
        return refuse(desk, payment, payment.private["code"] or NOT_AUTHENTICATED)
    if lending.is_lent(payment.private["brand"]):
        return authorise(desk, payment)
    card = cards.BY_NAME.get(payment.private["scenario"])
    if card is not None and card.after_challenge:
        return refuse(desk, payment, card.after_challenge)
    payment.private["secure"] = "Y"
    return authorise(desk, payment)


def conclude(desk: Desk, payment: Record) -> None:
    """What was to come of a payment when its time came."""
    payment.due_at = None
    if payment.private["status"] == REDIRECT:
        close(desk, payment)
    elif payment.private["code"]:
        refuse(desk, payment, payment.private["code"])
    else:
        authorise(desk, payment)


def authorise(desk: Desk, payment: Record) -> Body:
    """The issuer says yes."""
    payment.private["status"] = AUTHORISED
    desk.save(payment)
    desk.tell("AUTHORISATION", payment, payment, payment.private["value"], more=_card_data(payment))
    if payment.private["is_sale"] and payment.private["value"]:
        sales.capture(desk, payment)
    return answer(payment)


def refuse(desk: Desk, payment: Record, code: str) -> Body:
    """The issuer says no."""
    code, _, advice = code.partition("@")
    payment.private |= {"status": REFUSED, "code": code, "advice": advice}
    desk.save(payment)
    reason = cards.REASONS.get(code, "Refused")
    desk.tell(
        "AUTHORISATION", payment, payment, payment.private["value"], success=False, reason=reason,
        more=_advised(payment),
    )  # fmt: skip
    return answer(payment)


def close(desk: Desk, payment: Record) -> None:
    """Nobody finished it: it can never be authorised any more."""
    payment.private |= {"status": CLOSED, "code": CANCELLED}
    desk.save(payment)
    desk.tell("OFFER_CLOSED", payment, payment, payment.private["value"])


def answer(payment: Record) -> Body:
    """A payment as /payments and /payments/details show it."""
    private = payment.private
    shown: Body = {"merchantReference": private["reference"]}
    status = private["status"]
    if status == REDIRECT:
        kind = payment.private["method_type"]
        action = {"type": "redirect", "paymentMethodType": kind, "method": "GET", "url": private["page"]}
        return {**shown, "resultCode": "RedirectShopper", "action": action}
    shown["pspReference"] = payment.id
    if status == PENDING:
        return {**shown, "resultCode": "Pending"}
    if status == AUTHORISED:
        return {
            **shown,
            "resultCode": "Authorised",
            "amount": amounts.of(private["value"], private["currency"]),
            "paymentMethod": {"brand": private["brand"], "type": private["method_type"]},
            "additionalData": _card_data(payment),
        }
    code = private["code"]
    result = "Cancelled" if code in ("15", "16") else "Error" if code == "4" else "Refused"
    refusal = {"refusalReason": cards.REASONS.get(code, "Refused"), "refusalReasonCode": code}
    advised = _advised(payment)
    return {**shown, "resultCode": result, **refusal, **({"additionalData": advised} if advised else {})}


def check_account(desk: Desk, body: Body) -> None:
    """Only the account of this face is known.

    :raises AdyenRefused: another one.
    """
    if body.get("merchantAccount") != desk.rules.account:
        raise AdyenRefused(403, "901", "Invalid Merchant Account", kind="security")


def text(body: Body, name: str, code: str, most: int) -> str:
    """A text of the body.

    :raises AdyenRefused: it is none.
    """
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= most:
        raise invalid(code, f"Required field '{name}' is not provided.")
    return value


def _method(desk: Desk, body: Body) -> dict[str, Any]:
    """What is paid with: a stored card, or one in clear."""
    given = body.get("paymentMethod")
    method: Body = given if isinstance(given, dict) else {}
    if method.get("type") == lending.KLARNA:
        return lending.facts(body)
    kind, stored = method.get("type"), method.get("storedPaymentMethodId")
    if kind != "scheme" and not (kind in WALLETS and stored):
        raise invalid("14_006", "The provided 'paymentMethod' is not supported.")
    if stored:
        found = desk.find("stored", str(stored))
        if found is None or found.private["method_type"] != kind:
            raise invalid("800", "Contract not found")
        if found.private["shopper"] != body.get("shopperReference"):
            raise invalid("800", "Contract not found")
        names = ("brand", "last4", "scenario", "alias", "holder", "method_type")
        return {name: found.private[name] for name in names}
    return card_facts(method)


def card_facts(method: Body) -> dict[str, Any]:
    """What the sandbox keeps of a card.

    :raises Refused: it is no card number. :raises AdyenRefused: its date is wrong.
    """
    card = cards.of_number(str(method.get("number", "")))
    month, year = str(method.get("expiryMonth", "")), str(method.get("expiryYear", ""))
    if not (month.isdigit() and 1 <= int(month) <= 12 and year.isdigit() and 2000 <= int(year) <= 2100):
        raise invalid("129", "Expiry Date Invalid")
    return {
        "brand": cards.brand(card.number),
        "last4": card.number[-4:],
        "scenario": card.name,
        "alias": "H" + str(int(hashlib.sha256(card.number.encode()).hexdigest(), 16))[:15],
        "holder": str(method.get("holderName", "")),
        "method_type": "scheme",
    }


def _challenge(desk: Desk, payment: Record, body: Body) -> Body:
    wishes = body.get("authenticationData")
    if isinstance(wishes, dict) and wishes.get("attemptAuthentication") == "never":
        return refuse(desk, payment, AUTHENTICATION_REQUIRED)
    return _redirect(desk, payment, "3ds")


def _redirect(desk: Desk, payment: Record, page: str) -> Body:
    """Send the payer to a page, and wait for what he brings back."""
    secret = hashlib.sha256(f"{payment.id}|{desk.key}|page".encode()).hexdigest()[:32]
    address = f"{desk.rules.url}/{page}/{payment.id}?key={secret}"
    payment.private |= {"status": REDIRECT, "page": address, "secret": secret, "passed": None}
    payment.due_at = desk.now + desk.rules.challenge_seconds
    desk.save(payment)
    return answer(payment)


def _card_data(payment: Record) -> Body:
    """The additional data that an account can be set to send."""
    private = payment.private
    if lending.is_lent(private["brand"]):
        return lending.told(private["brand"])
    told = {
        "cardSummary": private["last4"],
        "paymentMethod": private["brand"],
        "cardIssuingCountry": "US",
        "alias": private["alias"],
        "aliasType": "Default",
        "liabilityShift": "true" if private["secure"] == "Y" else "false",
    }
    if private["secure"]:
        told |= {"threeDAuthenticated": "true", "threeDAuthenticatedResponse": private["secure"]}
    return told


def _code(argument: str) -> str:
    """The refusal code that a fault names; the generic one for another's words."""
    return argument if argument.partition("@")[0] in cards.REASONS else "2"


def _advised(payment: Record) -> Body:
    """What a refusal tells of the card when its network advises on another try."""
    advice = payment.private.get("advice", "")
    words = cards.ADVICE.get(advice, "Unknown")
    return {**_card_data(payment), "merchantAdviceCode": f"{advice} : {words}"} if advice else {}
