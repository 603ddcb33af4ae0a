"""Each rail x each operation x each outcome, in one table; each fault proves that it fired.

The rails' part of `test_provider_matrix.py`: nothing of them is decided by an answer, all is pending until a
file of the bank says what became of it. So a cell is a file, a fault and a word of the bank, and the
operations of a cell share its day: a sale, a capture, a refund of what was drawn, a refund of what was sent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from ledger import clock
from ledger.ids import uuid7
from ledger.models import AuditRecord
from payments.models import (
    BankFile,
    BankFileEntry,
    BankWord,
    Contradiction,
    Dispute,
    Payment,
    ProviderOperation,
    Refund,
)
from payments.providers import registry
from payments.services.bank_files import hearing_banks
from payments.services.refunds import refunding, requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from tests.factories import payments as rows
from tests.kit.books import assert_all_invariants_hold
from tests.kit.rails import ROUTING, RailsBank, account_number, iban
from tests.services.payments.cast import KEY
from vendors.models import Merchant

pytestmark = pytest.mark.django_db

RAILS = ("ach", "sepa")
CLOSED = {"ach": "R02", "sepa": "AC04"}  # the account is closed
SALE, CAPTURE, REFUND, SENT_BACK = "sale", "capture", "refund", "refund of what was sent"
OPERATIONS = (SALE, CAPTURE, REFUND, SENT_BACK)
DEBITS, CREDITS = (SALE, CAPTURE), (REFUND, SENT_BACK)
FILES = 2  # a cell's debits are one file, its credits the other


class Cell:
    """The operations of one rail that share a day, and the bank in the tests' hand."""

    def __init__(self, rail: str, merchant: Merchant, bank: RailsBank) -> None:
        self.rail, self.bank, self.merchant = rail, bank, merchant
        self.currency = registry.rail(rail).currency
        self.files: list[BankFile] = []
        self.subjects: dict[str, Payment | Refund] = {}
        self.words_before = list(BankWord.objects.values_list("pk", flat=True))

    def begin(self) -> None:
        """Ask for each operation: all of them wait for a file."""
        method = self.bank.method(self.merchant, self.rail)
        self.subjects[SALE] = self.bank.pay(method, 1_000)
        manual = self.bank.pay(method, 2_500, capture_method="manual")
        self.subjects[CAPTURE] = self.bank.capture(manual, 2_000)
        drawn = {"provider": self.rail, "method_type": self.rail, "method_token": method.vault_token}
        self.subjects[REFUND] = self._refund(
            rows.captured_payment(self.merchant, **self._of(9_000), **drawn), 300
        )
        sent = rows.captured_payment(self.merchant, **self._of(9_000), provider="wire", method_type="wire")
        self.subjects[SENT_BACK] = self._refund(sent, 40, self._account())
        for name in OPERATIONS:
            assert self.operation(name).outcome == "pending", name

    def operation(self, name: str) -> ProviderOperation:
        subject = self.subjects[name]
        kind = {SALE: "authorize", CAPTURE: "capture"}.get(name, "refund")
        key = {"payment": subject} if name in DEBITS else {"subject_id": subject.pk}
        return ProviderOperation.objects.get(kind=kind, **key)

    def entry(self, name: str) -> BankFileEntry:
        return BankFileEntry.objects.get(operation=self.operation(name))

    def hand_over(self) -> None:
        self.files = self.bank.hand_over()
        assert [file.entry_count for file in self.files] == [2] * FILES

    def of_files(self, column: str) -> list[str]:
        return list(BankFile.objects.filter(merchant=self.merchant).values_list(column, flat=True))

    def day(self, days: int = 1) -> None:
        self.bank.close(self.bank.due(self.rail, days))
        self.bank.hear()

    def taken(self) -> list[str]:
        """The bank's truth, by our names: what it has taken."""
        names = {self.entry(name).end_to_end: name for name in OPERATIONS}
        return sorted(names[entry["end_to_end"]] for entry in self.bank.entries())

    def told(self, verdict: str) -> int:
        return BankWord.objects.filter(verdict=verdict).exclude(pk__in=self.words_before).count()

    def post(self, path: str, body: Mapping[str, str]) -> None:
        self.bank.network.client.post(f"/rails/sim/{path}", json=dict(body)).raise_for_status()

    def _of(self, amount: int) -> dict[str, Any]:
        return {"amount": amount, "currency": self.currency}

    def _account(self) -> dict[str, str]:
        if self.rail == "sepa":
            return {"holder": "Carla Jung", "iban": iban()}
        return {"holder": "Carla Jung", "routing_number": ROUTING, "account_number": account_number()}

    def _refund(self, payment: Payment, minor: int, account: dict[str, str] | None = None) -> Refund:
        whose: dict[str, Any] = {"merchant_id": self.merchant.pk, "actor": KEY, "at": clock.now()}
        wish = RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=minor, account=account)
        made = requesting_refunds.request(wish=wish, **whose)
        return refunding.process(refund_id=made.pk, operation_id=uuid7(), **whose)


# --- what happens -------------------------------------------------------------------------------------------
def settles(cell: Cell) -> None:
    cell.hand_over()
    cell.day()


def lost(fault: str, *, was_taken: bool) -> Callable[[Cell], None]:
    """The answer to both files is lost; the same files go out again, and the bank has each entry once."""

    def happens(cell: Cell) -> None:
        cell.bank.script(*[fault] * FILES)
        cell.hand_over()
        assert cell.bank.hits(fault) == FILES
        assert {file.state for file in cell.files} == {"gathered"}
        assert cell.taken() == (sorted(OPERATIONS) if was_taken else [])
        cell.bank.work(later_seconds=400)
        assert set(cell.of_files("state")) == {"handed_over"}
        assert cell.taken() == sorted(OPERATIONS)
        cell.day()

    return happens


def refused(cell: Cell) -> None:
    cell.bank.script(*["400"] * FILES)
    cell.hand_over()
    assert cell.bank.hits("400") == FILES
    assert {file.state for file in cell.files} == {"refused"}
    names = [file.public_id for file in cell.files]
    assert AuditRecord.objects.filter(action="bank_file.refused", object_id__in=names).count() == FILES
    cell.day()


def returned(cell: Cell) -> None:
    cell.hand_over()
    for name in OPERATIONS:
        cell.post("returns", {"end_to_end": cell.entry(name).end_to_end, "code": CLOSED[cell.rail]})
    cell.day()
    assert ProviderOperation.objects.filter(merchant=cell.merchant, kind="return_fee").count() == len(
        OPERATIONS
    )


def returned_late(cell: Cell) -> None:
    settles(cell)
    assert {cell.operation(name).outcome for name in OPERATIONS} == {"approved"}
    for name in OPERATIONS:
        cell.post("returns", {"end_to_end": cell.entry(name).end_to_end, "code": CLOSED[cell.rail]})
    cell.day(2)
    kinds = ProviderOperation.objects.filter(
        merchant=cell.merchant, kind__in=["withdrawal", "refund_returned"]
    )
    assert sorted(kinds.values_list("kind", flat=True)) == ["refund_returned"] * 2 + ["withdrawal"] * 2
    assert Dispute.objects.filter(merchant=cell.merchant, state="lost").count() == len(DEBITS)


def mistold(fault: str, verdict: str, words: int) -> Callable[[Cell], None]:
    """The bank errs in telling of each of them."""

    def happens(cell: Cell) -> None:
        cell.hand_over()
        for name in OPERATIONS:
            cell.post("misbookings", {"end_to_end": cell.entry(name).end_to_end, "fault": fault})
        cell.day()
        fired = cell.bank.network.client.get("/rails/sim/misbookings").raise_for_status().json()["hits"]
        assert fired == {fault: len(OPERATIONS)}
        assert cell.told(verdict) == words

    return happens


# --- what it comes to ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Row:
    """What happens; what each operation and its payment or refund come to then."""

    happens: Callable[[Cell], None]
    outcome: str
    of: Mapping[str, str]
    refund: str
    is_held: bool = False
    is_open: bool = False
    code: str = ""
    moved: Mapping[str, int] = field(default_factory=dict)


DONE = {SALE: "captured", CAPTURE: "partly_captured"}
ENDED = {SALE: "failed", CAPTURE: "authorized"}
WAITS = {SALE: "created", CAPTURE: "authorized"}
DRAWN = {SALE: 1_000, CAPTURE: 2_000}

TABLE: dict[str, Row] = {
    "accepted and settled": Row(settles, "approved", DONE, "completed", moved=DRAWN),
    "lost before the bank took it": Row(
        lost("500_before", was_taken=False), "approved", DONE, "completed", moved=DRAWN
    ),
    "lost after the bank took it": Row(
        lost("reset_after", was_taken=True), "approved", DONE, "completed", moved=DRAWN
    ),
    "refused by the bank": Row(refused, "rejected", ENDED, "failed", code="file_refused"),
    "returned before it settled": Row(returned, "declined", ENDED, "failed", code="no_such_account"),
    "returned after it settled": Row(returned_late, "approved", DONE, "failed", moved=DRAWN),
    "told twice": Row(
        mistold("told_twice", hearing_banks.KNOWN, 4), "approved", DONE, "completed", moved=DRAWN
    ),
    "told with another amount": Row(
        mistold("wrong_amount", hearing_banks.APPLIED, 4), "mismatch", WAITS, "processing", is_held=True,
        is_open=True,
    ),
    "told of nobody": Row(
        mistold("unknown_reference", hearing_banks.UNKNOWN, 4), "pending", WAITS, "processing", is_open=True
    ),
}  # fmt: skip


@pytest.mark.parametrize("rail", RAILS)
@pytest.mark.parametrize("name", TABLE)
def test_cell(rail: str, name: str, northwind: Merchant, rails: RailsBank) -> None:
    row, cell = TABLE[name], Cell(rail, northwind, rails)
    cell.begin()
    row.happens(cell)
    for operation in OPERATIONS:
        found = cell.operation(operation)
        assert (operation, found.outcome) == (operation, row.outcome)
        assert (found.is_open, found.is_held) == (row.is_open, row.is_held), operation
        assert found.outcome_code == row.code
    for operation in DEBITS:
        payment = Payment.objects.get(pk=cell.subjects[operation].pk)
        assert (operation, payment.state) == (operation, row.of[operation])
        assert payment.captured_minor == row.moved.get(operation, 0)
    for operation in CREDITS:
        refund = Refund.objects.get(pk=cell.subjects[operation].pk)
        assert (operation, refund.state) == (operation, row.refund)
        done = refund.amount_minor if row.refund == "completed" else 0
        assert Payment.objects.get(pk=refund.payment_id).refunded_minor == done
    assert not Contradiction.objects.filter(operation__merchant=northwind).exists()
    if rail == RAILS[0]:  # both end in the same services: the books are proven once for each outcome
        assert_all_invariants_hold()
