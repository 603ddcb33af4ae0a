"""What payers type at the network: card numbers and account numbers whose behaviour the sandbox knows.

A customer's own card is a number of the sandbox's plain range, different for each customer, so that velocity
rules see different cards; the special numbers are those of the sandbox's table of test cards.
"""

import hashlib

from config.day.shapes import Means

PLAIN_RANGE = "424242"
CARD_DIGITS = 16

# Names as in the sandbox's own table (GET /sim/scenarios).
DECLINED = {
    "generic_decline": "4000000000000002",
    "insufficient_funds": "4000000000009995",
    "lost_card": "4000000000009987",
    "stolen_card": "4000000000009979",
    "expired_card": "4000000000000069",
    "cvc_mismatch": "4000000000000127",
    "processing_error": "4000000000000119",
    "issuer_unavailable": "4000000000000911",
    "restricted_card": "4000000000000622",
}
ANSWERED_LATE = {
    "late": "4000000000001018",
    "late_quiet": "4000000000001026",
    "pending_ok": "4000000000001075",
    "capture_late": "4000000000002016",
}
LOST_ANSWER = {
    "lost_answer": "4000000000001042",
    "error_after": "4000000000001059",
    "late_before": "4000000000001034",
    "error_before": "4000000000001067",
    "capture_lost": "4000000000002024",
    "capture_error_before": "4000000000002032",
}
REFUNDED_SLOWLY = {
    "refund_pending_ok": "4000000000007726",
    "refund_late": "4000000000003022",
}
ACH, SEPA = "ach", "sepa"
VELOCITYPAY = "velocitypay"
STRIPE = "stripe"
VAULT = "vault"
RAIL = "rail"
PAYPAL = "paypal"
ADYEN = "adyen"
PAYPAL_BUYERS = ("ada", "bruno")  # of its sandbox: who pays without more ado
# The special cards above that the others' sandboxes have too (GET /stripe/sim/cards, /adyen/sim/cards).
_KNOWN_AT_BOTH = frozenset(
    {
        "4000000000000002",
        "4000000000009995",
        "4000000000009979",
        "4000000000000069",
        "4000000000000127",
        "4000000000000119",
        "4000000000001018",
        "4000000000001075",
        "4000000000002016",
        "4000000000001042",
        "4000000000001059",
        "4000000000001067",
        "4000000000007726",
        "4000000000003022",
    }
)
KNOWN_AT = {
    STRIPE: _KNOWN_AT_BOTH | {"4000000000009987"},
    ADYEN: _KNOWN_AT_BOTH | {"4000000000000911", "4000000000000622"},
}
PENDING_ACCOUNT_BODY = "370400440000001075"


# How accounts behave at the sandbox's file desk, by their last four digits: short of funds, or good.
ACH_ROUTING = "021000021"
SHORT_OF_FUNDS = "7701"
GOOD = "0000"


def luhn_digit(digits: str) -> str:
    """Return the check digit that completes a card number."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def customer_card(customer: str) -> Means:
    """Return the card of a customer: always the same, and another for each customer."""
    space = 10 ** (CARD_DIGITS - len(PLAIN_RANGE) - 1)
    number = int.from_bytes(hashlib.blake2b(customer.encode(), digest_size=8).digest()) % space
    digits = f"{PLAIN_RANGE}{number:0{CARD_DIGITS - len(PLAIN_RANGE) - 1}d}"
    return Means("card", digits + luhn_digit(digits))


def form_of(customer: str) -> str:
    """Whose form a customer's shop window shows, always the same: of five VelocityPay's and Stripe's to two,
    Adyen's to one.
    """
    place = hashlib.blake2b(f"form:{customer}".encode(), digest_size=1).digest()[0] % 5
    return (STRIPE, STRIPE, ADYEN, VELOCITYPAY, VELOCITYPAY)[place]


def german_iban(body: str) -> str:
    """Complete the bank and account number of a German IBAN with its check digits."""
    return f"DE{98 - int(body + '131400') % 97:02d}{body}"


def account_of(owner: str) -> str:
    """Return a well-formed IBAN that belongs to nobody: always the same for one owner."""
    account = int.from_bytes(hashlib.blake2b(owner.encode(), digest_size=8).digest()) % 10**10
    return german_iban(f"50010517{account:010d}")


def customer_account(customer: str) -> Means:
    """Return the bank account from which a customer pays by transfer."""
    return Means("bank_transfer", account_of(customer))


def debited_account(rail: str, customer: str, tail: str = GOOD) -> Means:
    """Return the account from which a bank rail draws what a customer owes: always the same for one."""
    number = int.from_bytes(hashlib.blake2b(f"{rail}:{customer}".encode(), digest_size=8).digest()) % 10**6
    return Means(
        rail, german_iban(f"37040044{number:06d}{tail}") if rail == SEPA else f"{number:06d}{tail}", RAIL
    )


def pending_account() -> Means:
    """Return the account whose transfers are pending first and arrive by notice."""
    return Means("bank_transfer", german_iban(PENDING_ACCOUNT_BODY))
