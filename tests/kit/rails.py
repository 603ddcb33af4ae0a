"""The bank's file desk in the tests' hand: accounts that behave, days that pass, files that were handed over.

Built on a network of the tests' own, emptied for each test, because a bank's day settles everything there is.
"""

import hashlib
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from schwifty import IBAN

from ledger import clock, jobs
from ledger.ids import uuid7
from ledger.money import Money
from payments.models import BankFile, BankFileEntry, Payment, PaymentMethod, Refund
from payments.providers import registry
from payments.services.bank_files import gathering_entries, hearing_banks
from payments.services.methods import adding_methods, keeping_methods
from payments.services.methods.adding_methods import NewMethod
from payments.services.payment_wishes import NewPayment, WantedShare
from payments.services.payments import capturing, paying
from payments.services.refunds import refunding, requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from payments.vault import tokens
from payments.vault.instruments import Shown
from payments.vault.tokens import Given
from settlements.services.importing import Imported
from tests.kit import settling
from tests.kit.network import API_KEY, Network
from tests.services.payments.cast import KEY
from vendors.models import Merchant, Vendor

ROUTING = "021000021"
SEPA_DIGITS = {"AM04": "01", "AC04": "02", "MD01": "03", "MD06": "04"}


def iban(code: str = "") -> str:
    """A German test IBAN: good, or returned with a code."""
    digits = hashlib.sha256(uuid7().bytes).hexdigest()
    tail = f"77{SEPA_DIGITS[code]}" if code else "0000"
    number = f"{int(digits, 16) % 10**6:06}{tail}"
    return str(IBAN.generate("DE", bank_code="37040044", account_code=number).compact)


def account_number(code: str = "") -> str:
    """A test account number of ACH: good, or returned with a code."""
    digits = f"{int(hashlib.sha256(uuid7().bytes).hexdigest(), 16) % 10**8:08}"
    return f"{digits}77{code[1:]}" if code else f"{digits}0000"


class RailsBank:
    """What the bank of both rails does, day by day."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def method(self, merchant: Merchant, rail: str, code: str = "", **details: Any) -> PaymentMethod:
        """Store an account of a new customer that behaves as the code says."""
        number: dict[str, Any] = (
            {"iban": iban(code)}
            if rail == "sepa"
            else {"routing_number": ROUTING, "account_number": account_number(code)}
        )
        given = Given(rail, merchant.pk, is_live=False, details={"holder": "Carla Jung", **number, **details})
        wanted = NewMethod(customer_ref=f"carla-{uuid7().hex[:12]}", kind=rail, given=given)
        return adding_methods.add(
            merchant_id=merchant.pk, method_id=uuid7(), wanted=wanted, actor=KEY, at=clock.now()
        )

    def wish(
        self, method: PaymentMethod, minor: int, shares: list[tuple[Vendor, int]] | None = None, **more: Any
    ) -> NewPayment:
        """A payment by a stored account, taken at once."""
        currency = registry.rail(method.kind).currency
        return NewPayment(
            amount=Money(minor, currency),
            order_ref="order-1",
            customer_ref=method.customer_ref,
            method_type="card",  # the stored method says what it is
            method_token="",
            method_id=method.pk,
            capture_method=more.pop("capture_method", "automatic"),
            is_confirmed=True,
            shares=[WantedShare(vendor.pk, Money(part, currency)) for vendor, part in shares or []],
            **more,
        )

    def pay(
        self, method: PaymentMethod, minor: int, shares: list[tuple[Vendor, int]] | None = None, **more: Any
    ) -> Payment:
        """Pay by a stored account: the debit is accepted, and waits for its file."""
        wanted = self.wish(method, minor, shares, **more)
        whose: dict[str, Any] = {"merchant_id": method.merchant_id, "actor": KEY, "at": clock.now()}
        return paying.pay(payment_id=uuid7(), wanted=wanted, **whose)

    def capture(self, payment: Payment, minor: int) -> Payment:
        """Capture a part by hand."""
        return capturing.capture(
            merchant_id=payment.merchant_id, payment_id=payment.pk, operation_id=uuid7(),
            amount=payment.money(minor), actor=KEY, at=clock.now(),
        )  # fmt: skip

    def refund(self, payment: Payment, minor: int) -> Refund:
        """Ask for a refund and process it: the credit waits for its file."""
        whose: dict[str, Any] = {"merchant_id": payment.merchant_id, "actor": KEY, "at": clock.now()}
        wish = RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=minor)
        made = requesting_refunds.request(wish=wish, **whose)
        return refunding.process(refund_id=made.pk, operation_id=uuid7(), **whose)

    def remove(self, method: PaymentMethod) -> None:
        """Let the customer take a method back."""
        keeping_methods.remove(
            merchant_id=method.merchant_id, method_id=method.pk, reason="no longer", actor=KEY, at=clock.now()
        )

    def work(self, later_seconds: int = 0) -> int:
        """Run the jobs that are due by then."""
        return jobs.run_due(clock.now() + timedelta(seconds=later_seconds))

    @staticmethod
    def secret(method: PaymentMethod) -> str:
        """The account's number, out of the vault."""
        return tokens.use(
            method.vault_token, Shown(), lambda found: found.secret["account_number"],
            merchant_id=method.merchant_id, purpose="test", actor=KEY, at=clock.now(),
        )  # fmt: skip

    def hand_over(self, at: datetime | None = None) -> list[BankFile]:
        """Gather what waits and hand it over, as the jobs do; the files that were made."""
        before = set(BankFile.objects.values_list("pk", flat=True))
        gathering_entries.gather(at or clock.now())
        jobs.run_due(clock.now() + timedelta(seconds=1))
        return list(BankFile.objects.exclude(pk__in=before).order_by("number"))

    def due(self, rail: str, days: int = 1) -> date:
        """The bank day on which a debit of today moves, or a later one."""
        day = clock.now()
        for _ in range(days):
            day += registry.rail(rail).due_date(day) - day.date()
        return day.date()

    def close(self, day: date) -> None:
        """End a day of the bank."""
        self.network.close_day(day.isoformat())

    def hear(self) -> int:
        """Take in what the bank says."""
        return hearing_banks.hear(clock.now())

    def day(self, rail: str, days: int = 1) -> None:
        """Hand everything over, let the bank's day end, hear it."""
        self.hand_over()
        self.close(self.due(rail, days))
        self.hear()

    def reconcile(self, merchant: Merchant, rail: str, days: int = 1) -> Imported:
        """Fetch the bank's statement of a day."""
        at = datetime.combine(self.due(rail, days), datetime.max.time(), tzinfo=clock.now().tzinfo)
        return settling.fetch(merchant, at)

    def entries(self) -> list[dict[str, Any]]:
        """The bank's own truth: every entry that it has taken."""
        answer = self.network.client.get("/rails/sim/entries").raise_for_status().json()
        return list(answer["data"])

    def script(self, *faults: str) -> None:
        """Let the next files meet these faults."""
        body = {"match": {"operation": "hand_over"}, "faults": list(faults)}
        self.network.client.post("/rails/sim/faults", json=body).raise_for_status()

    def hits(self, fault: str) -> int:
        """How often a fault fired."""
        hits = self.network.client.get("/rails/sim/faults").raise_for_status().json()["hits"]
        return int(hits.get(fault, 0))

    def send_back(self, payment: Payment, code: str) -> None:
        """Let a debit come back with a code."""
        entry = BankFileEntry.objects.get(operation__payment=payment, file__direction="debit")
        body = {"end_to_end": entry.end_to_end, "code": code}
        self.network.client.post("/rails/sim/returns", json=body).raise_for_status()


def send(network: Network, currency: str, minor: int, purpose: str) -> None:
    """Let a payer send money to us by himself."""
    body = {"currency": currency, "amount": minor, "holder": "Carla Jung", "purpose": purpose}
    network.client.post("/rails/sim/incoming", json=body).raise_for_status()


def point_rails_at(network: Network, settings: Any) -> None:
    """Let both rails speak to this network's bank."""
    settings.RAILS_BANK_URL, settings.RAILS_BANK_API_KEY = f"{network.url}/rails", API_KEY
    settings.RECEIVING_ACCOUNTS = {
        "EUR": "DE97700901000000143027", "USD": "DE47700901000000302813", "GBP": "0000161125",
        "JPY": "DE97700901000000143027",
    }  # fmt: skip
    settings.CHECK_ADDRESS = "1 Example Street, 10115 Berlin"
    registry.reset()


@pytest.fixture
def rails(own_network: Network, settings: Any) -> Iterator[RailsBank]:
    """The bank of both rails, empty."""
    point_rails_at(own_network, settings)
    yield RailsBank(own_network)
    registry.reset()
