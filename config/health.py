"""`/healthz` (this process answers) and `/readyz` (it can do its work: database, broker, outbox, operations,
callbacks).

Readiness gives figures with each verdict; one bad part makes the whole 503. The probes are cheap: they are
asked every few seconds by a load balancer.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Count, Min, Q
from django.http import HttpRequest, JsonResponse

from ledger import clock
from ledger import outbox as ledger_outbox
from payments import selectors, webhook_selectors
from payments.states import OPEN

BROKER_TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True)
class Verdict:
    """What a probe found: whether it holds, and the figures behind it."""

    is_good: bool
    figures: dict[str, object]


def healthz(_request: HttpRequest) -> JsonResponse:
    """Say that this process answers; nothing else is asked."""
    return JsonResponse({"status": "ok", "instance": settings.INSTANCE})


def readyz(_request: HttpRequest) -> JsonResponse:
    """Ask every part and answer 200 when all hold, else 503."""
    verdicts = {name: probe() for name, probe in PROBES.items()}
    is_good = all(verdict.is_good for verdict in verdicts.values())
    body = {
        "status": "ready" if is_good else "not ready",
        "parts": {name: {"ok": v.is_good, **v.figures} for name, v in verdicts.items()},
    }
    return JsonResponse(body, status=200 if is_good else 503)


def database() -> Verdict:
    """Time one round trip to PostgreSQL."""
    began = time.perf_counter()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError as error:
        return Verdict(False, {"error": type(error).__name__})
    return Verdict(True, {"ms": round((time.perf_counter() - began) * 1000, 1)})


def broker() -> Verdict:
    """Time one PING to the broker."""
    began = time.perf_counter()
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=BROKER_TIMEOUT_SECONDS,
        socket_connect_timeout=BROKER_TIMEOUT_SECONDS,
    )
    try:
        client.ping()
    except redis.RedisError as error:
        return Verdict(False, {"error": type(error).__name__})
    finally:
        client.close()
    return Verdict(True, {"ms": round((time.perf_counter() - began) * 1000, 1)})


def outbox() -> Verdict:
    """Say how long the oldest news has waited for delivery."""
    try:
        seconds = ledger_outbox.lag_seconds(clock.now())
    except DatabaseError as error:
        return Verdict(False, {"error": type(error).__name__})
    limit = settings.READY_OUTBOX_LAG_SECONDS_MAX
    return Verdict(seconds <= limit, {"oldest_seconds": round(seconds, 1), "limit_seconds": limit})


def operations() -> Verdict:
    """Say whether open provider operations are asked about in time, and how many wait for a person.

    A network that is away is no fault of ours: its operations are asked about all the same.
    """
    now = clock.now()
    rows = selectors.operations(selectors.ALL).filter(concluded_at=None).select_related(None)
    try:
        found = rows.aggregate(
            open=Count("pk"), held=Count("pk", filter=Q(ask_at=None)), oldest=Min("ask_at")
        )
        contradicted = selectors.contradictions(selectors.ALL).filter(state=OPEN).count()
    except DatabaseError as error:
        return Verdict(False, {"error": type(error).__name__})
    late = max(0.0, (now - found["oldest"]).total_seconds()) if found["oldest"] else 0.0
    limit = settings.READY_OPERATION_LATE_SECONDS_MAX
    figures = {"open": found["open"], "held": found["held"], "late_seconds": round(late, 1)}
    figures["contradicted"] = contradicted
    return Verdict(late <= limit, {**figures, "limit_seconds": limit})


def callbacks() -> Verdict:
    """Say how late the oldest provider's message is that is not applied, and how many were given up."""
    try:
        late, dead = webhook_selectors.webhook_backlog(clock.now())
    except DatabaseError as error:
        return Verdict(False, {"error": type(error).__name__})
    limit = settings.READY_CALLBACK_LATE_SECONDS_MAX
    return Verdict(late <= limit, {"late_seconds": round(late, 1), "dead": dead, "limit_seconds": limit})


PROBES: dict[str, Callable[[], Verdict]] = {
    "database": database,
    "broker": broker,
    "outbox": outbox,
    "operations": operations,
    "callbacks": callbacks,
}
