"""A real sandbox network for tests: `python -m payments.simulator` on a free port of loopback.

One process serves a whole test run (each worker's own); a test gets it clean of faults, and makes its own
keys and references. Tests that stop or kill it start one of their own with `started_network`.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from config.servers import reserve_port
from payments.providers import registry
from payments.services.routes import provider_health
from payments.simulator import scenarios
from tests.kit.shared import ROOT

API_KEY = "vp_test_key_of_the_tests"
PUBLIC_KEY = "vp_pub_key_of_the_tests"
ADYEN_API_KEY = "adyen_test_key_of_the_tests"
ADYEN_ACCOUNT = "EverycentTests"
ADYEN_HMAC_KEY = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
STRIPE_API_KEY = "sk_test_key_of_the_tests"
STRIPE_WEBHOOK_SECRET = "whsec_stripe_secret_of_the_tests"
PAYPAL_CLIENT_ID = "paypal_client_of_the_tests"
PAYPAL_SECRET = "paypal_secret_of_the_tests"
PAYPAL_WEBHOOK_ID = "WH-OF-THE-TESTS"
WEBHOOK_SECRET = "whsec_dGhlLXNlY3JldC1vZi10aGUtdGVzdHM="
LATE_SECONDS = 1.8
READ_TIMEOUT_SECONDS = 1.0  # an ordinary answer comes in time on a busy machine too
PENDING_SECONDS = 0.3
START_SECONDS = 60.0

Value = TypeVar("Value")


class Network:
    """The sandbox process, its operator's face, and a payer's browser."""

    def __init__(
        self,
        folder: Path,
        *,
        callback_url: str = "",
        stripe_callback_url: str = "",
        paypal_callback_url: str = "",
        adyen_callback_url: str = "",
    ) -> None:
        self.folder = folder
        self.callback_url = callback_url
        self.stripe_callback_url = stripe_callback_url
        self.paypal_callback_url = paypal_callback_url
        self.adyen_callback_url = adyen_callback_url
        self.port = reserve_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.faces: dict[str, Callable[[], None]] = {}
        self.client = httpx.Client(
            base_url=self.url, headers={"authorization": f"Bearer {API_KEY}"}, timeout=15, trust_env=False
        )

    def start(self) -> None:
        """Start the process on its folder and wait until it answers."""
        arguments = [
            sys.executable, "-m", "payments.simulator", "--port", str(self.port), "--data", str(self.folder),
            "--api-key", API_KEY, "--public-key", PUBLIC_KEY, "--webhook-secret", WEBHOOK_SECRET,
            "--late-seconds", str(LATE_SECONDS), "--pending-seconds", str(PENDING_SECONDS),
            "--end-with-parent", "--stripe-api-key", STRIPE_API_KEY,
            "--stripe-webhook-secret", STRIPE_WEBHOOK_SECRET,
            "--stripe-callback-url", self.stripe_callback_url,
            "--paypal-client-id", PAYPAL_CLIENT_ID, "--paypal-client-secret", PAYPAL_SECRET,
            "--paypal-webhook-id", PAYPAL_WEBHOOK_ID, "--paypal-callback-url", self.paypal_callback_url,
            "--adyen-api-key", ADYEN_API_KEY, "--adyen-merchant-account", ADYEN_ACCOUNT,
            "--adyen-hmac-key", ADYEN_HMAC_KEY, "--adyen-callback-url", self.adyen_callback_url,
        ]  # fmt: skip
        if self.callback_url:
            arguments += ["--callback-url", self.callback_url]
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                arguments, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        eventually(self._answers, "the sandbox network answers", within=START_SECONDS)

    def stop(self) -> None:
        """End it as an operator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it and its worker with kill -9."""
        self._end(signal.SIGKILL)

    def card(self, scenario: str = "visa") -> dict[str, Any]:
        """A token for the test card of a scenario, as a payer's browser gets it."""
        number = scenarios.BY_NAME[scenario].number
        return self.tokenized({"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"})

    def bank(self, scenario: str = "bank_ok") -> dict[str, Any]:
        """A token for the test IBAN of a scenario."""
        return self.tokenized({"iban": scenarios.BY_NAME[scenario].number})

    def coins(self) -> dict[str, Any]:
        """A token for a payer in coins."""
        return self.tokenized({"network": "bitcoin", "address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"})

    def act(self, page: str, result: str = "authenticated") -> httpx.Response:
        """What a customer does on the page of a challenge."""
        return self.client.post(page, params={"result": result})

    def script(self, *faults: str, nth: int = 1, **match: str) -> int:
        """Let the matching requests meet these faults, in turn."""
        answer = self._post("/sim/faults", {"match": match, "faults": list(faults), "nth": nth})
        return int(answer["id"])

    def faults(self) -> dict[str, int]:
        """How often each fault, `scenario:<name>` and `script:<id>` fired."""
        hits: dict[str, int] = self._get("/sim/faults")["hits"]
        return hits

    def clear(self) -> None:
        """Drop scripts, latency and downtime, of the faces looked at too; operations and hit counts stay."""
        self.client.delete("/sim/faults").raise_for_status()
        for clear in self.faces.values():
            clear()

    def reset(self) -> None:
        """Forget everything: only for a network of the test's own."""
        self._post("/sim/reset", {})

    def down(self, is_down: bool = True) -> None:
        """Refuse every request with 503 not_processed."""
        self._post("/sim/down", {"down": is_down})

    def latency(self, milliseconds: int) -> None:
        """Delay every answer."""
        self._post("/sim/latency", {"ms": milliseconds})

    def feed(self, **script: Any) -> None:
        """Script the rate feed: stale_seconds, missing, factors, down; nothing: as it should be."""
        self._post("/sim/fx", script)

    def truth(self, **wanted: Any) -> list[dict[str, Any]]:
        """The network's operations whose fields are as wanted: truth(reference="pay_…", kind="capture")."""
        found: list[dict[str, Any]] = []
        page = {"after": 0, "has_more": True}
        while page["has_more"]:
            page = self._get(f"/sim/truth?after={page['after']}")
            found += [
                row for row in page["data"] if all(row[name] == value for name, value in wanted.items())
            ]
        return found

    def close_day(self, day: str) -> list[dict[str, Any]]:
        """End the bank's day; the statements it made."""
        made: list[dict[str, Any]] = self._post("/bank/v1/close-day", {"date": day})["data"]
        return made

    def callbacks(self) -> dict[str, Any]:
        """Counts of waiting and delivered callbacks, and the last of them."""
        return self._get("/sim/callbacks")

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"the sandbox network ended: {(self.folder / 'log').read_text()[-1000:]}")
        try:
            return self.client.get("/v1/health").status_code == 200
        except httpx.TransportError:
            return False

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        if how is signal.SIGKILL:
            os.killpg(self.process.pid, how)
        else:
            self.process.send_signal(how)
        self.process.wait(timeout=15)
        self.process = None

    def tokenized(self, body: dict[str, Any]) -> dict[str, Any]:
        """A token for what a payer types into the network's form."""
        headers = {"authorization": f"Bearer {PUBLIC_KEY}"}
        token: dict[str, Any] = (
            self.client.post("/v1/tokens", json=body, headers=headers).raise_for_status().json()
        )
        return token

    def _post(self, path: str, body: dict[str, object]) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.post(path, json=body).raise_for_status().json()
        return answer

    def _get(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get(path).raise_for_status().json()
        return answer


def eventually(condition: Callable[[], Value], what: str, *, within: float = 60.0) -> Value:
    """Poll until a condition holds and return its value; fail with a sentence when it does not in time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    pytest.fail(f"not within {within:g} s: {what}")


@contextmanager
def started_network(
    folder: Path,
    *,
    callback_url: str = "",
    stripe_callback_url: str = "",
    paypal_callback_url: str = "",
    adyen_callback_url: str = "",
) -> Iterator[Network]:
    """A network of the test's own, for the length of the block."""
    network = Network(
        folder,
        callback_url=callback_url,
        stripe_callback_url=stripe_callback_url,
        paypal_callback_url=paypal_callback_url,
        adyen_callback_url=adyen_callback_url,
    )
    network.start()
    try:
        yield network
    finally:
        network.stop()
        network.client.close()


@pytest.fixture(scope="session")
def network_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """The network that a test run shares."""
    with started_network(tmp_path_factory.mktemp("network")) as network:
        yield network


@pytest.fixture
def network(network_process: Network, settings: Any) -> Iterator[Network]:
    """The shared network without faults, and the provider's adapter pointed at it with short timeouts."""
    point_adapter_at(network_process, settings)
    network_process.clear()
    yield network_process
    network_process.clear()
    network_process.faces.clear()
    registry.reset()


def point_adapter_at(network: Network, settings: Any) -> None:
    """Let all adapters of the registry speak to this network."""
    settings.VELOCITYPAY_URL = network.url
    settings.STRIPE_URL, settings.STRIPE_API_KEY = f"{network.url}/stripe", STRIPE_API_KEY
    settings.STRIPE_WEBHOOK_SECRET = STRIPE_WEBHOOK_SECRET
    settings.PAYPAL_URL, settings.PAYPAL_WEBHOOK_ID = f"{network.url}/paypal", PAYPAL_WEBHOOK_ID
    settings.PAYPAL_CLIENT_ID, settings.PAYPAL_CLIENT_SECRET = PAYPAL_CLIENT_ID, PAYPAL_SECRET
    settings.PAYPAL_CERTIFICATE_URL = f"{network.url}/paypal/v1/notifications/certs/"
    settings.PAYPAL_CERTIFICATE_ROOTS = network.folder / "paypal-root.pem"
    settings.ADYEN_URL, settings.ADYEN_API_KEY = f"{network.url}/adyen/v71", ADYEN_API_KEY
    settings.ADYEN_MERCHANT_ACCOUNT, settings.ADYEN_HMAC_KEY = ADYEN_ACCOUNT, ADYEN_HMAC_KEY
    settings.ADYEN_CA_URL = f"{network.url}/adyen"
    settings.ADYEN_RETURN_URL = "http://testserver/returns"
    settings.VELOCITYPAY_API_KEY = API_KEY
    settings.RECEIVING_ACCOUNTS, settings.CHECK_ADDRESS = {}, ""
    settings.RAILS_BANK_URL = ""  # tests of the rails set it: `rails` in tests/kit/rails.py
    settings.FX_FEED_URL, settings.FX_FEED_API_KEY = network.url, API_KEY
    settings.VELOCITYPAY_WEBHOOK_SECRET = WEBHOOK_SECRET
    settings.PROVIDER_READ_TIMEOUT_SECONDS = READ_TIMEOUT_SECONDS
    settings.PROVIDER_CALLS_PER_SECOND = 10_000
    registry.reset()
    provider_health.watch().forget()  # what another test saw of the providers must not choose here
