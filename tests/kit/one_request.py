"""A web worker's life in one request, as a process of its own that a crash point may kill.

    python -m tests.kit.one_request URLCONF METHOD PATH API_KEY IDEMPOTENCY_KEY BODY

Prints the status and, on the next line, the body. The database is the one of DATABASE_URL.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 60


def run(
    urlconf: str, method: str, path: str, plaintext: str, key: str, body: str, crashpoints: Path | None = None
) -> "subprocess.CompletedProcess[bytes]":
    """Serve one request in a child process, on the database of the running test."""
    from django.db import connection

    named: dict[str, Any] = connection.settings_dict
    url = f"postgresql://{named['USER']}:{named['PASSWORD']}@{named['HOST']}:{named['PORT']}/{named['NAME']}"
    environment = {
        **os.environ,
        "DATABASE_URL": url.replace(":@", "@"),
        "CRASHPOINT_DIR": str(crashpoints or ""),
    }
    return subprocess.run(
        [sys.executable, "-m", "tests.kit.one_request", urlconf, method, path, plaintext, key, body],
        env=environment,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def main(urlconf: str, method: str, path: str, plaintext: str, key: str, body: str) -> None:
    """Serve the request and print the answer."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    django.setup()
    from django.conf import settings

    from tests.kit.api_client import MerchantClient

    settings.ROOT_URLCONF = urlconf
    response = MerchantClient(plaintext).send(method, path, body.encode(), key=key)
    sys.stdout.write(f"{response.status_code}\n{response.content.decode()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
