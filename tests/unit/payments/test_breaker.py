"""Breaker, limiter and bulkhead, with a clock moved by hand."""

import threading

import pytest

from payments.providers.breaker import Breaker, Guard, Limiter
from payments.providers.errors import NotDelivered


class HandClock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def call(breaker: Breaker, is_success: bool) -> None:
    breaker.admit()
    breaker.report(is_success)


class TestBreaker:
    def test_opens_at_half_of_twenty(self, clock):
        breaker = Breaker(clock)
        for number in range(19):
            call(breaker, number % 2 == 0)
        assert not breaker.is_open
        call(breaker, False)
        assert breaker.is_open
        with pytest.raises(NotDelivered) as refused:
            breaker.admit()
        assert refused.value.reason == "breaker_open"
        assert refused.value.retry_after_seconds == 10.0

    def test_stays_closed_below_half(self, clock):
        breaker = Breaker(clock)
        for number in range(100):
            call(breaker, number % 5 != 0)
        assert not breaker.is_open

    def test_forgets_after_thirty_seconds(self, clock):
        breaker = Breaker(clock)
        for _ in range(19):
            call(breaker, False)
        clock.pass_by(31)
        call(breaker, False)
        assert not breaker.is_open

    def test_lets_one_probe_through_after_ten_seconds(self, clock):
        breaker = _opened(clock)
        clock.pass_by(10)
        breaker.admit()
        with pytest.raises(NotDelivered):
            breaker.admit()
        breaker.report(True)
        assert not breaker.is_open
        call(breaker, True)

    def test_opens_again_when_the_probe_fails(self, clock):
        breaker = _opened(clock)
        clock.pass_by(10)
        call(breaker, False)
        with pytest.raises(NotDelivered):
            breaker.admit()
        clock.pass_by(10)
        call(breaker, True)
        assert not breaker.is_open

    def test_is_not_stuck_by_a_probe_that_never_ends(self, clock):
        breaker = _opened(clock)
        clock.pass_by(10)
        breaker.admit()
        clock.pass_by(30)
        breaker.admit()

    def test_ignores_what_began_before_it_opened(self, clock):
        breaker = Breaker(clock)
        breaker.admit()
        for _ in range(20):
            call(breaker, False)
        breaker.report(True)
        assert breaker.is_open


class TestLimiter:
    def test_lets_a_burst_through_and_then_waits_and_then_refuses(self, clock):
        waited: list[float] = []
        limiter = Limiter(100, clock, waited.append)
        for _ in range(100):
            limiter.admit()
        assert waited == []
        for _ in range(25):
            limiter.admit()
        assert waited[-1] == pytest.approx(0.25)
        with pytest.raises(NotDelivered) as refused:
            limiter.admit()
        assert refused.value.reason == "rate_limited_by_us"
        clock.pass_by(1)
        limiter.admit()


class TestGuard:
    def test_refuses_more_calls_at_once_than_it_has_places(self, clock):
        guard = Guard(calls_at_once=1, calls_per_second=100, clock=clock)
        permit = guard.admit("capture")
        with pytest.raises(NotDelivered) as refused:
            guard.admit("capture")
        assert refused.value.reason == "too_many_calls_at_once"
        with permit:
            pass
        with guard.admit("capture"):
            pass

    def test_keeps_operations_apart(self, clock):
        guard = Guard(calls_at_once=4, calls_per_second=1000, clock=clock)
        for _ in range(20):
            with guard.admit("capture") as permit:
                permit.failed()
        with pytest.raises(NotDelivered):
            guard.admit("capture")
        with guard.admit("refund"):
            pass

    def test_gives_its_places_back_when_the_breaker_refuses(self, clock):
        guard = Guard(calls_at_once=2, calls_per_second=1000, clock=clock)
        for _ in range(20):
            with guard.admit("capture") as permit:
                permit.failed()
        for _ in range(5):
            with pytest.raises(NotDelivered):
                guard.admit("capture")
        with guard.admit("refund"), guard.admit("refund"):
            pass

    def test_counts_a_crash_as_failure(self, clock):
        guard = Guard(calls_at_once=4, calls_per_second=1000, clock=clock)
        for _ in range(20):
            with pytest.raises(OSError, match="gone"), guard.admit("capture"):
                raise OSError("gone")
        assert guard.breaker("capture").is_open

    def test_never_admits_more_at_once_under_threads(self, clock):
        guard = Guard(calls_at_once=3, calls_per_second=100_000)
        inside, most = [0], [0]
        lock = threading.Lock()

        def work() -> None:
            for _ in range(50):
                with guard.admit("capture"):
                    with lock:
                        inside[0] += 1
                        most[0] = max(most[0], inside[0])
                    with lock:
                        inside[0] -= 1

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most[0] <= 3


def _opened(clock: HandClock) -> Breaker:
    breaker = Breaker(clock)
    for _ in range(20):
        call(breaker, False)
    return breaker
