"""Lanes: one customer's orders in sequence, several customers at once, the first error stops all."""

import threading

import pytest

from config.day.lanes import Lanes


def test_everything_is_done_and_each_customer_in_sequence():
    done: dict[str, list[int]] = {name: [] for name in "abcdefgh"}
    with Lanes(lambda item: done[item[0]].append(item[1]), lanes=3) as lanes:
        for number in range(100):
            for name in done:
                lanes.put((name, number), name)
    assert all(numbers == list(range(100)) for numbers in done.values())


def test_different_customers_are_served_at_the_same_time():
    both = threading.Barrier(2, timeout=10)
    with Lanes(lambda _: both.wait(), lanes=8) as lanes:
        lanes.put(1, "a")
        lanes.put(2, "b")


def test_the_first_error_is_raised_and_stops_the_rest():
    def work(item: int) -> None:
        if item == 3:
            raise ValueError("item 3")

    def put_for_ever() -> None:
        with Lanes(work, lanes=2) as lanes:
            for item in range(100_000):
                lanes.put(item, "one customer")

    with pytest.raises(ValueError, match="item 3"):
        put_for_ever()


def test_an_error_outside_is_not_covered_up():
    def put_and_fail() -> None:
        with Lanes(lambda _: None, lanes=2) as lanes:
            lanes.put(1, "a")
            raise KeyError("outside")

    with pytest.raises(KeyError, match="outside"):
        put_and_fail()
