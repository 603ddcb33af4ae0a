"""What is remembered near and far: asked once by many at once, forgotten by all at a commit, never believed
when it is not ours, and never missed when Valkey is away."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from ledger import locks, remembering, shelf
from ledger.ids import uuid7
from ledger.remembering import AskedInPhase, Memory

pytestmark = pytest.mark.django_db

MANY = 12


def process(kind: str) -> Memory[Any]:
    """What one process remembers: processes share what is far, and nothing that is near."""
    return Memory(kind, seconds=60, pack=lambda value: value, unpack=lambda packed: packed)


@pytest.fixture
def kind() -> Iterator[str]:
    before = list(remembering.memories)
    yield f"test-{uuid7().hex}"
    remembering.memories[:] = before


class Source:
    """What is asked: counts, and takes its time."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.value, self.asked, self.seconds = "first", 0, seconds
        self.begun = threading.Event()

    def __call__(self) -> str:
        self.asked += 1
        value = self.value
        self.begun.set()
        time.sleep(self.seconds)
        return value


def at_once(recalls: list[Callable[[], Any]]) -> list[Any]:
    """Do all of it at the same moment."""
    barrier = threading.Barrier(len(recalls))

    def run(recall: Callable[[], Any]) -> Any:
        barrier.wait()
        return recall()

    with ThreadPoolExecutor(len(recalls)) as pool:
        return list(pool.map(run, recalls))


class TestManyAtOnce:
    def test_threads_of_a_process_ask_once(self, kind):
        memory, source = process(kind), Source(0.05)
        found = at_once([lambda: memory.recall("s", "n", source)] * MANY)
        assert (found, source.asked) == (["first"] * MANY, 1)

    def test_processes_ask_once(self, kind, monkeypatch):
        monkeypatch.setattr(remembering, "OTHERS_SECONDS", 30.0)  # who waits longer reads for himself
        source = Source(0.05)
        found = at_once([partial(process(kind).recall, "s", "n", source) for _ in range(MANY)])
        assert (found, source.asked) == (["first"] * MANY, 1)

    def test_without_joining_and_leading_each_asks(self, kind, monkeypatch):
        monkeypatch.setattr(Memory, "_join", lambda self, scope, generation, name, ask, read: ask())
        memory, source = process(kind), Source(0.05)
        at_once([lambda: memory.recall("s", "n", source)] * MANY)
        assert source.asked > 1

    def test_an_error_is_its_askers_own_and_is_not_kept(self, kind):
        memory = process(kind)

        def fail() -> str:
            raise LookupError("nothing there")

        with pytest.raises(LookupError):
            memory.recall("s", "n", fail)
        assert memory.recall("s", "n", Source()) == "first"

    def test_who_was_too_slow_to_lead_puts_nothing_down(self, kind):
        here = shelf.Shelf(kind, 60)
        generation = here.generation("s")
        assert generation is not None
        slow = here.lead("s", generation, "n")
        assert slow is not None
        here.leave("s", generation, "n", slow)  # its time is over
        assert here.lead("s", generation, "n") is not None
        here.put("s", generation, "n", "old", slow)
        assert here.find("s", generation, "n") is None


class TestForgetting:
    def test_all_processes_see_a_change_at_its_commit(self, kind):
        one, other, source = process(kind), process(kind), Source()
        assert [memory.recall("s", "n", source) for memory in (one, other)] == ["first"] * 2
        with locks.phase():
            source.value = "second"
            one.forget("s")
        assert [memory.recall("s", "n", source) for memory in (other, one)] == ["second"] * 2
        assert source.asked == 2

    def test_what_is_undone_forgets_nothing(self, kind):
        memory, source = process(kind), Source()
        memory.recall("s", "n", source)
        with pytest.raises(ZeroDivisionError), locks.phase():
            memory.forget("s")
            raise ZeroDivisionError
        memory.recall("s", "n", source)
        assert source.asked == 1

    def test_other_scopes_are_remembered(self, kind):
        memory, source = process(kind), Source()
        memory.recall("mine", "n", source)
        memory.forget_now("yours")
        memory.recall("mine", "n", source)
        assert source.asked == 1

    def test_a_reading_that_began_before_the_change_is_neither_joined_nor_kept(self, kind):
        memory, source = process(kind), Source(0.1)
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(memory.recall, "s", "n", source)
            assert source.begun.wait(60)
            source.value = "second"
            memory.forget_now("s")
            assert memory.recall("s", "n", source) == "second"
            assert slow.result() == "first"
        assert memory.recall("s", "n", source) == "second"
        assert process(kind).recall("s", "n", source) == "second"

    def test_a_valkey_that_lost_everything_gives_no_old_name_again(self, kind):
        here = shelf.Shelf(kind, 60)
        before = here.generation("s")
        shelf._ask("delete", here._key("s", "generation"))
        assert here.generation("s") != before


class TestWithoutValkey:
    @pytest.fixture(autouse=True)
    def _away(self, settings):
        settings.REDIS_URL = "redis://127.0.0.1:9/0"

    def test_it_is_read_and_believed_for_two_seconds_only(self, kind, monkeypatch):
        memory, source, now = process(kind), Source(), remembering.clock.monotonic()
        monkeypatch.setattr(remembering.clock, "monotonic", lambda: now)
        assert memory.recall("s", "n", source) == "first"
        source.value = "second"
        assert memory.recall("s", "n", source) == "first"
        monkeypatch.setattr(remembering.clock, "monotonic", lambda: now + 2.1)
        assert memory.recall("s", "n", source) == "second"

    def test_many_at_once_still_ask_once(self, kind):
        memory, source = process(kind), Source(0.05)
        at_once([lambda: memory.recall("s", "n", source)] * MANY)
        assert source.asked == 1

    def test_who_changes_it_sees_it_at_once(self, kind):
        memory, source = process(kind), Source()
        memory.recall("s", "n", source)
        source.value = "second"
        memory.forget_now("s")
        assert memory.recall("s", "n", source) == "second"


class TestNeverForMoney:
    def test_a_phase_may_not_ask(self, kind):
        with locks.phase(), pytest.raises(AskedInPhase):
            process(kind).recall("s", "n", Source())

    def test_what_somebody_else_wrote_is_not_believed(self, kind, caplog, settings):
        source = Source()
        process(kind).recall("s", "n", source)
        here = shelf.Shelf(kind, 60)
        generation = here.generation("s")
        assert generation is not None
        key = here._thing("s", generation, "n")
        client = shelf._memory(settings.REDIS_URL).client
        client.set(key, client.get(key).replace(b"first", b"forge"), keepttl=True)
        assert process(kind).recall("s", "n", source) == "first"
        assert source.asked == 2
        assert "not ours" in caplog.text
