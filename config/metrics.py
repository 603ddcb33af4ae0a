"""The scrape endpoint `/metrics`, and what the roof itself counts.

Counters of the floors live with them (`ledger.metrics`); all are in the default registry. With several web
processes each answers for itself, so a scraper sees one of them; PROMETHEUS_MULTIPROC_DIR, when set, joins
them.
"""

import os

from django.http import HttpRequest, HttpResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from config import health

REQUESTS = Counter("everycent_requests_total", "Requests answered", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "everycent_request_seconds",
    "Time to answer a request",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request; an invented method is counted as `other`."""
    method = method if method in _METHODS else "other"
    REQUESTS.labels(method, route, str(status)).inc()
    REQUEST_SECONDS.labels(method, route).observe(seconds)


def scrape(_request: HttpRequest) -> HttpResponse:
    """Answer with all counters, and the figures of readiness as gauges, in the Prometheus text format."""
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    text = generate_latest(registry) + generate_latest(_readiness())
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def _readiness() -> CollectorRegistry:
    registry = CollectorRegistry()
    is_ready = Gauge("everycent_ready", "1 when the part can do its work", ["part"], registry=registry)
    figure = Gauge("everycent_ready_figure", "A figure of /readyz", ["part", "figure"], registry=registry)
    for part, probe in health.PROBES.items():
        verdict = probe()
        is_ready.labels(part).set(verdict.is_good)
        for name, value in verdict.figures.items():
            if isinstance(value, int | float):
                figure.labels(part, name).set(value)
    return registry
