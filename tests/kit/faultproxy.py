"""A small TCP proxy that does what bad networks do: between us and PostgreSQL, Valkey or a provider.

It runs an event loop in a thread of its own. Modes hold until `heal()`; every fault counts how often it
fired, so that a test can prove that its fault happened.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Coroutine
from types import TracebackType
from typing import Any

CHUNK = 65_536
REPLY_SECONDS = 5.0


class FaultProxy:
    """A proxy from a port of its own to one address; used as a block."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faultproxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()
        self._mode = ""
        self._delay_seconds = 0.0
        self._cut_bytes = b""
        self._cuts_left = 0
        self.port = 0
        self.hits: Counter[str] = Counter()

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def heal(self) -> None:
        """Be an ordinary connection again; what was broken stays broken."""
        self._do(self._set("", 0.0, b"", 0))
        self._do(self._listen())

    def latency(self, seconds: float) -> None:
        """Delay every piece, both ways."""
        self._do(self._set("", seconds, b"", 0))

    def down(self) -> None:
        """Refuse connections and end the open ones."""
        self._do(self._close())
        self.hits["down"] += 1

    def blackhole(self) -> None:
        """Accept and swallow everything; nothing arrives, nothing is answered."""
        self._do(self._set("blackhole", 0.0, b"", 0))

    def drop_replies(self) -> None:
        """Deliver what is sent and swallow every answer."""
        self._do(self._set("drop_replies", 0.0, b"", 0))

    def rst(self) -> None:
        """Reset the open connections, and each new one at its first byte."""
        self._do(self._set("rst", 0.0, b"", 0))
        self._do(self._reset_all())

    def cut_after(self, needle: bytes, *, times: int = 1) -> None:
        """Deliver what is sent up to and with these bytes, await the answer, swallow it, reset the sender."""
        self._do(self._set("", 0.0, needle, times))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _set(self, mode: str, delay_seconds: float, cut_bytes: bytes, cuts: int) -> None:
        self._mode, self._delay_seconds = mode, delay_seconds
        self._cut_bytes, self._cuts_left = cut_bytes, cuts

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_address=True)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset_all()

    async def _reset_all(self) -> None:
        for writer in list(self._links):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            _reset(writer)
            return
        link = _Link(reader, writer, far_reader, far_writer)
        ends = {writer, far_writer}
        self._links |= ends
        with contextlib.suppress(OSError):  # an end went away: so does the other
            await asyncio.gather(self._forward(link), self._back(link))
        self._links -= ends
        for end in ends:
            end.close()

    async def _forward(self, link: "_Link") -> None:
        tail = b""
        while piece := await link.reader.read(CHUNK):
            if self._mode == "blackhole":
                self.hits["blackhole"] += 1
                continue
            if self._mode == "rst":
                self.hits["rst"] += 1
                await self._reset_all()
                raise ConnectionResetError
            if self._cuts_left and self._cut_bytes in tail + piece:
                await self._cut(link, piece)
                raise ConnectionResetError
            tail = (tail + piece)[-len(self._cut_bytes) :] if self._cut_bytes else b""
            await asyncio.sleep(self._delay())
            link.far_writer.write(piece)
            await link.far_writer.drain()
        link.far_writer.write_eof()

    async def _back(self, link: "_Link") -> None:
        while piece := await link.far_reader.read(CHUNK):
            if link.is_cut:
                link.answered.set()
                continue
            if self._mode in ("drop_replies", "blackhole"):
                self.hits[self._mode] += 1
                continue
            await asyncio.sleep(self._delay())
            link.writer.write(piece)
            await link.writer.drain()
        link.writer.close()

    async def _cut(self, link: "_Link", piece: bytes) -> None:
        # Only when the far side has answered is it sure that it has done what the bytes asked for.
        self._cuts_left -= 1
        link.is_cut = True
        link.far_writer.write(piece)
        await link.far_writer.drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(link.answered.wait(), REPLY_SECONDS)
        self.hits["cut_after"] += 1
        _reset(link.writer)
        link.far_writer.close()

    def _delay(self) -> float:
        if self._delay_seconds:
            self.hits["latency"] += 1
        return self._delay_seconds


class _Link:
    """One connection through the proxy, both sides of it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        self.reader, self.writer = reader, writer
        self.far_reader, self.far_writer = far_reader, far_writer
        self.is_cut = False
        self.answered = asyncio.Event()


def _reset(writer: asyncio.StreamWriter) -> None:
    # Linger of zero seconds makes close() send RST instead of FIN.
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
