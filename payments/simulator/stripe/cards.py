"""Stripe's test cards and what each makes the sandbox do: one table, served at GET /stripe/sim/cards.

Numbers and tokens are the industry's public test ones. A row's faults are those of faults.py; a well-formed
number that is not listed behaves by rule: it approves everything.
"""

from dataclasses import asdict, dataclass, field

from payments.simulator.scenarios import Scenario, check_card_number

MULTICAPTURE_BRANDS = ("visa", "mastercard", "amex", "discover")
OWN_CODES = ("expired_card", "incorrect_cvc", "incorrect_number", "processing_error")
"""Declines whose error code says it all; the others are `card_declined` with a `decline_code`."""


@dataclass(frozen=True, slots=True)
class Card(Scenario):
    """A test card: the end of its tokens (`pm_card_…`, `tok_…`), and what happens besides its faults."""

    suffix: str = ""
    funding: str = "credit"
    after_challenge: str = ""
    dispute: str = ""
    evidence_due: str = "needs_response"
    risk: str = "normal"
    three_d_secure: str = ""
    checks: dict[str, str] = field(default_factory=dict)


def _good(name: str, number: str, token: str, funding: str = "credit") -> Card:
    return Card(name, number, "approves", suffix=token, funding=funding)


def _declines(name: str, number: str, code: str, token: str) -> Card:
    return Card(name, number, f"declined: {code}", {"authorize": f"decline:{code}"}, suffix=token)


def _challenges(name: str, number: str, does: str, token: str, then: str = "") -> Card:
    return Card(name, number, does, {"authorize": "challenge"}, suffix=token, after_challenge=then)


CARDS = (
    _good("visa", "4242424242424242", "visa"),
    _good("visa_2", "4111111111111111", "visa_2"),
    _good("visa_3", "4012888888881881", "visa_3"),
    _good("visa_debit", "4000056655665556", "visa_debit", "debit"),
    _good("mastercard", "5555555555554444", "mastercard"),
    _good("mastercard_2_series", "2223003122003222", "mastercard_2"),
    _good("mastercard_debit", "5200828282828210", "mastercard_debit", "debit"),
    _good("mastercard_prepaid", "5105105105105100", "mastercard_prepaid", "prepaid"),
    _good("amex", "378282246310005", "amex"),
    _good("amex_2", "371449635398431", "amex_2"),
    _good("discover", "6011111111111117", "discover"),
    _good("discover_2", "6011000990139424", "discover_2"),
    _good("diners", "3056930009020004", "diners"),
    _good("diners_2", "36227206271667", "diners_2"),
    _good("jcb", "3566002020360505", "jcb"),
    _good("unionpay", "6200000000000005", "unionpay"),
    _good("bypass_pending", "4000000000000077", "bypassPending"),
    _declines("generic_decline", "4000000000000002", "generic_decline", "chargeDeclined"),
    _declines("insufficient_funds", "4000000000009995", "insufficient_funds",
              "chargeDeclinedInsufficientFunds"),
    _declines("lost_card", "4000000000009987", "lost_card", "chargeDeclinedLostCard"),
    _declines("stolen_card", "4000000000009979", "stolen_card", "chargeDeclinedStolenCard"),
    _declines("expired_card", "4000000000000069", "expired_card", "chargeDeclinedExpiredCard"),
    _declines("incorrect_cvc", "4000000000000127", "incorrect_cvc", "chargeDeclinedIncorrectCvc"),
    _declines("processing_error", "4000000000000119", "processing_error", "chargeDeclinedProcessingError"),
    _declines("velocity_exceeded", "4000000000006975", "card_velocity_exceeded",
              "chargeDeclinedVelocityLimitExceeded"),
    _declines("fraudulent", "4100000000000019", "fraudulent", "chargeDeclinedFraudulent"),
    _declines("advised_later", "5200000000001005", "insufficient_funds@26", "advisedLater"),
    _declines("advised_never", "5200000000001013", "do_not_honor@03", "advisedNever"),
    _declines("highest_risk", "4000000000004954", "highest_risk_level", "riskLevelHighest"),
    Card("elevated_risk", "4000000000009235", "approves with elevated risk", risk="elevated",
         suffix="riskLevelElevated"),
    Card("charge_fails", "4000000000000341", "can be attached; every charge is declined",
         {"authorize": "decline:generic_decline"}, suffix="chargeCustomerFail"),
    Card("avs_fails", "4000000000000010", "approves; address and postal code checks fail", suffix="avsFail",
         checks={"address_line1_check": "fail", "address_postal_code_check": "fail"}),
    Card("avs_line1_fails", "4000000000000028", "approves; the address check fails", suffix="avsLine1Fail",
         checks={"address_line1_check": "fail"}),
    Card("avs_zip_fails", "4000000000000036", "approves; the postal code check fails", suffix="avsZipFail",
         checks={"address_postal_code_check": "fail"}),
    Card("avs_unchecked", "4000000000000044", "approves; the address cannot be checked",
         suffix="avsUnchecked", checks={"address_line1_check": "unavailable",
                                       "address_postal_code_check": "unavailable"}),
    Card("cvc_check_fails", "4000000000000101", "approves; the security code check fails",
         suffix="cvcCheckFail", checks={"cvc_check": "fail"}),
    _challenges("challenge", "4000002760003184", "3-D Secure at every payment", "authenticationRequired"),
    _challenges("challenge_unless_set_up", "4000002500003155", "3-D Secure unless set up before",
                "authenticationRequiredOnSetup"),
    _challenges("challenge_then_funds", "4000008260003178", "3-D Secure, then insufficient funds",
                "authenticationRequiredChargeDeclinedInsufficientFunds", "insufficient_funds"),
    _challenges("challenge_2", "4000000000003220", "3-D Secure 2 must be done", "threeDSecure2Required"),
    _challenges("challenge_1", "4000000000003063", "3-D Secure must be done", "threeDSecureRequired"),
    Card("challenge_optional", "4000000000003055", "3-D Secure is supported, not asked for",
         suffix="threeDSecureOptional", three_d_secure="attempt_acknowledged"),
    _declines("challenge_lookup_fails", "4000000000003097", "authentication_not_handled",
              "threeDSecureRequiredProcessingError"),
    Card("dispute", "4000000000000259", "captured money is disputed as fraudulent", dispute="fraudulent",
         suffix="createDispute"),
    Card("dispute_not_received", "4000000000002685", "captured money is disputed: not received",
         dispute="product_not_received", suffix="createDisputeProductNotReceived"),
    Card("inquiry", "4000000000001976", "an inquiry follows the capture", dispute="fraudulent",
         evidence_due="warning_needs_response", suffix="createDisputeInquiry"),
    Card("early_fraud_warning", "4000000000005423", "an early fraud warning follows the capture",
         suffix="createIssuerFraudRecord", risk="warning"),
    Card("refund_pending", "4000000000007726", "refunds are pending, then succeed",
         {"refund": "pending_then_ok"}, suffix="pendingRefund"),
    Card("refund_fails_late", "4000000000005126", "refunds succeed, and fail later",
         {"refund": "fail_later:lost_or_stolen_card"}, suffix="refundFail"),
    Card("late", "4000000000001018", "authorized, but answered after our timeout",
         {"authorize": "timeout_after"}, suffix="late"),
    Card("lost_answer", "4000000000001042", "authorized, but the connection breaks in the answer",
         {"authorize": "reset_after"}, suffix="lostAnswer"),
    Card("error_after", "4000000000001059", "authorized, but answered with HTTP 500",
         {"authorize": "500_after"}, suffix="errorAfter"),
    Card("error_before", "4000000000001067", "HTTP 500 and nothing happened; a second try approves",
         {"authorize": "500_before"}, suffix="errorBefore"),
    Card("pending_ok", "4000000000001075", "processing, then authorized", {"authorize": "pending_then_ok"},
         suffix="pendingOk"),
    Card("pending_fail", "4000000000001083", "processing, then declined",
         {"authorize": "pending_then_fail:generic_decline"}, suffix="pendingFail"),
    Card("capture_late", "4000000000002016", "capture happens, but is answered late",
         {"capture": "timeout_after"}, suffix="captureLate"),
    Card("refund_late", "4000000000003022", "refund happens, but is answered late",
         {"refund": "timeout_after"}, suffix="refundLate"),
    Card("void_late", "4000000000004012", "cancel happens, but is answered late", {"void": "timeout_after"},
         suffix="voidLate"),
)  # fmt: skip

BY_NAME = {card.name: card for card in CARDS}
BY_NUMBER = {card.number: card for card in CARDS}
BY_TOKEN = {card.suffix: card for card in CARDS}


def as_table() -> list[dict[str, object]]:
    """The whole table, with each card's tokens."""
    return [{**asdict(card), "pm": f"pm_card_{card.suffix}", "tok": f"tok_{card.suffix}"} for card in CARDS]


def of_token(token: str) -> Card | None:
    """The card behind a static token: `tok_visa`, `pm_card_visa`, `pm_card_visa_chargeDeclined`."""
    name = token.removeprefix("pm_card_").removeprefix("tok_")
    return BY_TOKEN.get(name) or BY_TOKEN.get(name.removeprefix("visa_"))


def of_number(number: str) -> Card | None:
    """The card of a number without blanks, when it is listed."""
    return BY_NUMBER.get(check_card_number(number))
