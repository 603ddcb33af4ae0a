"""The limit is exact under many threads; the naive limiter beside it is not."""

import uuid

import pytest
import redis
from django.conf import settings

from tests.kit.race import results, together
from vendors.api import taken_ahead
from vendors.api import throttle as throttling
from vendors.api.taken_ahead import MOST
from vendors.api.throttle import Limit, LocalBuckets, Throttle

pytestmark = pytest.mark.races
THREADS, CALLS = 50, 4
TEN = Limit(per_second=0.001, burst=10)


def allowed_of(take):
    """Let 50 threads call four times each at one instant; count the calls that passed."""
    bucket = uuid.uuid4().hex

    def caller():
        return sum(take(bucket) for _ in range(CALLS))

    passed = results(together(*[caller] * THREADS))
    assert len(passed) == THREADS
    return sum(passed)


class TestExactness:
    def test_fifty_threads_get_exactly_the_limit(self, monkeypatch):
        monkeypatch.setattr(throttling, "_TIMEOUT_SECONDS", 30.0)  # after it Valkey is taken to be away
        throttle = Throttle(settings.REDIS_URL, 1)
        for _ in range(3):
            assert allowed_of(lambda bucket: throttle.take(bucket, TEN).is_allowed) == 10

    def test_fifty_threads_get_exactly_the_limit_of_the_process(self):
        local = LocalBuckets()
        assert allowed_of(lambda bucket: local.take(bucket, TEN).is_allowed) == 10

    def test_looking_before_counting_lets_too_many_pass(self):
        """The negative control: the same limit by reading and then writing, as DRF's throttles do."""
        client = redis.Redis.from_url(settings.REDIS_URL)

        def naive(bucket):
            if int(client.get(bucket) or 0) >= TEN.burst:
                return False
            client.incr(bucket)
            return True

        assert max(allowed_of(naive) for _ in range(5)) > 10


class TestBucket:
    def test_fills_up_again_at_its_rate(self):
        throttle = Throttle(settings.REDIS_URL, 1)
        bucket, limit = uuid.uuid4().hex, Limit(per_second=1000, burst=5)
        first = [throttle.take(bucket, limit) for _ in range(5)]
        assert [verdict.limit for verdict in first] == [5] * 5
        assert first[0].remaining == 4
        assert all(verdict.is_allowed for verdict in first)

    def test_says_how_long_to_wait(self):
        throttle = Throttle(settings.REDIS_URL, 1)
        bucket, limit = uuid.uuid4().hex, Limit(per_second=0.001, burst=2)
        verdicts = [throttle.take(bucket, limit) for _ in range(3)]
        assert [verdict.is_allowed for verdict in verdicts] == [True, True, False]
        assert 970 < verdicts[2].retry_after_seconds <= 1_000
        assert 1_970 < verdicts[2].reset_seconds <= 2_000
        assert [verdict.remaining for verdict in verdicts] == [1, 0, 0]

    def test_is_shared_by_all_processes(self):
        bucket = uuid.uuid4().hex
        throttles = [Throttle(settings.REDIS_URL, 2), Throttle(settings.REDIS_URL, 2)]
        passed = [throttles[call % 2].take(bucket, TEN).is_allowed for call in range(20)]
        assert sum(passed) == 10


class TestTakenAhead:
    LARGE = Limit(per_second=0.001, burst=400)

    def test_a_large_bucket_never_lets_more_pass(self):
        throttles = [Throttle(settings.REDIS_URL, 2), Throttle(settings.REDIS_URL, 2)]
        bucket = uuid.uuid4().hex

        def caller(throttle):
            return sum(throttle.take(bucket, self.LARGE).is_allowed for _ in range(30))

        passed = sum(
            results(together(*[lambda throttle=throttle: caller(throttle) for throttle in throttles * 10]))
        )
        assert 400 - 2 * MOST * 10 < passed <= 400

    def test_a_busy_caller_asks_valkey_seldom_and_is_told_the_same(self, monkeypatch):
        throttle, asked = Throttle(settings.REDIS_URL, 1), []
        ask = throttle._ask
        monkeypatch.setattr(throttle, "_ask", lambda *told: asked.append(told[2]) or ask(*told))
        monkeypatch.setattr(taken_ahead, "SECONDS", 60.0)
        bucket = uuid.uuid4().hex
        told = [throttle.take(bucket, self.LARGE).remaining for _ in range(100)]
        assert told == list(range(399, 299, -1))
        assert asked[:6] == [1, 2, 4, 8, MOST, MOST]
        assert len(asked) < 12

    def test_near_the_limit_each_is_taken_by_itself(self, monkeypatch):
        throttle = Throttle(settings.REDIS_URL, 1)
        monkeypatch.setattr(taken_ahead, "SECONDS", 60.0)
        bucket = uuid.uuid4().hex
        passed = [throttle.take(bucket, self.LARGE).is_allowed for _ in range(410)]
        assert passed == [True] * 400 + [False] * 10

    def test_what_is_not_used_soon_is_lost(self, monkeypatch):
        throttle = Throttle(settings.REDIS_URL, 1)
        monkeypatch.setattr(taken_ahead, "SECONDS", 60.0)
        bucket = uuid.uuid4().hex
        for _ in range(4):  # one, two, and the first of four
            throttle.take(bucket, self.LARGE)
        monkeypatch.setattr(taken_ahead.clock, "monotonic", lambda: 1e12)
        assert throttle.take(bucket, self.LARGE).remaining == 400 - 7 - 1


class TestWithoutValkey:
    def test_grants_this_processs_share(self):
        throttle = Throttle("redis://127.0.0.1:1/0", 2)
        passed = [throttle.take("a", TEN).is_allowed for _ in range(20)]
        assert sum(passed) == 5

    def test_does_not_wait_for_it_at_each_call(self, monkeypatch):
        throttle = Throttle("redis://127.0.0.1:1/0", 2)
        throttle.take("a", TEN)
        monkeypatch.setattr(throttle, "_ask", None)  # a call to Valkey would fail now
        throttle.take("a", TEN)
