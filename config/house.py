"""What one running house consists of: its folder, ports, secrets, environment and programs.

All of it is kept in the data folder, so that a second start finds the same addresses and secrets, and so
that `manage.py` by hand (config.settings.dev) talks to the house that runs.
"""

import contextlib
import http.client
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config import servers
from config.processes import Child

ROOT = Path(__file__).resolve().parent.parent
PREFERRED_PORTS = {"web": 8000, "network": 8090, "postgres": 54320, "valkey": 63790}
FILE = "house.env"
PORTS = "ports.json"
CREDENTIALS = "credentials.json"
DATABASES = ("DATABASE_URL", "MIGRATION_DATABASE_URL")
ADDRESSES = (
    "REDIS_URL", "VELOCITYPAY_URL", "STRIPE_URL", "PAYPAL_URL", "PAYPAL_CERTIFICATE_URL",
    "PAYPAL_CERTIFICATE_ROOTS_FILE", "RAILS_BANK_URL", "RAILS_BANK_API_KEY", "ADYEN_URL",
    "ADYEN_CA_URL", "ADYEN_MERCHANT_ACCOUNT", "ADYEN_RETURN_URL", "RECEIVING_ACCOUNTS", "CHECK_ADDRESS",
    "EVERYCENT_URL",
)  # fmt: skip
WEB_WORKERS = 2
WEB_THREADS = 16  # most of them wait for a provider
WEB_GRACE_SECONDS = 20  # longer than any call to a provider takes

_GENERATED: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "FRAUD_PEPPER": lambda: secrets.token_urlsafe(48),
    "EVENT_SIGNING_KEY": lambda: secrets.token_urlsafe(48),
    "VELOCITYPAY_API_KEY": lambda: f"vp_test_{secrets.token_hex(16)}",
    "VELOCITYPAY_WEBHOOK_SECRET": lambda: f"whsec_{secrets.token_hex(16)}",
    "STRIPE_API_KEY": lambda: f"sk_test_{secrets.token_hex(16)}",
    "STRIPE_WEBHOOK_SECRET": lambda: f"whsec_{secrets.token_hex(16)}",
    "PAYPAL_CLIENT_ID": lambda: f"sandbox_{secrets.token_hex(16)}",
    "PAYPAL_CLIENT_SECRET": lambda: secrets.token_hex(16),
    "PAYPAL_WEBHOOK_ID": lambda: f"WH-{secrets.token_hex(8).upper()}",
    "ADYEN_API_KEY": lambda: f"adyen_test_{secrets.token_hex(16)}",
    "ADYEN_HMAC_KEY": lambda: secrets.token_hex(32),
}
_UNWANTED = ("PYTHON", "GRANIAN_", "CELERY_", "PG")
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy"})


def data_folder() -> Path:
    """Return the folder that holds everything of this house."""
    return Path(os.environ.get("DATA_DIR") or ROOT / ".data").absolute()


def tidy_environment() -> None:
    """Take out of our own environment what would change how children run: Python's, libpq's, proxies."""
    for name in list(os.environ):
        if name.startswith(_UNWANTED) or name.lower() in _PROXIES:
            del os.environ[name]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of all children: secrets from the first start, addresses, nothing odd."""
    kept = read(folder)
    found = dict(os.environ)
    for name, make in _GENERATED.items():
        found.setdefault(name, kept.get(name) or make())
    # The sandbox answers late after 6 s, which must be later than we wait; and it has no limit of calls.
    found.setdefault("PROVIDER_READ_TIMEOUT_SECONDS", "3")
    found.setdefault("PROVIDER_CALLS_PER_SECOND", "1000")
    found.update(
        DJANGO_SETTINGS_MODULE="config.settings.dev",
        DATA_DIR=str(folder),
        PYTHONUNBUFFERED="1",
        PROMETHEUS_MULTIPROC_DIR=str(_empty(folder / "metrics")),
        NO_PROXY="127.0.0.1,localhost",
        no_proxy="127.0.0.1,localhost",
        EVERYCENT_INSTANCE=secrets.token_hex(8),
        EVERYCENT_WEB_PORT=str(port(folder, "web")),
        EVERYCENT_URL=f"http://127.0.0.1:{port(folder, 'web')}",
        VELOCITYPAY_URL=f"http://127.0.0.1:{port(folder, 'network')}",
        STRIPE_URL=f"http://127.0.0.1:{port(folder, 'network')}/stripe",
        PAYPAL_URL=f"http://127.0.0.1:{port(folder, 'network')}/paypal",
        PAYPAL_CERTIFICATE_URL=f"http://127.0.0.1:{port(folder, 'network')}/paypal/v1/notifications/certs/",
        PAYPAL_CERTIFICATE_ROOTS_FILE=str(folder / "network" / "paypal-root.pem"),
        RAILS_BANK_URL=f"http://127.0.0.1:{port(folder, 'network')}/rails",
        RAILS_BANK_API_KEY=found["VELOCITYPAY_API_KEY"],
        ADYEN_URL=f"http://127.0.0.1:{port(folder, 'network')}/adyen/v71",
        ADYEN_CA_URL=f"http://127.0.0.1:{port(folder, 'network')}/adyen",
        ADYEN_MERCHANT_ACCOUNT="EverycentSandbox",
        PAYPAL_RETURN_URL=f"http://127.0.0.1:{port(folder, 'web')}/returns",
        ADYEN_RETURN_URL=f"http://127.0.0.1:{port(folder, 'web')}/returns",
        EMAIL_URL=f"filemail://{folder / 'mail'}",
        # The accounts of the sandbox bank.
        RECEIVING_ACCOUNTS="EUR=DE97700901000000143027,USD=DE47700901000000302813",
        CHECK_ADDRESS="Everycent Sandbox, 1 Example Street, 10115 Berlin",
    )
    return found


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def port(folder: Path, name: str, *, is_fresh: bool = False) -> int:
    """Return the port of one program: that of the last start when free, else the preferred one, else any."""
    chosen = _chosen.get(name)
    if chosen is None or is_fresh:
        ports = read_ports(folder)
        wanted = None if is_fresh else ports.get(name, PREFERRED_PORTS[name])
        chosen = servers.reserve_port(wanted)
        _chosen[name] = ports[name] = chosen
        write_ports(folder, ports)
    return chosen


def read_ports(folder: Path) -> dict[str, int]:
    """Return the ports of the last start, by program."""
    file = folder / PORTS
    ports: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    return ports


def write_ports(folder: Path, ports: dict[str, int]) -> None:
    """Keep the ports for the next start."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PORTS).write_text(json.dumps(ports))


def write(folder: Path, found: dict[str, str]) -> None:
    """Keep secrets and addresses for the next start and for `manage.py` by hand; only we may read them."""
    names = [*_GENERATED, *DATABASES, *ADDRESSES]
    text = "".join(f"{name}={found[name]}\n" for name in names if name in found)
    partial = folder / f"{FILE}.new"
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    partial.replace(folder / FILE)


def read(folder: Path) -> dict[str, str]:
    """Return what the last start has kept."""
    file = folder / FILE
    if not file.exists():
        return {}
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)


def programs(folder: Path, logs: Path, found: dict[str, str]) -> list[Child]:
    """Describe the programs of the house, in the order of their start."""
    web, network = port(folder, "web"), port(folder, "network")

    def python(name: str, *arguments: str, **more: object) -> Child:
        return Child(
            name, [sys.executable, "-m", *arguments], logs / f"{name}.log", found, folder=ROOT, **more  # type: ignore[arg-type]
        )  # fmt: skip

    def worker(name: str, queues: str, processes: int) -> Child:
        return python(
            name, "celery", "-A", "config.celery", "worker", "-Q", queues, "-c", str(processes),
            "-n", f"{name}@{found['EVERYCENT_INSTANCE']}", "--without-gossip", "--without-mingle",
        )  # fmt: skip

    children = [
        python(
            "web", "granian", "--interface", "wsgi", "config.wsgi:application", "--host", "127.0.0.1",
            "--port", str(web), "--workers", str(WEB_WORKERS), "--blocking-threads", str(WEB_THREADS),
            "--no-access-log", "--log-level", "warning", "--respawn-failed-workers",
            # One that is told to end while it starts would never hear of it, and be waited for for ever.
            "--workers-kill-timeout", str(WEB_GRACE_SECONDS),
            is_ready=lambda: answers(web, "/healthz", found["EVERYCENT_INSTANCE"]),
        ),
        worker("worker-money", "money", 2),
        # Of its own: behind a report that takes long, what a provider tells of money would wait as long.
        worker("worker-callbacks", "webhook_in", 1),
        worker("worker-other", "webhook_out,reports", 1),
        python("beat", "celery", "-A", "config.celery", "beat", "--pidfile="),
    ]  # fmt: skip
    if (ROOT / "payments" / "simulator" / "__main__.py").exists():
        children.insert(
            0,
            python(
                "network", "payments.simulator", "--port", str(network), "--data", str(folder / "network"),
                "--callback-url", f"http://127.0.0.1:{web}/webhooks/velocitypay/",
                "--stripe-callback-url", f"http://127.0.0.1:{web}/webhooks/stripe/",
                "--paypal-callback-url", f"http://127.0.0.1:{web}/webhooks/paypal/",
                "--adyen-callback-url", f"http://127.0.0.1:{web}/webhooks/adyen/",
                is_ready=lambda: answers(network, "/v1/health"),
            ),
        )  # fmt: skip
    return children


def day_arguments(folder: Path, wishes: dict[str, str]) -> list[str]:
    """Return the management command of the day, with the caller's wishes."""
    arguments = ["run_day"]
    for name, option in (("DAYS", "--days"), ("ORDERS", "--orders"), ("SEED", "--seed")):
        if name in wishes:
            arguments += [option, str(Path(wishes[name]).absolute()) if name == "ORDERS" else wishes[name]]
    return arguments


def has_day() -> bool:
    """Say whether this checkout has the command that takes the day."""
    return (ROOT / "config/management/commands/run_day.py").exists()


def answers(at_port: int, path: str, expected: str = "") -> bool:
    """Say whether a program of ours answers on the port: status 200 and the expected word in its body."""
    connection = http.client.HTTPConnection("127.0.0.1", at_port, timeout=2)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status == 200 and expected in response.read(4096).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def greet(folder: Path, found: dict[str, str], seconds: float) -> None:
    """Print where everything is, how to get in, and a request that works when pasted."""
    url, network = found["EVERYCENT_URL"], port(folder, "network")
    known = credentials(folder)
    lines = [
        f"ready after {seconds:.0f} s",
        f"  dashboard, admin  {url}/admin/",
        f"  API docs          {url}/api/docs/",
        f"  health            {url}/readyz",
        f"  payment network   {found['VELOCITYPAY_URL']}",
        f"  logs              {folder / 'logs'}",
        *(f"  user              {name:8} password {word}" for name, word in known.get("staff", {}).items()),
    ]
    if known.get("api_key"):
        lines += [
            f"  sandbox API key   {known['api_key']}",
            "  try it:",
            _curl(url, known["api_key"], _token(network)),
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def credentials(folder: Path) -> dict[str, Any]:
    """Return the demo credentials that the seed has kept."""
    file = folder / CREDENTIALS
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return kept


def _token(network: int) -> str:
    """Ask the network, as the payer's browser would, for a token of a test card that is always approved."""
    body = json.dumps({"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"})
    headers = {"Authorization": "Bearer vp_pub_development_key", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", network, timeout=5)
    try:
        connection.request("POST", "/v1/tokens", body, headers)
        return str(json.loads(connection.getresponse().read())["token"])
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return "vpt_ask_the_network"  # the line is an example; the house runs all the same
    finally:
        connection.close()


def _curl(url: str, key: str, token: str) -> str:
    body = {
        "amount": {"amount": 1999, "currency": "USD"},
        "order_id": "demo-1",
        "customer_id": "carla",
        "payment_method": {"type": "card", "token": token},
        "confirm": True,
    }
    return (
        f"curl -s --noproxy '*' {url}/api/v1/payments/core/ -H 'Authorization: Bearer {key}' "
        f"-H 'Content-Type: application/json' -H \"Idempotency-Key: demo-$(date +%s)\" "
        f"-d '{json.dumps(body)}'"
    )


_chosen: dict[str, int] = {}
