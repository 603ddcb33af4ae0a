"""A merchant's callback endpoint for tests: keeps what arrives, answers as told."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass(frozen=True, slots=True)
class Letter:
    """One delivery."""

    headers: dict[str, str]
    body: bytes


class Inbox:
    """An HTTP server on loopback; used as a block. `answer` is the status it gives."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.answer = 200
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/webhooks/velocitypay/"

    def __enter__(self) -> "Inbox":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                inbox.letters.append(Letter(dict(self.headers.items()), body))
                self.send_response(inbox.answer)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
