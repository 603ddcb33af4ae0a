"""The sandbox network as a real one: scripted latency, of which each payment's share is known, and faults.

Latency is log-normal with the median and the 99th percentile of the brief. The network picks each payment's
from the table that it is given (`payments/simulator/latency.py`), so what the house adds can be said payment
by payment: its whole time less the network's.
"""

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import NormalDist
from typing import Any, Final

import httpx
from django.conf import settings

from config.bench.load import Figures

P50_MS: Final = 120
P99_MS: Final = 380
FAULTS_OF_1000: Final = 7
TABLE_LENGTH: Final = 1_000
FAULTS: Final = ("500_after", "reset_after", "unavailable", "500_before", "truncated_json")


def table() -> list[int]:
    """Return the latencies of the network in milliseconds, each as likely as the others."""
    normal = NormalDist()
    sigma = math.log(P99_MS / P50_MS) / normal.inv_cdf(0.99)
    places = ((number + 0.5) / TABLE_LENGTH for number in range(TABLE_LENGTH))
    return [round(P50_MS * math.exp(sigma * normal.inv_cdf(place))) for place in places]


def of_network(payment_id: str, latencies: list[int]) -> int:
    """Return the milliseconds that the network took for a payment."""
    place = int.from_bytes(hashlib.sha256(payment_id.encode()).digest()[:4], "big")
    return latencies[place % len(latencies)]


@contextmanager
def as_real(latencies: list[int], tokens: tuple[str, ...]) -> Iterator[httpx.Client]:
    """Let the network be slow, and let seven in a thousand of these cards meet a fault, for the block."""
    bearer = {"Authorization": f"Bearer {settings.VELOCITYPAY_API_KEY}"}
    every = 1_000 // FAULTS_OF_1000
    with httpx.Client(base_url=settings.VELOCITYPAY_URL, headers=bearer, timeout=10) as network:
        _post(network, "/sim/latency", {"table": latencies})
        for number, token in enumerate(tokens[every // 2 :: every]):
            script = {"match": {"token": token}, "faults": [FAULTS[number % len(FAULTS)]]}
            _post(network, "/sim/faults", script)
        try:
            yield network
        finally:
            _post(network, "/sim/latency", {"ms": 0})


def faults_fired(network: httpx.Client) -> int:
    """Return how many faults the network has met requests with."""
    hits: dict[str, int] = network.get("/sim/faults").raise_for_status().json()["hits"]
    return sum(count for name, count in hits.items() if name in FAULTS)


def added_ms(figures: Figures, latencies: list[int]) -> tuple[float, ...]:
    """Return what the house added to the network's time, for each payment that is known to be paid."""
    return tuple(
        whole - of_network(payment_id, latencies)
        for whole, (_, payment_id, is_paid) in zip(figures.latencies_ms, figures.answers, strict=True)
        if is_paid
    )


def _post(network: httpx.Client, path: str, body: dict[str, Any]) -> None:
    network.post(path, json=body).raise_for_status()
