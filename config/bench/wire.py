"""A client for measurements that costs little itself: requests written and answers read on a bare socket.

The machine that is measured also runs the clients: `http.client` takes several times as long for a request.
"""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

CHUNK = 65_536


class Refused(RuntimeError):
    """A measured request was not answered as it should be: the figure would mean nothing."""


class Wire:
    """One persistent connection that speaks HTTP/1.1 and JSON to our own servers."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        self._place = (parts.hostname or "", parts.port or 80)
        fields = {"Host": parts.netloc, "Content-Type": "application/json", **headers}
        self._fields = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._socket: socket.socket | None = None

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send one request and return status and decoded answer.

        :raises Refused: what came back is no answer of ours.
        """
        content = b"" if body is None else json.dumps(body).encode()
        fields = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = f"{method} {path} HTTP/1.1\r\n{self._fields}{fields}Content-Length: {len(content)}\r\n\r\n"
        if self._socket is None:
            self._socket = socket.create_connection(self._place, timeout=60)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(head.encode() + content)
        status, received = self._answer(self._socket)
        return status, json.loads(received) if received else None

    def send(
        self, method: str, path: str, body: Any, expected: int, headers: dict[str, str] | None = None
    ) -> Any:
        """Send one request and return the decoded answer.

        :raises Refused: another status came back.
        """
        status, found = self.ask(method, path, body, headers)
        if status != expected:
            raise Refused(f"{method} {path} answered {status}: {str(found)[:300]}")
        return found

    def _answer(self, connection: socket.socket) -> tuple[int, bytes]:
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more(connection)
        head = received[:end].decode("latin-1").lower().split("\r\n")
        status = int(head[0].split(" ")[1])
        length = next((line for line in head if line.startswith("content-length:")), None)
        if length is None:
            return status, self._chunks(connection, received[end + 4 :])
        whole = end + 4 + int(length.partition(":")[2])
        parts, size = [received], len(received)
        while size < whole:
            parts.append(self._more(connection))
            size += len(parts[-1])
        return status, b"".join(parts)[end + 4 : whole]

    def _chunks(self, connection: socket.socket, received: bytes) -> bytes:
        """Read a body that comes in chunks (RFC 9112, 7.1), as the bare baseline sends it."""
        while not received.endswith(b"0\r\n\r\n"):
            received += self._more(connection)
        parts = []
        while (size := int(received[: (end := received.index(b"\r\n"))], 16)) > 0:
            parts.append(received[end + 2 : end + 2 + size])
            received = received[end + 4 + size :]
        return b"".join(parts)

    @staticmethod
    def _more(connection: socket.socket) -> bytes:
        found = connection.recv(CHUNK)
        if not found:
            raise Refused("the server closed the connection within an answer")
        return found
