"""The marketplace's own HTTP client of our REST API, and the payer's browser at the network.

Every POST carries an Idempotency-Key that follows from the run and what is done, so a request that was cut
off, by whatever, is simply sent again: until the deadline, with the same key and the same body.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

CONNECT_TIMEOUT_SECONDS = 3.0
READ_TIMEOUT_SECONDS = 60.0
PATIENCE_SECONDS = 300.0
RETRY_PAUSE_SECONDS = (0.1, 0.3, 1.0, 2.0)
PAUSE_SECONDS_MAX = 5.0
PAGE_SIZE = 100
TOO_MANY_REQUESTS = 429
CONFLICT = 409
SERVER_ERROR = 500


class NoAnswer(Exception):
    """The house did not answer within the patience; the message says what was asked and what came last."""


class Refused(Exception):
    """The house answered with an error that the day did not expect."""

    def __init__(self, asked: str, answer: "Answer") -> None:
        super().__init__(
            f"{asked}: {answer.status} {answer.code or ''} {answer.body.get('detail', '')}".strip()
        )
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer: its status, its JSON body, and whether it was a replay of an earlier one."""

    status: int
    body: dict[str, Any]
    is_replay: bool = False

    @property
    def code(self) -> str:
        """The problem's code, empty when it is none."""
        return str(self.body.get("code", "")) if self.status >= 400 else ""


class HttpClient:
    """Sends JSON and retries what may be retried; safe to share between threads."""

    def __init__(
        self,
        url: str,
        bearer: str = "",
        *,
        connections: int,
        patience_seconds: float = PATIENCE_SECONDS,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._patience_seconds = patience_seconds
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {bearer}"} if headers is None else dict(headers),
            timeout=httpx.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            trust_env=False,
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def get(self, path: str, **params: Any) -> Answer:
        """Read something."""
        return self._until_final("GET", path, params=params)

    def post(self, path: str, body: dict[str, Any], key: str = "") -> Answer:
        """Do something, once: `key` is its name."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._until_final("POST", path, json=body, headers=headers)

    def make(self, path: str, body: dict[str, Any], key: str = "") -> dict[str, Any]:
        """Do something that must succeed, and return what it made.

        :raises Refused: it was refused.
        """
        return _good(f"POST {path}", self.post(path, body, key))

    def make_by_form(self, path: str, fields: dict[str, str], key: str = "") -> dict[str, Any]:
        """Do something that must succeed at a house that takes forms, once where it knows a `key`.

        :raises Refused: it was refused.
        """
        headers = {"Idempotency-Key": key} if key else {}
        return _good(f"POST {path}", self._until_final("POST", path, data=fields, headers=headers))

    def put(self, path: str, body: dict[str, Any], key: str) -> Answer:
        """Change something, once: `key` is the name of the change."""
        return self._until_final("PUT", path, json=body, headers={"Idempotency-Key": key})

    def _until_final(self, method: str, path: str, **request: Any) -> Answer:
        deadline = time.monotonic() + self._patience_seconds
        for pause in _pauses():
            answer, retry_after, trouble = self._once(method, path, request)
            if answer is not None:
                return answer
            if time.monotonic() + pause > deadline:
                raise NoAnswer(
                    f"{method} {path}: no final answer in {self._patience_seconds:.0f} s ({trouble})"
                )
            time.sleep(min(max(pause, retry_after), PAUSE_SECONDS_MAX))
        raise AssertionError("the pauses never end")

    def _once(self, method: str, path: str, request: dict[str, Any]) -> tuple[Answer | None, float, str]:
        """Return a final answer, or none with the seconds we are asked to wait and what happened."""
        try:
            response = self._http.request(method, path, **request)
            body = response.json() if response.content and not response.is_redirect else {}
        except httpx.TransportError as error:
            return None, 0.0, type(error).__name__
        except ValueError:
            return None, 0.0, f"HTTP {response.status_code} without JSON"
        if self._is_final(response.status_code, body):
            is_replay = response.headers.get("Idempotency-Replayed") == "true"
            return (
                Answer(response.status_code, body if isinstance(body, dict) else {"data": body}, is_replay),
                0,
                "",
            )
        wait = response.headers.get("Retry-After", "0")
        trouble = f"HTTP {response.status_code} {body.get('code', '') if isinstance(body, dict) else ''}"
        return None, float(wait) if wait.isdigit() else 0.0, trouble.strip()

    @staticmethod
    def _is_final(status: int, body: Any) -> bool:
        if status >= SERVER_ERROR or status == TOO_MANY_REQUESTS:
            return False
        if status == CONFLICT:
            return not (isinstance(body, dict) and body.get("retryable"))
        return True


class Api(HttpClient):
    """Our REST API, as far as the day needs it."""

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield every row of a list, page after page."""
        after: dict[str, str] = {}
        while True:
            answer = self.get(path, limit=PAGE_SIZE, **params, **after)
            if answer.status != httpx.codes.OK:
                raise Refused(f"GET {path}", answer)
            rows = answer.body["data"]
            yield from rows
            if not answer.body["has_more"]:
                return
            after = {"starting_after": rows[-1]["id"]}

    def is_empty(self, path: str) -> bool:
        """Say whether a list has no rows."""
        answer = self.get(path, limit=1)
        if answer.status != httpx.codes.OK:
            raise Refused(f"GET {path}", answer)
        return not answer.body["data"]


class Sandbox(HttpClient):
    """A provider's sandbox as far as every provider has the same."""

    provider: str
    truth_path = "/sim/operations"

    def truth(self, page_size: int) -> Iterator[dict[str, Any]]:
        """Yield every operation as the provider knows it."""
        after = 0
        while True:
            page = self.get(self.truth_path, after=after, limit=page_size).body
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["after"]


class Network(Sandbox):
    """VelocityPay's sandbox as the payer's browser, the bank and the sandbox's operator see it."""

    provider = "velocitypay"
    truth_path = "/sim/truth"

    def token(self, means: dict[str, Any]) -> str:
        """Exchange what the payer typed for a token; our house never sees the number."""
        return str(self.make("/v1/tokens", means)["token"])

    def down(self, is_down: bool) -> None:
        """Let VelocityPay refuse every request for some time; the bank goes on."""
        self.make("/sim/down", {"down": is_down})

    def close_bank_day(self, date: str) -> dict[str, Any]:
        """Let the bank book the day and write its statements."""
        return self.make("/bank/v1/close-day", {"date": date})

    def bank_statements(self, date: str) -> int:
        """Return how many statements the bank has made of a day."""
        return len(self.get("/bank/v1/statements", date=date).body["data"])

    def bank_accounts(self) -> list[dict[str, Any]]:
        """Return the bank's accounts with their balances, as the bank itself keeps them."""
        rows: list[dict[str, Any]] = self.get("/bank/v1/accounts").body["data"]
        return rows


def wait_until(is_done: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Ask again and again until it is so.

    :raises NoAnswer: it was not so in time.
    """
    deadline = time.monotonic() + seconds
    for pause in _pauses():
        if is_done():
            return
        if time.monotonic() > deadline:
            raise NoAnswer(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)


def _good(asked: str, answer: Answer) -> dict[str, Any]:
    """Return what an answer holds.

    :raises Refused: it is an error.
    """
    if answer.status >= 400:
        raise Refused(asked, answer)
    return answer.body


def _pauses() -> Iterator[float]:
    yield from RETRY_PAUSE_SECONDS
    while True:
        yield RETRY_PAUSE_SECONDS[-1]
