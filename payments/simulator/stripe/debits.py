"""Bank debits: Stripe's test accounts, their payment methods, and what a debit needs before it goes out.

A debit is `processing` for --pending-seconds, then paid or returned; some are taken back after that.
An account given by its number is not verified yet: its holder does that on a page, once.
"""

from dataclasses import asdict, dataclass

from payments.simulator.objects import Body, Record
from payments.simulator.scenarios import Scenario
from payments.simulator.stripe import forms
from payments.simulator.stripe.books import digest
from payments.simulator.stripe.desk import Desk
from payments.simulator.stripe.errors import StripeRefused
from payments.simulator.stripe.forms import Params

CURRENCIES = {"us_bank_account": "usd", "sepa_debit": "eur"}
ROUTING = "110000000"
FEE_PERMILLE, FEE_MOST, FEE_SEPA = 8, 500, 35


@dataclass(frozen=True, slots=True)
class Account(Scenario):
    """A test account: the token of a method made with it, and which kind of debit it takes."""

    token: str = ""
    type: str = "us_bank_account"


def _us(name: str, number: str, does: str, token: str, code: str = "", dispute: str = "") -> Account:
    return Account(name, number, does, _ends(code), dispute, f"pm_usBankAccount_{token}")


def _sepa(name: str, number: str, does: str, token: str, code: str = "", dispute: str = "") -> Account:
    return Account(name, number, does, _ends(code), dispute, f"pm_{token}_de", "sepa_debit")


def _ends(code: str) -> dict[str, str]:
    return {"authorize": f"pending_then_fail:{code}" if code else "pending_then_ok"}


ACCOUNTS = (
    _us("ach_pays", "000123456789", "pays", "success"),
    _us("ach_closed", "000111111113", "returned: closed", "accountClosed", "account_closed"),
    _us("ach_none", "000111111116", "returned: no account", "noAccount", "no_account"),
    _us("ach_funds", "000222222227", "returned: funds", "insufficientFunds", "insufficient_funds"),
    _us("ach_forbidden", "000333333335", "returned: not authorized", "debitNotAuthorized",
        "debit_not_authorized"),
    _us("ach_dispute", "000555555559", "pays, and takes it back", "dispute", dispute="debit_not_authorized"),
    _sepa("sepa_pays", "DE89370400440532013000", "pays", "success"),
    _sepa("sepa_fails", "DE62370400440532013001", "returned", "failed", "generic_decline"),
    _sepa("sepa_funds", "DE65370400440002222227", "returned: funds", "insufficientFunds",
          "insufficient_funds"),
    _sepa("sepa_dispute", "DE35370400440532013002", "pays, and takes it back", "disputed",
          dispute="customer_initiated"),
)  # fmt: skip
BY_NAME = {account.name: account for account in ACCOUNTS}
BY_NUMBER = {account.number: account for account in ACCOUNTS}
BY_TOKEN = {account.token: account for account in ACCOUNTS}


def as_table() -> list[dict[str, object]]:
    """The whole table."""
    return [asdict(account) for account in ACCOUNTS]


def is_debit(method: Record) -> bool:
    """Say whether a payment method is an account that is drawn on."""
    return method.body["type"] in CURRENCIES


def of_params(params: Params) -> tuple[Account, Body]:
    """The account that a request for a payment method gives by number, and what is told of its holder.

    :raises StripeRefused: something is missing, or it is no account.
    """
    kind = forms.text(params, "type")
    sent, billing = forms.mapping(params, kind), forms.mapping(params, "billing_details")
    details = {"name": forms.text(billing, "name"), "email": forms.text(billing, "email", "") or None}
    if kind == "sepa_debit":
        forms.text(billing, "email")
        number = forms.text(sent, "iban").replace(" ", "")
        if not number[:2].isalpha() or not 15 <= len(number) <= 34:
            raise StripeRefused(400, "invalid_bank_account_iban", "The IBAN is invalid", param="iban")
    else:
        number, routing = forms.text(sent, "account_number"), forms.text(sent, "routing_number")
        if not (number.isdigit() and routing.isdigit() and len(routing) == 9):
            raise StripeRefused(400, "account_number_invalid", "Invalid account", param="us_bank_account")
    return BY_NUMBER.get(number) or Account("", number, "pays", type=kind), details


def make(desk: Desk, account: Account, billing: Body, metadata: Body, *, is_verified: bool) -> Record:
    """The payment method of an account; of its number the last digits are kept."""
    shown: Body = {"fingerprint": digest("fp", account.number)[3:19], "last4": account.number[-4:]}
    if account.type == "sepa_debit":
        shown |= {"bank_code": account.number[4:12], "branch_code": "", "country": account.number[:2]}
    else:
        shown |= {
            "account_holder_type": "individual", "account_type": "checking", "bank_name": "STRIPE TEST BANK",
            "routing_number": ROUTING, "status_details": {},
        }  # fmt: skip
    details = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None, **billing}
    body: Body = {"type": account.type, "billing_details": details, account.type: shown, "customer": None,
                  "metadata": metadata, "allow_redisplay": "unspecified"}  # fmt: skip
    verified = is_verified or account.type == "sepa_debit"
    return desk.make("pm", "payment_method", "", body, scenario=account.name, verified=verified)


def check(intent: Body, method: Record, params: Params) -> None:
    """Refuse what Stripe refuses to draw.

    :raises StripeRefused: another type, currency or capture method, or no mandate.
    """
    kind = method.body["type"]
    if kind not in intent["payment_method_types"]:
        raise StripeRefused(400, "", f"The PaymentMethod is a {kind}; allow it in payment_method_types",
                            param="payment_method")  # fmt: skip
    if intent["currency"] != CURRENCIES[kind]:
        raise StripeRefused(400, "", f"The currency is invalid for {kind}", param="currency")
    if intent["capture_method"] == "manual":
        raise StripeRefused(400, "", f"capture_method manual is not supported for {kind}",
                            param="capture_method")  # fmt: skip
    accepted = forms.mapping(forms.mapping(params, "mandate_data"), "customer_acceptance")
    how = forms.text(accepted, "type", "")
    options = forms.mapping(forms.mapping(params, "payment_method_options"), kind)
    is_paper = forms.mapping(options, "mandate_options").get("collection_method") == "paper"
    if how not in ("online", "offline") or (how == "offline" and kind == "us_bank_account" and not is_paper):
        raise StripeRefused(400, "payment_intent_mandate_invalid", "A mandate is needed to draw",
                            param="mandate_data")  # fmt: skip


def details(method: Record) -> Body:
    """What a charge tells of the account that it drew on."""
    kind = method.body["type"]
    mandate = digest("mandate", method.id)
    return {"type": kind, kind: {**method.body[kind], "mandate": mandate, "expected_debit_date": None}}


def fee_of(amount: int, kind: str) -> int:
    """What the sandbox keeps of a debit, in minor units; never above the amount."""
    fee = FEE_SEPA if kind == "sepa_debit" else min(FEE_MOST, amount * FEE_PERMILLE // 1000)
    return min(fee, amount)
