"""Each provider x each operation x each outcome, over real HTTP: one table. Each fault proves that it fired.

A provider joins by a desk (tests/kit/tills.py) in DESKS; where its protocol differs, by a row in
EXCEPTIONS that says why. Bank rails answer nothing but "pending": what their files come to is the table of
`rails/test_rail_matrix.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ledger.money import Money
from payments.providers import registry
from payments.providers.base import Capability
from payments.providers.outcomes import (
    Approved,
    Declined,
    Mismatch,
    NotFound,
    NotSent,
    Pending,
    Rejected,
    RequiresAction,
    Unknown,
)
from tests.kit.network import Network, eventually
from tests.kit.tills import PRICE, AdyenDesk, Desk, PayPalDesk, StripeDesk, Till, VelocityPayDesk

DESKS: dict[str, Callable[[Network], Desk]] = {
    "velocitypay": VelocityPayDesk,
    "stripe": StripeDesk,
    "paypal": PayPalDesk,
    "adyen": AdyenDesk,
}
IMPATIENT_SECONDS = 1.0
PART = Money(700, "USD")
BACK = "https://shop.example/back"

OPERATIONS: dict[str, tuple[str, Callable[[Till], object], Callable[[Till, str], object], Money]] = {
    # name: what its faults match, what comes before, the operation itself under a key ("": a new one), amount
    "authorize": (
        "authorize", lambda till: None, lambda till, key: till.authorize(key=key, return_url=BACK), PRICE,
    ),
    "sale": ("authorize", lambda till: None, lambda till, key: till.authorize(key=key, capture=True), PRICE),
    "capture": ("capture", Till.authorized, lambda till, key: till.capture(key=key), PRICE),
    "part of a capture": (
        "capture", Till.authorized, lambda till, key: till.capture(PART, key=key, is_last=False), PART,
    ),
    "void": ("void", Till.authorized, lambda till, key: till.void(key=key), PRICE),
    "refund": ("refund", Till.captured, lambda till, key: till.refund(key=key), PRICE),
    "part of a refund": ("refund", Till.captured, lambda till, key: till.refund(PART, key=key), PART),
    "challenge of a dispute": (
        "challenge", Till.disputed, lambda till, key: till.challenge(key=key), PRICE,
    ),
    "acceptance of a dispute": ("accept", Till.disputed, lambda till, key: till.accept(key=key), PRICE),
    "completion": (
        "complete", lambda till: till.approved(return_url=BACK), lambda till, key: till.find(), PRICE,
    ),
    "completion of a sale": (
        "complete", lambda till: till.approved(capture=True), lambda till, key: till.find(), PRICE,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A fault, what the operation comes to, what is found later, and how often it had its effect."""

    outcome: type
    found: type | None = None
    effects: int | None = 1


DONE_BUT = Row(Unknown, Approved)
HELD = Row(Mismatch)
NOTHING = Row(Unknown, NotFound, 0)
NOT_SENT = Row(NotSent, NotFound, 0)

RULE: dict[str, Row] = {
    "ok": Row(Approved, Approved),
    "decline": Row(Declined, None, None),
    "pending_then_ok": Row(Pending),
    "challenge": Row(RequiresAction, RequiresAction),
    "500_before": NOTHING,
    "429:1": NOT_SENT,
    "401": NOT_SENT,
    "400": Row(Rejected, NotFound, 0),
    "500_after": DONE_BUT,
    "409_after": DONE_BUT,
    "timeout_after": DONE_BUT,
    "reset_after": DONE_BUT,
    "truncated_json": DONE_BUT,
    "html_200": DONE_BUT,
    "unlisted_status": DONE_BUT,
    "wrong_amount": HELD,
    "wrong_currency": HELD,
    "wrong_reference": HELD,
}

ANSWERS = ("challenge of a dispute", "acceptance of a dispute")
COMPLETIONS = ("completion", "completion of a sale")
SALES = ("sale", "completion of a sale")
ONLY = {"challenge": ("authorize", *COMPLETIONS)}
ONLY_AT = dict.fromkeys(COMPLETIONS, ("paypal",))
VOID_NAMES_NO_AMOUNT = Row(Approved, Approved)
NOT_MADE = None
EXCEPTIONS: dict[tuple[str, str, str], Row | None] = {
    # A void says how much it released; only the provider knows.
    ("*", "void", "wrong_amount"): VOID_NAMES_NO_AMOUNT,
    # Stripe's cancel echoes nothing of ours: the intent is named by its address.
    ("stripe", "void", "wrong_reference"): VOID_NAMES_NO_AMOUNT,
    # Stripe's cancel is not declined and never pending; its captures are never pending.
    ("stripe", "void", "decline"): NOT_MADE,
    ("stripe", "void", "pending_then_ok"): NOT_MADE,
    ("stripe", "capture", "pending_then_ok"): NOT_MADE,
    ("stripe", "part of a capture", "pending_then_ok"): NOT_MADE,
    # PayPal's void, too, is not declined and never pending.
    ("paypal", "void", "decline"): NOT_MADE,
    ("paypal", "void", "pending_then_ok"): NOT_MADE,
}
for _operation in ("authorize", "sale"):
    # An order moves no money and always asks its payer to act: a lost one is made again, under its key.
    EXCEPTIONS |= {
        ("paypal", _operation, "ok"): Row(RequiresAction, RequiresAction),
        ("paypal", _operation, "pending_then_ok"): NOT_MADE,
        ("paypal", _operation, "challenge"): NOT_MADE,
    }
    EXCEPTIONS |= {
        ("paypal", _operation, fault): Row(Unknown, NotFound)
        for fault, row in RULE.items()
        if row is DONE_BUT
    }
for _operation in COMPLETIONS:
    # To ask what became of an approved order is to complete it: what did not happen happens then.
    EXCEPTIONS |= {
        ("paypal", _operation, "500_before"): Row(Unknown, Approved, 0),
        ("paypal", _operation, "429:1"): Row(NotSent, Approved, 0),
        ("paypal", _operation, "401"): Row(NotSent, Approved, 0),
        ("paypal", _operation, "400"): Row(Rejected, None, 0),
    }


for _operation in ANSWERS:
    # An answer to a dispute moves nothing: it is taken, or it is not, and names no money.
    EXCEPTIONS |= {
        (_provider, _operation, _fault): Row(Approved, Approved)
        for _provider in ("stripe", "paypal", "adyen")
        for _fault in ("wrong_amount", "wrong_currency", "wrong_reference")
    }
    EXCEPTIONS |= {
        (_provider, _operation, "pending_then_ok"): NOT_MADE for _provider in ("stripe", "paypal", "adyen")
    }
    # PayPal and Adyen say no more than that it is taken; Adyen refuses in its own words.
    EXCEPTIONS |= {
        (_provider, _operation, "unlisted_status"): Row(Approved, Approved)
        for _provider in ("paypal", "adyen")
    }
    EXCEPTIONS[("stripe", _operation, "decline")] = NOT_MADE
    EXCEPTIONS[("adyen", _operation, "decline")] = Row(Rejected, NotFound, 0)
# At Stripe our key in the dispute's metadata says that the evidence is ours.
EXCEPTIONS[("stripe", "challenge of a dispute", "wrong_reference")] = DONE_BUT


def operations_of(provider: str) -> list[str]:
    return [name for name in OPERATIONS if provider in ONLY_AT.get(name, DESKS)]


# At Adyen every modification is only received; its webhook says what became of it.
for _operation in ("capture", "part of a capture", "void", "refund", "part of a refund"):
    EXCEPTIONS[("adyen", _operation, "ok")] = Row(Pending, Approved)
    EXCEPTIONS[("adyen", _operation, "decline")] = Row(Pending, Declined, None)
for _fault in ("wrong_amount", "wrong_currency"):  # the answer to a cancel names no amount
    EXCEPTIONS[("adyen", "void", _fault)] = Row(Pending, Approved)
# No webhook is sent while the payer is away.
EXCEPTIONS[("adyen", "authorize", "challenge")] = Row(RequiresAction)


def cells() -> list[tuple[str, str, str, Row]]:
    made = []
    for provider in DESKS:
        for operation in operations_of(provider):
            for fault, rule in RULE.items():
                row = rule
                for named in ("*", provider):
                    row = EXCEPTIONS.get((named, operation, fault), row)
                if row is not None and operation in ONLY.get(fault, OPERATIONS):
                    made.append((provider, operation, fault, row))
    return made


ODD_AMOUNTS = (Money(1999, "JPY"), Money(1990, "KWD"), Money(7500, "UGX"))
AMOUNTS = {"paypal": (Money(1999, "JPY"), Money(750_000, "HUF"), Money(99_900, "TWD"))}


def done(till: Till, outcome: object, amount: Money) -> object:
    """An outcome, or what became of the operation where it was only received."""
    return till.find(amount) if isinstance(outcome, Pending) else outcome


class Desks(dict[str, Desk]):
    """Each made when it is first asked for: a cell needs one."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def __missing__(self, name: str) -> Desk:
        made = self[name] = DESKS[name](self._network)
        return made


@pytest.fixture
def desks(network: Network) -> Desks:
    return Desks(network)


@pytest.mark.parametrize(("provider", "operation", "fault", "row"), cells())
def test_cell(desks, settings, provider, operation, fault, row):
    till = Till(desks[provider])
    matched, prepare, operate, amount = OPERATIONS[operation]
    prepare(till)
    fires = till.desk.fires()
    kind = fault.partition(":")[0]
    if fault != "ok":
        spec = f"decline:{till.desk.decline}" if fault == "decline" else fault
        # An answer to a dispute names the dispute alone.
        whose = {} if operation in ANSWERS else {"reference": till.reference}
        till.desk.script(spec, operation=matched, **whose)
    if fault == "timeout_after":
        settings.PROVIDER_READ_TIMEOUT_SECONDS = IMPATIENT_SECONDS
        registry.reset()
    outcome = operate(till, "")
    if fault == "timeout_after":
        settings.PROVIDER_READ_TIMEOUT_SECONDS = 5.0
        registry.reset()
    assert isinstance(outcome, row.outcome), outcome
    assert fault == "ok" or fires(kind) == 1
    if row.effects is not None:
        assert till.effects() == row.effects
    if isinstance(outcome, Approved) and fault == "ok":
        assert outcome.amount == amount
        assert (outcome.taken is not None) == (operation in SALES)
    if row.found is not None:
        found = till.find(amount)
        assert isinstance(found, row.found), found
    if row.found is NotFound:
        again = operate(till, till.key)
        good = RequiresAction if provider == "paypal" and operation in ("authorize", "sale") else Approved
        assert isinstance(done(till, again, amount), good), again
        assert till.effects() == 1
    if row.outcome is Pending and row.found is None:
        eventually(lambda: isinstance(till.find(amount), Approved), "what was pending is done")


@pytest.mark.parametrize("provider", DESKS)
class TestAKey:
    @pytest.mark.parametrize("operation", [name for name in OPERATIONS if name not in ONLY_AT])
    def test_has_one_effect_however_often_it_is_sent(self, desks, provider, operation):
        till = Till(desks[provider])
        _, prepare, operate, _ = OPERATIONS[operation]
        prepare(till)
        first = operate(till, "")
        assert isinstance(first, Approved | RequiresAction | Pending)
        again = operate(till, till.key)
        if provider == "adyen" and operation in ANSWERS:
            assert isinstance(again, Unknown)  # that interface has no keys: its webhook tells
        else:
            assert again == first
        assert till.effects() == 1

    def test_never_serves_two_requests(self, desks, provider):
        till = Till(desks[provider])
        till.authorized()
        assert isinstance(done(till, till.capture(PART, is_last=False), PART), Approved)
        other = till.capture(Money(800, "USD"), key=till.key, is_last=False)
        # Adyen answers a known key as it did first, which is then about other money.
        assert isinstance(other, Mismatch if provider == "adyen" else Unknown)
        assert isinstance(till.find(Money(800, "USD")), Mismatch)

    def test_never_used_is_not_found(self, desks, provider):
        till = Till(desks[provider])
        till.authorized()
        for kind in ("authorize", "capture", "refund", "void"):
            till.kind, till.key = kind, "op_never-used"
            assert till.find() == NotFound()


@pytest.mark.parametrize("provider", DESKS)
class TestThePartsOfAPayment:
    def test_are_captured_one_after_the_other_and_the_rest_given_back(self, desks, provider):
        till = Till(desks[provider])
        till.authorized()
        first = done(till, till.capture(PART, is_last=False), PART)
        first_key = till.key
        second = done(till, till.capture(Money(300, "USD"), is_last=False), Money(300, "USD"))
        assert isinstance(first, Approved)
        assert isinstance(second, Approved)
        assert first.reference != second.reference
        # Adyen tells fees in its settlement report, and of a cancel only that it is done.
        fees = (0, 0) if provider == "adyen" else (50, 39)
        assert (first.fee.minor, second.fee.minor) == fees
        rest = done(till, till.void(), PRICE)
        assert isinstance(rest, Approved)
        assert rest.amount == (PRICE if provider == "adyen" else Money(999, "USD"))
        assert isinstance(till.find(), Approved)
        till.kind, till.key = "capture", first_key
        assert till.find(PART) == first

    def test_are_refunded_up_to_what_was_captured(self, desks, provider):
        till = Till(desks[provider])
        till.captured()
        for amount, outcome in ((1500, Approved), (500, Rejected | Declined), (499, Approved)):
            asked = Money(amount, "USD")
            assert isinstance(done(till, till.refund(asked), asked), outcome)

    def test_are_refused_beyond_the_authorization(self, desks, provider):
        till = Till(desks[provider])
        till.authorized()
        more = Money(2000, "USD")
        assert isinstance(done(till, till.capture(more), more), Rejected | Declined)
        till.void()
        assert isinstance(done(till, till.capture(), PRICE), Rejected | Declined)

    @pytest.mark.parametrize("number", [0, 1, 2])
    def test_keep_the_units_of_their_currency(self, desks, provider, number):
        amount = AMOUNTS.get(provider, ODD_AMOUNTS)[number]
        till = Till(desks[provider])
        till.authorized(amount)
        captured = done(till, till.capture(amount), amount)
        refunded = done(till, till.refund(amount), amount)
        assert isinstance(captured, Approved)
        assert isinstance(refunded, Approved)
        assert (captured.amount, refunded.amount) == (amount, amount)
        assert captured.fee < amount

    def test_are_not_asked_for_by_a_strange_reference(self, desks, provider):
        till = Till(desks[provider])
        till.authorization = "../transfers"
        outcome = till.capture()
        assert isinstance(outcome, Rejected)
        assert outcome.code == "bad_reference"


@pytest.mark.parametrize("provider", DESKS)
def test_a_provider_that_nobody_reaches_was_not_asked(desks, settings, provider):
    till = Till(desks[provider])
    settings.VELOCITYPAY_URL = settings.STRIPE_URL = settings.PAYPAL_URL = "http://127.0.0.1:9"
    settings.ADYEN_URL = "http://127.0.0.1:9"
    tokens = {"velocitypay": "vpt_x", "stripe": "pm_card_visa", "paypal": "paypal"}
    token = tokens.get(provider, "adyen_shopper.ABCDEFGH12345678")
    till.desk.token = lambda scenario="visa": token  # type: ignore[method-assign]
    registry.reset()
    assert isinstance(till.authorize(), NotSent)
    if Capability.FIND_BY_KEY in till.provider.capabilities:
        till.kind, till.authorization = "capture", "auth_1" if provider != "paypal" else "AUTH1"
        assert isinstance(till.find(), NotSent)
    assert till.provider.health() is False
