"""A marketplace's day in tests: sell through the real network, settle, pay, close the bank's day, falsify it.

The sandbox bank settles everything its network did, so these tests have a network of their own, emptied for
each test (`own_network`).
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest

from ledger.actors import SYSTEM
from ledger.ids import uuid7
from ledger.money import Money
from payments.models import Payment, ProviderOperation, Refund
from payments.providers import registry
from payments.services.calls import recovering
from payments.services.payment_wishes import NewPayment, WantedShare
from payments.services.payments import authorizing, capturing, creating
from payments.services.refunds import refunding, requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from payments.simulator import scenarios
from settlements.models import SettlementBatch
from settlements.services import batching, importing, paying_out
from settlements.services.importing import Imported
from tests.factories import vendors
from tests.kit.network import Network, eventually, point_adapter_at, started_network
from vendors.models import Merchant, Vendor

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
TEN_EUR = Money(1_000, "EUR")


@pytest.fixture(scope="session")
def own_network_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A network for tests that close the bank's day."""
    with started_network(tmp_path_factory.mktemp("bank")) as network:
        yield network


@pytest.fixture
def own_network(own_network_process: Network, settings: Any) -> Iterator[Network]:
    """That network, empty, with the adapter pointed at it."""
    own_network_process.reset()
    point_adapter_at(own_network_process, settings)
    yield own_network_process
    registry.reset()


def wanted(
    network: Network, vendor: Vendor, amount: Money = TEN_EUR, *, own: int = 0, scenario: str = "visa",
    token: str = "",
) -> NewPayment:  # fmt: skip
    """Describe a payment to one vendor; `own` minor units are the merchant's own.

    A `token` of a provider's says by whom it is paid; without one it is VelocityPay's, for a scenario.
    """
    return NewPayment(
        amount=Money(amount.minor + own, amount.currency),
        order_ref=f"order-{uuid7().hex}",
        customer_ref=f"carla-{uuid7().hex}",
        method_type="card",
        method_token=token or network.card(scenario)["token"],
        capture_method="manual",
        shares=[WantedShare(vendor.pk, amount)],
    )


def sell(
    network: Network, vendor: Vendor, amount: Money, at: datetime, *, own: int = 0, scenario: str = "visa",
    token: str = "",
) -> Payment:  # fmt: skip
    """Sell through the network: create, authorize, capture. `own` minor units are the merchant's own."""
    order = wanted(network, vendor, amount, own=own, scenario=scenario, token=token)
    whose: dict[str, Any] = {"merchant_id": vendor.merchant_id, "actor": SYSTEM, "at": at}
    payment = creating.create(payment_id=uuid7(), wanted=order, **whose)
    authorizing.authorize(payment_id=payment.pk, operation_id=uuid7(), **whose)
    return capturing.capture(payment_id=payment.pk, operation_id=uuid7(), amount=None, **whose)


def refund(payment: Payment, at: datetime, amount_minor: int | None = None) -> Refund:
    """Give money of a payment back through the network: all that is left, unless told otherwise."""
    whose: dict[str, Any] = {"merchant_id": payment.merchant_id, "actor": SYSTEM, "at": at}
    wish = RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=amount_minor)
    made = requesting_refunds.request(wish=wish, **whose)
    return refunding.process(refund_id=made.pk, operation_id=uuid7(), **whose)


def settle(vendor: Vendor, currency: str, at: datetime, day: date | None = None) -> SettlementBatch:
    """Close the vendor's batch."""
    return batching.settle(
        merchant_id=vendor.merchant_id,
        vendor_id=vendor.pk,
        currency=currency,
        batch_id=uuid7(),
        business_date=day,
        actor=SYSTEM,
        at=at,
    )


def pay(batch: SettlementBatch, at: datetime) -> SettlementBatch:
    """Pay a batch."""
    return paying_out.process(
        merchant_id=batch.merchant_id, batch_id=batch.pk, operation_id=uuid7(), actor=SYSTEM, at=at
    )


def send_to(vendor: Vendor, scenario: str) -> None:
    """Let the vendor's money go to the test account of a scenario."""
    destination = {"holder": vendor.name, "iban": scenarios.BY_NAME[scenario].number, "country": "DE"}
    vendors.redirect(vendor, destination)


def resolve(merchant: Merchant, at: datetime) -> None:
    """Ask the network about everything open until all of it is decided, on a clock that moves on."""
    moment = at

    def is_decided() -> bool:
        nonlocal moment
        moment += timedelta(seconds=30)
        recovering.sweep(moment)
        return not ProviderOperation.objects.filter(merchant=merchant, concluded_at=None).exists()

    eventually(is_decided, "everything is decided")


def fetch(merchant: Merchant, at: datetime) -> Imported:
    """Import the bank's statements of the day of `at`."""
    return importing.fetch_day(merchant_id=merchant.pk, day=at.date(), actor=SYSTEM, at=at)


def take_in(merchant: Merchant, content: bytes, at: datetime) -> Imported:
    """Import a file."""
    return importing.import_content(merchant_id=merchant.pk, content=content, actor=SYSTEM, at=at)


def statement_file(network: Network, at: datetime, currency: str = "EUR") -> bytes:
    """Close the bank's day and return the statement of a currency as the bank wrote it."""
    network.close_day(at.date().isoformat())
    bank = registry.bank(registry.DEFAULT)
    (summary,) = [found for found in bank.statements(at.date()) if found.currency == currency]
    return bank.statement(summary.id)


class Forgery:
    """A statement to be falsified: lines can go, come twice or change, and its closing still comes out."""

    def __init__(self, content: bytes) -> None:
        ElementTree.register_namespace("", NAMESPACE)
        self._root = ElementTree.fromstring(content)
        self._statement = self._find(self._root, "BkToCstmrStmt/Stmt")

    def line(self, reference: str) -> ElementTree.Element:
        """Return the line whose EndToEndId begins with a text."""
        for entry in self._statement.findall(f"{{{NAMESPACE}}}Ntry"):
            if self._find(entry, "NtryDtls/TxDtls/Refs/EndToEndId").text.startswith(reference):
                return entry
        raise LookupError(reference)

    def drop(self, reference: str) -> "Forgery":
        """Leave a line out."""
        self._statement.remove(self.line(reference))
        return self

    def repeat(self, reference: str) -> "Forgery":
        """Book a line a second time."""
        copy = ElementTree.fromstring(ElementTree.tostring(self.line(reference)))
        self._statement.append(copy)
        return self

    def add(self, reference: str, new_reference: str) -> "Forgery":
        """Book a copy of a line under another reference."""
        copy = ElementTree.fromstring(ElementTree.tostring(self.line(reference)))
        self._find(copy, "NtryDtls/TxDtls/Refs/EndToEndId").text = new_reference
        self._statement.append(copy)
        return self

    def amount(self, reference: str, major: str) -> "Forgery":
        """Change a line's amount."""
        entry = self.line(reference)
        for path in ("Amt", "NtryDtls/TxDtls/Amt"):
            self._find(entry, path).text = major
        return self

    def named(self, name: str) -> "Forgery":
        """Give the statement another reference."""
        self._find(self._statement, "Id").text = name
        return self

    def content(self, *, comes_out: bool = True) -> bytes:
        """Return the file; the closing balance is put right unless told otherwise."""
        if comes_out:
            opening, closing = self._statement.findall(f"{{{NAMESPACE}}}Bal")
            total = self._signed(opening) + sum(
                (self._signed(entry) for entry in self._statement.findall(f"{{{NAMESPACE}}}Ntry")), Decimal(0)
            )
            self._find(closing, "Amt").text = str(abs(total))
            self._find(closing, "CdtDbtInd").text = "DBIT" if total < 0 else "CRDT"
        return ElementTree.tostring(self._root)

    def _signed(self, node: ElementTree.Element) -> Decimal:
        amount = Decimal(self._find(node, "Amt").text or "")
        return amount if self._find(node, "CdtDbtInd").text == "CRDT" else -amount

    @staticmethod
    def _find(node: ElementTree.Element, path: str) -> ElementTree.Element:
        found = node.find("/".join(f"{{{NAMESPACE}}}{part}" for part in path.split("/")))
        assert found is not None, path
        return found
