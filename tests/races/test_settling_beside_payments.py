"""A vendor is settled while a payment of his is captured, refunded or charged back: one order of the two.

Whichever comes first, what the vendor is owed is the same in the end, to the cent, and each posting lies in
exactly one batch. `make storm` plays twenty rounds of each pair, the fast suite one.
"""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from ledger import balances, clock
from ledger.actors import SYSTEM
from ledger.chart import Code
from ledger.errors import DomainError
from ledger.ids import uuid7
from payments.models import Payment
from payments.services.calls import recovering
from payments.services.refunds import refunding, requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from settlements import locks
from settlements.models import BatchLine, SettlementBatch
from settlements.services import batching
from settlements.services.batching import BooksDisagree, NothingToSettle
from tests.factories import disputes as told
from tests.factories import settlements as sales
from tests.kit import cards
from tests.kit.books import assert_all_invariants_hold
from tests.kit.network import Network
from tests.kit.race import PATIENCE_SECONDS, Meeting, errors, results, together
from tests.kit.shop import run_jobs
from tests.services.payments.cast import KEY, authorized, captured, created, now_plus, wish
from vendors.models import Merchant, Vendor

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]

ROUNDS, MANY_ROUNDS = 1, 20
Verb = Callable[[Payment], object]


def refunded(payment: Payment) -> object:
    whose = {"merchant_id": payment.merchant_id, "actor": KEY, "at": clock.now()}
    wanted = RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=4_000)
    asked = requesting_refunds.request(wish=wanted, **whose)
    return refunding.process(refund_id=asked.pk, operation_id=uuid7(), **whose)


VERBS: dict[str, Verb] = {
    "capture": lambda payment: captured(payment, 4_000),
    "refund": refunded,
    "charge back": lambda payment: told.chargeback(payment, amount=4_000, fee=0),
}


class Counter:
    """Ada's position in the books of Northwind, and her settlements."""

    def __init__(self, merchant: Merchant, vendor: Vendor, network: Network) -> None:
        self.merchant, self.vendor, self.network = merchant, vendor, network

    def standing(self, verb: str) -> Payment:
        """A payment of 100.00 with a share of 60.00, as far as the verb needs it."""
        card = self.network.tokenized(cards.card())["token"]  # one each: screening counts cards
        payment = authorized(created(self.merchant, wish(card, shares=[(self.vendor, 6_000)])))
        return captured(payment, 5_000) if verb == "capture" else captured(payment)

    def position(self) -> int:
        """What the vendor is owed and is in no batch, less what he owes, in minor units."""
        pending, owed = (
            balances.balance(sales.ref(self.vendor, code, "USD")).minor
            for code in (Code.VENDOR_PENDING, Code.VENDOR_RECEIVABLE)
        )
        return -pending - owed

    def available(self) -> int:
        """What batches have made payable, in minor units."""
        return -balances.balance(sales.ref(self.vendor, Code.VENDOR_AVAILABLE, "USD")).minor

    def settle(self) -> SettlementBatch:
        return batching.settle(
            merchant_id=self.merchant.pk, vendor_id=self.vendor.pk, currency="USD", batch_id=uuid7(),
            actor=SYSTEM, at=clock.now(),
        )  # fmt: skip

    def worth(self, verb: str) -> int:
        """What a verb alone changes in the position."""
        payment = self.standing(verb)
        before = self.position()
        VERBS[verb](payment)
        finish()
        return self.position() - before

    def lines(self) -> list[Any]:
        """The postings that lie in batches of the vendor, once for each time."""
        found = BatchLine.objects.filter(batch__vendor=self.vendor).exclude(batch__state="cancelled")
        return list(found.values_list("entry_id", "line"))


@pytest.fixture
def counter(northwind: Merchant, ada: Vendor, network: Network) -> Counter:
    return Counter(northwind, ada, network)


def finish() -> None:
    """Let recovery and jobs do what was left open."""
    recovering.sweep(now_plus(60))
    run_jobs(60)


def play(counter: Counter, verb: str, rounds: int) -> set[bool]:
    """Return in which orders the two came: whether the batch holds what the verb did."""
    worth, orders = counter.worth(verb), set()
    for _ in range(rounds):
        payment = counter.standing(verb)
        before, payable, begun = counter.position(), counter.available(), threading.Barrier(2)

        def at_the_instant(act: Callable[[], object], begun: threading.Barrier = begun) -> object:
            begun.wait(PATIENCE_SECONDS)
            return act()

        batch, _ = results(
            together(
                lambda: at_the_instant(counter.settle),
                lambda payment=payment: at_the_instant(lambda: VERBS[verb](payment)),
            )
        )
        finish()
        moved = counter.available() - payable
        assert batch.net_minor in (before, before + worth), (before, worth)
        assert moved == batch.net_minor
        assert counter.position() == before + worth - moved
        orders.add(batch.net_minor == before + worth)
    settle_the_rest(counter)
    assert len(counter.lines()) == len(set(counter.lines()))
    assert_all_invariants_hold()
    return orders


def settle_the_rest(counter: Counter) -> None:
    """Settle what is left; a vendor who owes us has nothing to be settled, and goes on owing."""
    before = counter.position()
    try:
        batch = counter.settle()
    except NothingToSettle:
        assert counter.position() == before
        return
    assert batch.state == "carried" or batch.net_minor == before


@pytest.mark.parametrize("verb", VERBS)
def test_settling_and_another_have_one_order(counter: Counter, verb: str) -> None:
    assert play(counter, verb, ROUNDS)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("verb", VERBS)
def test_settling_and_another_have_one_order_however_often(counter: Counter, verb: str) -> None:
    assert play(counter, verb, MANY_ROUNDS)


@pytest.mark.parametrize("verb", VERBS)
def test_what_comes_while_a_batch_is_closed_waits_for_the_next(
    counter: Counter, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verb begins when the batch has its locks: it is behind it, and in no batch but the next."""
    worth, payment = counter.worth(verb), counter.standing(verb)
    before, meeting, real = counter.position(), Meeting(), locks.accounts

    def lock_and_let_the_other_begin(*refs: Any) -> Any:
        found = real(*refs)
        meeting.wait()
        return found

    def act() -> None:
        meeting.wait()
        VERBS[verb](payment)

    with monkeypatch.context() as patch:
        patch.setattr(locks, "accounts", lock_and_let_the_other_begin)
        batch, _ = results(together(counter.settle, act))
    finish()
    assert meeting.met
    assert (batch.net_minor, counter.position()) == (before, worth)
    assert_all_invariants_hold()


@pytest.mark.parametrize("verb", VERBS)
def test_without_the_lock_a_batch_is_reckoned_from_what_was(
    counter: Counter, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: what comes between reading and summing is found, and nothing is settled."""
    payment = counter.standing(verb)
    read, done = threading.Event(), threading.Event()

    def read_only(*refs: Any) -> Any:
        found = {ref: balances.balance(ref) for ref in refs}
        read.set()
        assert done.wait(PATIENCE_SECONDS)
        return found

    def act() -> None:
        assert read.wait(PATIENCE_SECONDS)
        VERBS[verb](payment)
        finish()
        done.set()

    with monkeypatch.context() as patch:
        patch.setattr(locks, "accounts", read_only)
        outcomes = together(counter.settle, act)
    (error,) = errors(outcomes)
    assert isinstance(error, BooksDisagree)
    assert not isinstance(error, DomainError)
    assert counter.lines() == []
