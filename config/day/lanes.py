"""Several orders at once, those of one customer one after the other.

Each lane is one thread with a short queue, and a customer always has the same lane: what is found about a
customer does not depend on timing, and a file of any length takes little memory.
"""

import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Semaphore
from types import TracebackType
from typing import Final, Generic, TypeVar

T = TypeVar("T")

QUEUE_LENGTH: Final = 100
LOOK_EVERY_SECONDS: Final = 0.5


class Lanes(Generic[T]):
    """A context: `put` work in; on leaving, all of it is done, or the first error is raised."""

    def __init__(self, work: Callable[[T], None], *, lanes: int) -> None:
        self._work = work
        self._failed: Future[None] | None = None
        self._threads = [ThreadPoolExecutor(1) for _ in range(lanes)]
        self._room = [Semaphore(QUEUE_LENGTH) for _ in range(lanes)]

    def __enter__(self) -> "Lanes[T]":
        return self

    def put(self, item: T, belongs_to: str) -> None:
        """Hand an item to the lane of whom it belongs to; waits while that lane is full.

        Raises what any earlier item raised.
        """
        lane = zlib.crc32(belongs_to.encode()) % len(self._threads)
        while self._failed is None and not self._room[lane].acquire(timeout=LOOK_EVERY_SECONDS):
            pass
        if self._failed is not None:
            self._failed.result()
        done = self._threads[lane].submit(self._work, item)
        done.add_done_callback(lambda future: self._note(lane, future))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for thread in self._threads:
            thread.shutdown(wait=True, cancel_futures=error is not None or self._failed is not None)
        if error is None and self._failed is not None:
            self._failed.result()

    def _note(self, lane: int, future: "Future[None]") -> None:
        if not future.cancelled() and future.exception() is not None:
            self._failed = self._failed or future
        self._room[lane].release()
