"""Adyen's test cards and what each makes the sandbox do: one table, served at GET /adyen/sim/cards.

Numbers are public test ones; those with a meaning have the same in the other faces. A row's faults are those
of faults.py, a decline's argument is Adyen's refusal code. A well-formed number that is not listed approves
everything; a holder's name in HOLDERS makes any card refuse.
"""

from dataclasses import asdict, dataclass

from payments.simulator.scenarios import Scenario, brand_of, check_card_number

BRANDS = {"mastercard": "mc", "unionpay": "cup"}
REASONS = {
    "2": "Refused", "3": "Referral", "4": "Acquirer Error", "5": "Blocked Card", "6": "Expired Card",
    "7": "Invalid Amount", "8": "Invalid Card Number", "9": "Issuer Unavailable", "10": "Not supported",
    "11": "3D Not Authenticated", "12": "Not enough balance", "14": "Acquirer Fraud", "15": "Cancelled",
    "16": "Shopper Cancelled", "17": "Invalid Pin", "18": "Pin tries exceeded", "20": "FRAUD",
    "23": "Transaction Not Permitted", "24": "CVC Declined", "25": "Restricted Card",
    "26": "Revocation Of Auth", "27": "Declined Non Generic", "28": "Withdrawal amount exceeded",
    "29": "Withdrawal count exceeded", "31": "Issuer Suspected Fraud", "32": "AVS Declined",
    "38": "Authentication required", "42": "3DS Authentication Error",
}  # fmt: skip
ADVICE = {"03": "Do not try again", "26": "Retry after 2 days"}
HOLDERS = {
    "DECLINED": "2",
    "REFERRAL": "3",
    "ERROR": "4",
    "BLOCK_CARD": "5",
    "CARD_EXPIRED": "6",
    "INVALID_CARD": "8",
    "ISSUER_UNAVAILABLE": "9",
    "NOT_ENOUGH_BALANCE": "12",
    "ACQUIRER_FRAUD": "14",
    "CVC_DECLINED": "24",
    "RESTRICTED_CARD": "25",
}


@dataclass(frozen=True, slots=True)
class Card(Scenario):
    """A test card; `after_challenge` is the refusal code that follows a successful challenge."""

    after_challenge: str = ""


def _declines(name: str, number: str, code: str) -> Card:
    return Card(name, number, f"refused: {REASONS[code.partition('@')[0]]}", {"authorize": f"decline:{code}"})


CARDS = (
    Card("visa", "4111111111111111", "approves"),
    Card("visa_2", "4988438843884305", "approves"),
    Card("visa_3", "4242424242424242", "approves"),
    Card("mastercard", "5555444433331111", "approves"),
    Card("mastercard_2", "5555555555554444", "approves"),
    Card("mastercard_2_series", "2223003122003222", "approves"),
    Card("amex", "370000000000002", "approves"),
    Card("amex_2", "378282246310005", "approves"),
    Card("diners", "36006666333344", "approves"),
    Card("discover", "6011601160116611", "approves"),
    Card("jcb", "3569990010095841", "approves"),
    _declines("generic_decline", "4000000000000002", "2"),
    _declines("insufficient_funds", "4000000000009995", "12"),
    _declines("expired_card", "4000000000000069", "6"),
    _declines("cvc_declined", "4000000000000127", "24"),
    _declines("acquirer_error", "4000000000000119", "4"),
    _declines("amount_exceeded", "4000000000006975", "28"),
    _declines("issuer_unavailable", "4000000000000911", "9"),
    _declines("suspected_fraud", "4100000000000019", "31"),
    _declines("restricted_card", "4000000000000622", "25"),
    _declines("blocked_card", "4000000000009979", "5"),
    _declines("advised_later", "5200000000001005", "12@26"),
    _declines("advised_never", "5200000000001013", "2@03"),
    Card("challenge", "4212345678910006", "3-D Secure at every payment", {"authorize": "challenge"}),
    Card("challenge_2", "4000002760003184", "3-D Secure at every payment", {"authorize": "challenge"}),
    Card("challenge_then_funds", "4000008260003178", "3-D Secure, then not enough balance",
         {"authorize": "challenge"}, after_challenge="12"),
    Card("pending_ok", "4000000000001075", "pending, then authorised", {"authorize": "pending_then_ok"}),
    Card("pending_fail", "4000000000001083", "pending, then refused", {"authorize": "pending_then_fail:2"}),
    Card("late", "4000000000001018", "authorised, but answered after our timeout",
         {"authorize": "timeout_after"}),
    Card("lost_answer", "4000000000001042", "authorised, but the connection breaks in the answer",
         {"authorize": "reset_after"}),
    Card("error_after", "4000000000001059", "authorised, but answered with HTTP 500",
         {"authorize": "500_after"}),
    Card("error_before", "4000000000001067", "HTTP 500 and nothing happened; a second try approves",
         {"authorize": "500_before"}),
    Card("capture_fails", "4000000000000341", "authorises; every capture fails", {"capture": "decline:2"}),
    Card("capture_fails_late", "4000000000002057", "captures succeed, and fail later",
         {"capture": "fail_later:Capture Failed"}),
    Card("capture_late", "4000000000002016", "capture happens, but is answered late",
         {"capture": "timeout_after"}),
    Card("refund_pending", "4000000000007726", "refunds take a while, then succeed",
         {"refund": "pending_then_ok"}),
    Card("refund_fails_late", "4000000000005126", "refunds succeed, and fail later",
         {"refund": "fail_later:Refund Failed"}),
    Card("refund_late", "4000000000003022", "refund happens, but is answered late",
         {"refund": "timeout_after"}),
    Card("void_late", "4000000000004012", "cancel happens, but is answered late", {"void": "timeout_after"}),
    Card("dispute", "4000000000000259", "captured money is charged back as fraud", dispute="10.4"),
    Card("dispute_not_received", "4000000000002685", "charged back: not received", dispute="13.1"),
    Card("inquiry", "4000000000001976", "the issuer asks for information after the capture",
         dispute="inquiry:13.1"),
)  # fmt: skip

BY_NAME = {card.name: card for card in CARDS}
BY_NUMBER = {card.number: card for card in CARDS}


def as_table() -> list[dict[str, object]]:
    """The whole table."""
    return [asdict(card) for card in CARDS]


def of_number(number: str) -> Card:
    """The card of a number, listed or not.

    :raises Refused: it is no card number.
    """
    digits = check_card_number(number)
    return BY_NUMBER.get(digits) or Card("", digits, "approves")


def brand(number: str) -> str:
    """Adyen's name of a card's brand."""
    named = brand_of(number)
    return BRANDS.get(named, named)
