"""HTTP/1.1 to one provider: kept connections, one request and its answer at a time.

The bytes of an answer are read by llhttp (through httptools), as strictly as it can; nothing is retried,
redirected, decompressed or remembered but the connection. Every failure says whether the request can have
been carried out: NotDelivered as long as it was not written whole, Unanswered from then on.
"""

import contextlib
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from payments.providers.errors import NotDelivered, Unanswered

HEAD_MAX_BYTES: Final = 100_000  # of an answer, trailers included
_CHUNK_BYTES: Final = 65_536
_PORTS: Final = {"http": 80, "https": 443}
# A field's name and value hold no end of line, so nothing in them can begin another field.
_FIELD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~]*")
_START: Final = re.compile(r"[A-Z]+ [!-~]+ HTTP/1\.1")


class Address(NamedTuple):
    """Where a request goes; `port` is None for the scheme's own."""

    scheme: str
    host: str
    port: int | None
    target: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """What a connection leads to.

        :raises Unanswered: it is spoken to by another protocol.
        """
        if self.scheme not in _PORTS:
            raise Unanswered("unsupported_protocol")
        return self.scheme, self.host, self.port or _PORTS[self.scheme]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, to write, between two bytes read, and in all."""

    connect: float
    write: float
    read: float
    total: float


@dataclass(slots=True)
class Answer:
    """An answer as it came; of a field that is there more than once, the first."""

    status: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Wires:
    """The connections to one provider: so many at once; those at rest are kept for a while."""

    def __init__(
        self, *, connections: int, keep_seconds: float, timeouts: Timeouts, trusted: ssl.SSLContext
    ) -> None:
        self._slots = threading.BoundedSemaphore(connections)
        self._connections = connections
        self._keep_seconds = keep_seconds
        self._timeouts = timeouts
        self._trusted = trusted
        self._lock = threading.Lock()
        self._resting: list[tuple[float, tuple[str, str, int], socket.socket]] = []  # the latest last

    def ask(
        self,
        method: str,
        address: Address,
        fields: Mapping[str, str],
        content: bytes | None,
        *,
        body_max_bytes: int,
        deadline: float,
    ) -> Answer:
        """Send one request and return its answer; `deadline` is of the monotonic clock, in seconds.

        :raises NotDelivered: it certainly was not carried out. :raises Unanswered: it may have been.
        """
        message = _head(method, address.target, fields) + (content or b"")
        origin = address.origin
        if not self._slots.acquire(timeout=self._timeouts.connect):
            raise NotDelivered("pool_timeout")
        try:
            wire = self._rested(origin) or self._connected(origin)
            is_kept = False
            try:
                self._write(wire, message)
                reader = _Reader(body_max_bytes)
                self._read(wire, reader, deadline)
                is_kept = reader.is_reusable
            finally:
                if is_kept:
                    self._rest(origin, wire)
                else:
                    wire.close()
        finally:
            self._slots.release()
        return reader.answer

    def close(self) -> None:
        """End the connections at rest."""
        with self._lock:
            resting, self._resting = self._resting, []
        for _, _, wire in resting:
            wire.close()

    def _rested(self, origin: tuple[str, str, int]) -> socket.socket | None:
        """Return a connection at rest that is still good; those that are not are ended."""
        while True:
            with self._lock:
                place = next(
                    (at for at in range(len(self._resting) - 1, -1, -1) if self._resting[at][1] == origin),
                    None,
                )
                if place is None:
                    return None
                since, _, wire = self._resting.pop(place)
            if time.monotonic() - since < self._keep_seconds and _is_silent(wire):
                return wire
            wire.close()

    def _rest(self, origin: tuple[str, str, int], wire: socket.socket) -> None:
        with self._lock:
            self._resting.append((time.monotonic(), origin, wire))
            surplus = self._resting.pop(0) if len(self._resting) > self._connections else None
        if surplus is not None:
            surplus[2].close()

    def _connected(self, origin: tuple[str, str, int]) -> socket.socket:
        scheme, host, port = origin
        try:
            wire = socket.create_connection((host, port), self._timeouts.connect)
        except TimeoutError as error:
            raise NotDelivered("connect_timeout") from error
        except (OSError, UnicodeError) as error:  # a name that cannot be one is refused by its encoding
            raise NotDelivered("connect_error") from error
        try:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._trusted.wrap_socket(wire, server_hostname=host) if scheme == "https" else wire
        except TimeoutError as error:
            wire.close()
            raise NotDelivered("connect_timeout") from error
        except OSError as error:
            wire.close()
            raise NotDelivered("connect_error") from error

    def _write(self, wire: socket.socket, message: bytes) -> None:
        try:
            wire.settimeout(self._timeouts.write)
            wire.sendall(message)
        except TimeoutError as error:
            raise NotDelivered("write_timeout") from error
        except OSError:
            pass  # who ends a connection early may have answered first: what is read says so, or says nothing

    def _read(self, wire: socket.socket, reader: "_Reader", deadline: float) -> None:
        parser = HttpResponseParser(reader)
        reader.parser = parser
        try:
            while not reader.is_whole:
                part = self._received(wire)
                if time.monotonic() > deadline:
                    raise Unanswered("total_timeout")
                reader.take(part)
        finally:
            reader.parser = None  # they hold each other

    def _received(self, wire: socket.socket) -> bytes:
        try:
            wire.settimeout(self._timeouts.read)
            return wire.recv(_CHUNK_BYTES)
        except TimeoutError as error:
            raise Unanswered("read_timeout") from error
        except OSError as error:
            raise Unanswered("read_error") from error


class _Reader:
    """Gathers one answer from what the parser finds."""

    def __init__(self, body_max_bytes: int) -> None:
        self.answer = Answer()
        self.is_whole = False
        self.is_reusable = False
        self.parser: Any = None
        self._body_max_bytes = body_max_bytes
        self._head_bytes = 0
        self._size = 0
        self._parts: list[bytes] = []

    def take(self, part: bytes) -> None:
        """Read a part of the answer, or with nothing in it, its end.

        :raises Unanswered: it is no answer, cut off, or larger than we take.
        """
        if not part:
            self._end()
            return
        try:
            self.parser.feed_data(part)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.is_whole or self.answer.status == 101:
                raise Unanswered("remote_protocol_error") from error
            self.is_reusable = False  # a good answer, and something after it
        if not self.answer.status:
            self._head_bytes += len(part)
        if self._head_bytes > HEAD_MAX_BYTES:
            raise Unanswered("remote_protocol_error")
        if self.answer.fields.get("content-encoding", "identity").lower() != "identity":
            raise Unanswered("encoded_body")  # we asked for none: it may be a bomb
        if self._size > self._body_max_bytes:
            raise Unanswered("body_too_large")

    def _end(self) -> None:
        """The connection has ended; so has an answer that says nothing of its length."""
        named = self.answer.fields
        if not self.answer.status or "content-length" in named or "transfer-encoding" in named:
            raise Unanswered("remote_protocol_error")
        self._finish(is_reusable=False)

    def _finish(self, *, is_reusable: bool) -> None:
        self.answer.body = b"".join(self._parts)
        self.is_whole, self.is_reusable = True, is_reusable

    # --- called by the parser, which wants these names ----------------------------------------------------

    def on_message_begin(self) -> None:
        """Something begins: what follows a whole answer is nobody's."""
        self.is_reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or a trailer."""
        if self.is_whole:
            return
        if self.answer.status:
            self._head_bytes += len(name) + len(value)
        else:
            self.answer.fields.setdefault(name.decode("latin-1").lower(), value.decode("latin-1").strip())

    def on_headers_complete(self) -> None:
        """The head is whole; that of an interim answer (1xx) only says that the answer will come."""
        if self.is_whole:
            return
        status = self.parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self.answer.fields.clear()
        else:
            self.answer.status = status

    def on_body(self, part: bytes) -> None:
        """A piece of the body."""
        if not self.is_whole:
            self._size += len(part)
            self._parts.append(part)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self.answer.status and not self.is_whole:
            self._finish(is_reusable=self.parser.should_keep_alive())


def _head(method: str, target: str, fields: Mapping[str, str]) -> bytes:
    """Return the head of a request.

    :raises NotDelivered: something in it has no place there.
    """
    start = f"{method} {target} HTTP/1.1"
    lines = [f"{name}: {value}" for name, value in fields.items()]
    if not _START.fullmatch(start) or not all(map(_FIELD.fullmatch, lines)):
        raise NotDelivered("local_protocol_error")
    return "\r\n".join((start, *lines, "", "")).encode("ascii")


def _is_silent(wire: socket.socket) -> bool:
    """Say whether nothing has come unasked: neither bytes nor the end."""
    with contextlib.suppress(OSError, ValueError):
        looker = select.poll()
        looker.register(wire.fileno(), select.POLLIN)
        return not looker.poll(0)
    return False
