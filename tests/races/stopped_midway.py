"""Whoever pays is stopped at work: his merchant is suspended, or his API key revoked."""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from payments.models import Payment, ProviderOperation
from payments.services.calls import operations
from tests.kit import cards
from tests.kit.network import Network
from tests.kit.race import PATIENCE_SECONDS, Meeting, errors, results, together
from tests.services.payments.cast import authorized, created, wish
from vendors.models import Merchant

HANDS, EACH = 4, 6
ENOUGH = 90  # parts of a payment: the stop comes long before the last, however late its hand


def held(merchant: Merchant, network: Network) -> Payment:
    """Return an authorized payment."""
    return authorized(created(merchant, wish(network.tokenized(cards.card())["token"])))


def assert_nothing_is_begun_after(
    merchant: Merchant, network: Network, capture_some: Callable[[Payment], bool], stop: Callable[[], None]
) -> None:
    """Stop hands that capture bit by bit; `capture_some` says whether it was still let."""
    payments = [held(merchant, network) for _ in range(HANDS)]
    captures = ProviderOperation.objects.filter(merchant=merchant, kind="capture")
    done = itertools.count()
    is_time = threading.Event()

    def is_refused_in_the_end(payment: Payment) -> bool:
        for _ in range(ENOUGH):
            if not capture_some(payment):
                return True
            if next(done) >= EACH:
                is_time.set()
        return False

    def count_when_stopped() -> int:
        assert is_time.wait(PATIENCE_SECONDS)
        stop()
        return captures.count()

    hands = [lambda payment=payment: is_refused_in_the_end(payment) for payment in payments]  # type: ignore[misc]
    *became, counted = results(together(*hands, count_when_stopped))
    assert became == [True] * HANDS  # each was at work when it came
    assert EACH < counted == captures.count()


def order_of_claim_and_stop(
    monkeypatch: pytest.MonkeyPatch, begin: Callable[[], Any], stop: Callable[[], None]
) -> tuple[list[str], Any, bool]:
    """Stop somebody in the middle of a claim; return who was done first, what `begin` returned, whether both
    were at work at the same time."""
    meeting, real = Meeting(), operations.claim
    order: list[str] = []
    has_begun = threading.Event()

    def claim_and_wait(*args: Any, **options: Any) -> ProviderOperation:
        made = real(*args, **options)
        has_begun.set()
        meeting.wait()
        order.append("claimed")
        return made

    def stop_meanwhile() -> None:
        assert has_begun.wait(PATIENCE_SECONDS)
        stop()
        order.append("stopped")
        meeting.wait()

    monkeypatch.setattr(operations, "claim", claim_and_wait)
    outcomes = together(begin, stop_meanwhile)
    assert errors(outcomes) == []
    return order, results(outcomes)[0], meeting.met
