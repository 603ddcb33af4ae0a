"""`python -m payments.simulator --port 8090 --data FOLDER`: serve the sandbox network until told to stop."""

import argparse
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from payments.simulator.adyen.desk import Rules as AdyenRules
from payments.simulator.adyen.face import Keys as AdyenKeys
from payments.simulator.app import ADYEN, PAYPAL, STRIPE, Application, Options
from payments.simulator.paypal.desk import Rules as PayPalRules
from payments.simulator.paypal.face import Keys as PayPalKeys
from payments.simulator.stripe.desk import Rules
from payments.simulator.stripe.face import Keys

THREADS = 96
"""Blocking threads: a late answer holds one for --late-seconds."""
DEVELOPMENT_WEBHOOK_SECRET = os.environ.get(
    "VELOCITYPAY_WEBHOOK_SECRET", "whsec_ZGV2ZWxvcG1lbnQtb25seS13ZWJob29rLXNlY3JldA=="
)
DEVELOPMENT_STRIPE_SECRET = os.environ.get("STRIPE_WEBHOOK_SECRET", "whsec_development_only").split()


def main() -> None:
    """Read the arguments and serve."""
    arguments = _parser().parse_args()
    if arguments.end_with_parent:
        _watch(os.getppid())
    options = Options(
        api_key=arguments.api_key,
        public_key=arguments.public_key,
        callback_url=arguments.callback_url,
        webhook_secrets=tuple(arguments.webhook_secret or [DEVELOPMENT_WEBHOOK_SECRET]),
        late_seconds=arguments.late_seconds,
        pending_seconds=arguments.pending_seconds,
        stripe=Keys(
            arguments.stripe_api_key,
            arguments.stripe_public_key,
            tuple(arguments.stripe_webhook_secret or DEVELOPMENT_STRIPE_SECRET),
            arguments.stripe_callback_url,
            arguments.late_seconds,
        ),
        stripe_rules=Rules(
            pending_seconds=arguments.pending_seconds,
            challenge_seconds=arguments.challenge_seconds,
            url=f"http://{arguments.host}:{arguments.port}{STRIPE}",
            sends_events=bool(arguments.stripe_callback_url),
        ),
        paypal=PayPalKeys(
            arguments.paypal_client_id,
            arguments.paypal_client_secret,
            arguments.paypal_webhook_id,
            arguments.paypal_callback_url,
            arguments.late_seconds,
        ),
        paypal_rules=PayPalRules(
            pending_seconds=arguments.pending_seconds,
            url=f"http://{arguments.host}:{arguments.port}{PAYPAL}",
            sends_events=bool(arguments.paypal_callback_url),
        ),
        challenge_seconds=arguments.challenge_seconds,
        adyen=AdyenKeys(arguments.adyen_api_key, arguments.adyen_callback_url, arguments.late_seconds),
        adyen_rules=AdyenRules(
            pending_seconds=arguments.pending_seconds,
            challenge_seconds=arguments.challenge_seconds,
            url=f"http://{arguments.host}:{arguments.port}{ADYEN}",
            account=arguments.adyen_merchant_account,
            hmac_key=arguments.adyen_hmac_key,
            sends_webhooks=bool(arguments.adyen_callback_url),
        ),
    )
    server = Granian(
        "payments.simulator",
        address=arguments.host,
        port=arguments.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        blocking_threads=THREADS,
        backpressure=THREADS * 2,
        workers_kill_timeout=2,
        log_level=LogLevels.error,
    )
    server.serve(target_loader=_loader(arguments.data, options), wrap_loader=False)


def _loader(folder: Path, options: Options) -> Callable[..., Any]:
    parent = os.getpid()

    def load(*_: object) -> Application:
        # Runs in granian's worker process: SQLite and threads must be made there, not before the fork.
        _watch(parent)
        application = Application(folder, options)
        application.start()
        return application

    return load


def _watch(parent: int) -> None:
    threading.Thread(target=_end_with, args=(parent,), name="parent-watch", daemon=True).start()


def _end_with(parent: int) -> None:
    # After kill -9 of the parent this process would keep the port for ever.
    while os.getppid() == parent:
        time.sleep(0.1)
    os._exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m payments.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--data", type=Path, required=True, help="folder of the network's own SQLite file")
    parser.add_argument(
        "--callback-url", default="", help="where callbacks are POSTed; none are made without it"
    )
    parser.add_argument("--api-key", default=os.environ.get("VELOCITYPAY_API_KEY", "vp_test_development_key"))
    parser.add_argument(
        "--public-key", default="vp_pub_development_key", help="for POST /v1/tokens from a browser"
    )
    parser.add_argument(
        "--webhook-secret",
        action="append",
        help="whsec_… to sign callbacks with; repeat it to sign with several (rotation)",
    )
    parser.add_argument("--late-seconds", type=float, default=6.0, help="delay of a late answer")
    parser.add_argument("--pending-seconds", type=float, default=1.0, help="how long pending lasts")
    parser.add_argument("--challenge-seconds", type=float, default=600.0, help="how long a 3-D Secure waits")
    parser.add_argument(
        "--stripe-api-key", default=os.environ.get("STRIPE_API_KEY", "sk_test_development_key")
    )
    parser.add_argument("--stripe-public-key", default="pk_test_development_key", help="for browsers")
    parser.add_argument("--stripe-callback-url", default="", help="where Stripe's events are POSTed")
    parser.add_argument("--stripe-webhook-secret", action="append", help="to sign Stripe's events with")
    _add_paypal(parser)
    _add_adyen(parser)
    parser.add_argument("--end-with-parent", action="store_true", help="end when the starting process ends")
    return parser


def _add_paypal(parser: argparse.ArgumentParser) -> None:
    env, default = os.environ.get, PayPalKeys()
    for name, value in (
        ("client-id", env("PAYPAL_CLIENT_ID", default.client_id)),
        ("client-secret", env("PAYPAL_CLIENT_SECRET", default.secret)),
        ("webhook-id", env("PAYPAL_WEBHOOK_ID", default.webhook_id)),
    ):
        parser.add_argument(f"--paypal-{name}", default=value)
    parser.add_argument("--paypal-callback-url", default="", help="where PayPal's events are POSTed")


def _add_adyen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--adyen-api-key", default=os.environ.get("ADYEN_API_KEY") or "adyen_test_development_key"
    )
    parser.add_argument(
        "--adyen-merchant-account", default=os.environ.get("ADYEN_MERCHANT_ACCOUNT") or "EverycentSandbox"
    )
    parser.add_argument("--adyen-callback-url", default="", help="where Adyen's webhooks are POSTed")
    parser.add_argument(
        "--adyen-hmac-key",
        default=os.environ.get("ADYEN_HMAC_KEY", "").split(" ")[0] or "00" * 32,
        help="hex, to sign Adyen's webhooks with",
    )


if __name__ == "__main__":
    main()
