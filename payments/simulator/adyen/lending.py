"""Klarna at the sandbox's Adyen: what a request must tell of a sale, and the page on which the payer agrees.

The payer chooses how he pays; Adyen tells it by the name of the payment's method, and in how many instalments
in its additional data.
"""

from typing import Any

from payments.simulator import pages
from payments.simulator.adyen import amounts
from payments.simulator.adyen.errors import invalid
from payments.simulator.objects import Body, Record

KLARNA = "klarna"
PLANS = {
    "klarna": "In 30 days, all at once",
    "klarna_account": "Over time, in 3 monthly instalments",
    "klarna_paynow": "Now, from my bank account",
}
INSTALMENTS = {"klarna_account": "3"}
ENDS = {
    "success": "Agree and pay with Klarna",
    "refused": "Be refused by Klarna",
    "cancel": "Cancel and return",
}
CODES = {"refused": "2", "cancel": "16"}


def is_lent(brand: str) -> bool:
    """Say whether a lender pays."""
    return brand in PLANS


def told(brand: str) -> Body:
    """What Adyen tells of a loan: how the payer pays, and in how many instalments where there are several."""
    count = INSTALMENTS.get(brand)
    return {"paymentMethod": brand} | ({"installments.value": count} if count else {})


def facts(body: Body) -> dict[str, Any]:
    """What the sandbox keeps of a payment that Klarna lends.

    :raises AdyenRefused: the payer's country, or what is sold, is not told.
    """
    lines, country = body.get("lineItems"), body.get("countryCode")
    if not isinstance(country, str) or len(country) != 2:
        raise invalid("158", "Required field 'countryCode' is not provided.")
    amount = body.get("amount")
    value = amount.get("value") if isinstance(amount, dict) else None
    if not isinstance(lines, list) or sum(_value(line) for line in lines) != value:
        raise invalid("14_0423", "The sum of 'lineItems' is not the amount.")
    return {
        "brand": KLARNA, "last4": "", "scenario": "", "alias": "", "holder": "", "method_type": KLARNA,
        "country": country,
    }  # fmt: skip


def page(payment: Record) -> str:
    """The page: what is to be paid, the ways to pay it, and how it can end."""
    private = payment.private
    rows = {
        "Amount": f"{amounts.shown(private['value'], private['currency'])} {private['currency']}",
        "Payment": private["order"] or private["reference"],
        "Country": private["country"],
    }
    options = "".join(f'<option value="{name}">{label}</option>' for name, label in PLANS.items())
    classes = {"success": "success", "refused": "fail"}
    buttons = "".join(
        f'<button name="result" value="{value}" class="{classes.get(value, "")}">{label}</button>'
        for value, label in ENDS.items()
    )
    return pages.frame(
        "Pay with Klarna",
        "<p>This is the sandbox: choose how you pay, and whether Klarna and you agree.</p>"
        f'{pages.facts(rows)}<form method="post"><label for="plan">How I pay</label>'
        f'<select id="plan" name="plan">{options}</select>{buttons}</form>',
        "Klarna",
    )


def decide(payment: Record, result: str, plan: str) -> None:
    """Take what the payer did.

    :raises AdyenRefused: no such end, or no such plan.
    """
    if result not in ENDS or plan not in PLANS:
        raise invalid("702", f"result is one of {', '.join(ENDS)}, plan one of {', '.join(PLANS)}")
    payment.private |= {"passed": result == "success", "code": CODES.get(result, ""), "brand": plan}


def _value(line: object) -> int:
    told = line.get("amountIncludingTax") if isinstance(line, dict) else None
    quantity = line.get("quantity") if isinstance(line, dict) else None
    return told * quantity if type(told) is int and type(quantity) is int else 0
