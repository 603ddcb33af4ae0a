"""What each test card and test IBAN makes the network do: one table, served at GET /sim/scenarios.

A row names, per operation, the fault (faults.py) that the first request for it meets; an operation without
one is carried out as asked. A well-formed card number or IBAN that is not listed approves everything.
"""

from dataclasses import asdict, dataclass, field

from payments.simulator.errors import Refused

CARD_LIMIT_MINOR = 1_000_000_000
"""An authorization above this many minor units is declined with `limit_exceeded`, whatever the card."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A card number or an IBAN and what it makes the network do, by kind of operation."""

    name: str
    number: str
    does: str
    faults: dict[str, str] = field(default_factory=dict)
    dispute: str = ""


def _declines(name: str, number: str, code: str) -> Scenario:
    return Scenario(name, number, f"authorization declined: {code}", {"authorize": f"decline:{code}"})


CARDS = (
    Scenario("visa", "4242424242424242", "approves"),
    Scenario("visa_2", "4111111111111111", "approves"),
    Scenario("visa_3", "4012888888881881", "approves"),
    Scenario("visa_debit", "4000056655665556", "approves"),
    Scenario("mastercard", "5555555555554444", "approves"),
    Scenario("mastercard_2_series", "2223003122003222", "approves"),
    Scenario("mastercard_debit", "5200828282828210", "approves"),
    Scenario("mastercard_prepaid", "5105105105105100", "approves"),
    Scenario("amex", "378282246310005", "approves"),
    Scenario("amex_2", "371449635398431", "approves"),
    Scenario("discover", "6011111111111117", "approves"),
    Scenario("diners", "3056930009020004", "approves"),
    Scenario("jcb", "3566002020360505", "approves"),
    Scenario("unionpay", "6200000000000005", "approves"),
    _declines("generic_decline", "4000000000000002", "do_not_honor"),
    _declines("insufficient_funds", "4000000000009995", "insufficient_funds"),
    _declines("lost_card", "4000000000009987", "lost_card"),
    _declines("stolen_card", "4000000000009979", "stolen_card"),
    _declines("expired_card", "4000000000000069", "expired_card"),
    _declines("cvc_mismatch", "4000000000000127", "cvc_mismatch"),
    _declines("processing_error", "4000000000000119", "processing_error"),
    _declines("velocity_exceeded", "4000000000006975", "card_velocity_exceeded"),
    _declines("issuer_unavailable", "4000000000000911", "issuer_unavailable"),
    _declines("suspected_fraud", "4100000000000019", "fraudulent"),
    _declines("restricted_card", "4000000000000622", "restricted_card"),
    _declines("advised_later", "5200000000001005", "insufficient_funds@26"),
    _declines("advised_never", "5200000000001013", "do_not_honor@03"),
    Scenario("late", "4000000000001018", "authorized, but answered after our timeout",
             {"authorize": "timeout_after"}),
    Scenario("late_quiet", "4000000000001026", "authorized, answered late, and no callback comes",
             {"authorize": "timeout_after+no_webhook"}),
    Scenario("late_before", "4000000000001034", "no answer in time, nothing happened; a second try approves",
             {"authorize": "timeout_before"}),
    Scenario("lost_answer", "4000000000001042", "authorized, but the connection breaks in the answer",
             {"authorize": "reset_after"}),
    Scenario("error_after", "4000000000001059", "authorized, but answered with HTTP 500",
             {"authorize": "500_after"}),
    Scenario("error_before", "4000000000001067", "HTTP 500 and nothing happened; a second try approves",
             {"authorize": "500_before"}),
    Scenario("pending_ok", "4000000000001075", "pending, then authorized by callback",
             {"authorize": "pending_then_ok"}),
    Scenario("pending_fail", "4000000000001083", "pending, then declined by callback",
             {"authorize": "pending_then_fail:do_not_honor"}),
    Scenario("challenge", "4000002760003184", "the customer must act; then as the customer decides",
             {"authorize": "challenge"}),
    Scenario("challenge_unless_exempted", "4000002500003155",
             "the customer must act, unless an exemption is asked for",
             {"authorize": "challenge_unless_exempted"}),
    Scenario("challenge_declined", "4000008260003178", "the customer must act; declined after that",
             {"authorize": "challenge_then_decline:insufficient_funds"}),
    Scenario("increment_declined", "4000000000002040", "authorizes; every increase is declined",
             {"increment": "decline:insufficient_funds"}),
    Scenario("capture_late", "4000000000002016", "capture happens, but is answered late",
             {"capture": "timeout_after"}),
    Scenario("capture_lost", "4000000000002024", "capture happens, but the connection breaks in the answer",
             {"capture": "reset_after"}),
    Scenario("capture_declined", "4000000000000341", "authorizes; every capture is declined",
             {"capture": "decline:do_not_honor"}),
    Scenario("capture_error_before", "4000000000002032",
             "capture: HTTP 500, nothing happened; a second try works", {"capture": "500_before"}),
    Scenario("refund_pending_ok", "4000000000007726", "refund pending, then succeeds by callback",
             {"refund": "pending_then_ok"}),
    Scenario("refund_pending_fail", "4000000000005126", "refund pending, then fails by callback",
             {"refund": "pending_then_fail:account_closed"}),
    Scenario("refund_fails_late", "4000000000003030", "refunds succeed, and fail by callback later",
             {"refund": "fail_later:account_closed"}),
    Scenario("refund_fails", "4000000000003014", "every refund fails at once",
             {"refund": "decline:account_closed"}),
    Scenario("refund_late", "4000000000003022", "refund happens, but is answered late",
             {"refund": "timeout_after"}),
    Scenario("void_late", "4000000000004012", "void happens, but is answered late",
             {"void": "timeout_after"}),
    Scenario("dispute_fraudulent", "4000000000000259", "approves; every capture is charged back as fraud",
             dispute="chargeback:10.4"),
    Scenario("dispute_not_received", "4000000000002685", "approves; charged back: goods not received",
             dispute="chargeback:13.1"),
    Scenario("dispute_inquiry", "4000000000001976", "approves; every capture is asked about (an inquiry)",
             dispute="inquiry:13.3"),
)  # fmt: skip


def _iban(country: str, body: str) -> str:
    rearranged = "".join(str(int(character, 36)) for character in f"{body}{country}00")
    return f"{country}{98 - int(rearranged) % 97:02d}{body}"


_BANK = "37040044"

IBANS = (
    Scenario("bank_ok", _iban("DE", f"{_BANK}0532013000"), "pay-in and payout succeed at once"),
    Scenario("bank_pending_ok", _iban("DE", f"{_BANK}0000001075"), "pending, then succeeds by callback",
             {"authorize": "pending_then_ok", "transfer": "pending_then_ok"}),
    Scenario("bank_pending_fail", _iban("DE", f"{_BANK}0000001083"), "pending, then fails by callback",
             {"authorize": "pending_then_fail:insufficient_funds",
              "transfer": "pending_then_fail:account_closed"}),
    Scenario("bank_closed", _iban("DE", f"{_BANK}0000003014"), "refused at once: the account is closed",
             {"authorize": "decline:no_such_account", "transfer": "decline:account_closed"}),
    Scenario("bank_late", _iban("DE", f"{_BANK}0000001018"), "happens, but is answered late",
             {"authorize": "timeout_after", "transfer": "timeout_after"}),
    Scenario("bank_lost_answer", _iban("DE", f"{_BANK}0000001042"),
             "happens, but the connection breaks in the answer",
             {"authorize": "reset_after", "transfer": "reset_after"}),
    Scenario("bank_error_before", _iban("DE", f"{_BANK}0000001067"),
             "HTTP 500, nothing happened; a second try works",
             {"authorize": "500_before", "transfer": "500_before"}),
)  # fmt: skip

BY_NAME = {scenario.name: scenario for scenario in (*CARDS, *IBANS)}
BY_NUMBER = {scenario.number: scenario for scenario in (*CARDS, *IBANS)}

BRANDS = (
    ("amex", ("34", "37")),
    ("diners", ("300", "301", "302", "303", "304", "305", "36", "38", "39")),
    ("discover", ("6011", "644", "645", "646", "647", "648", "649", "65")),
    ("jcb", tuple(str(prefix) for prefix in range(3528, 3590))),
    ("mastercard", ("51", "52", "53", "54", "55", *(str(prefix) for prefix in range(2221, 2721)))),
    ("unionpay", ("62", "81")),
    ("visa", ("4",)),
)


def as_table() -> list[dict[str, object]]:
    """The whole table, for GET /sim/scenarios."""
    rows = [("card", card) for card in CARDS] + [("iban", iban) for iban in IBANS]
    return [{"type": kind, **asdict(scenario)} for kind, scenario in rows]


def find(number: str) -> Scenario | None:
    """The scenario of a card number or IBAN (no blanks), when it is listed."""
    return BY_NUMBER.get(number)


def check_card_number(number: str) -> str:
    """The number without blanks.

    :raises Refused: not 12 to 19 digits, or its check digit is wrong.
    """
    digits = number.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit() and 12 <= len(digits) <= 19 and _luhn(digits)):
        raise Refused(422, "invalid_number", "The card number is not a card number", param="number")
    return digits


def check_iban(text: str) -> str:
    """The IBAN in capitals without blanks.

    :raises Refused: wrong shape or wrong check digits.
    """
    iban = text.replace(" ", "").upper()
    shaped = (
        15 <= len(iban) <= 34
        and iban.isascii()
        and iban.isalnum()
        and iban[:2].isalpha()
        and iban[2:4].isdigit()
    )
    if not shaped or int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 != 1:
        raise Refused(422, "invalid_iban", "The IBAN is not an IBAN", param="iban")
    return iban


def brand_of(number: str) -> str:
    """The card brand by the number's first digits."""
    return next((brand for brand, prefixes in BRANDS if number.startswith(prefixes)), "unknown")


def _luhn(digits: str) -> bool:
    doubled = "0246813579"
    total = sum(
        int(digit if index % 2 == 0 else doubled[int(digit)]) for index, digit in enumerate(reversed(digits))
    )
    return total % 10 == 0
