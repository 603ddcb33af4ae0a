"""The figures of the admin's index: what happened today, what waits for a person, what is wrong.

Each figure is shown only to who may see its rows. The queries are few and do not grow with the data they
count: the last day of payments is found by the time in their keys, waiting rows by partial indexes.
"""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncHour

from fraud.models import FraudReview
from fraud.states import ReviewState
from ledger import clock, outbox
from ledger.admin import formats
from ledger.models import AmlAlert, Job, OutboxMessage
from payments.models import Contradiction, Payment, ProviderOperation, Refund
from settlements.models import Break, SettlementBatch

HOURS_SHOWN: Final = 24
LAG_ALARM_SECONDS: Final = 60.0
TAKEN: Final = ("captured", "completed", "partly_captured", "authorized")
REFUSED: Final = ("failed", "rejected", "expired", "cancelled")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its words; `is_alarm` marks what somebody must look at."""

    value: Any
    words: str
    link: str = ""
    is_alarm: bool = False


def figures(user: Any) -> dict[str, Any]:
    """Return what the index shows to a person."""
    at = clock.now()
    context: dict[str, Any] = {"waiting": list(_waiting(user, at)), "hours_shown": HOURS_SHOWN}
    if user.has_perm("payments.view_payment"):
        context |= _last_day(at)
    return context


def _waiting(user: Any, at: datetime) -> Iterable[Figure]:
    if user.has_perm("fraud.view_fraudreview"):
        number = FraudReview.objects.filter(state=ReviewState.OPEN).count()
        yield Figure(number, "reviews wait for a person", "/admin/fraud/fraudreview/?state=open")
    if user.has_perm("ledger.view_amlalert"):
        number = AmlAlert.objects.filter(state="open").count()
        yield Figure(number, "laundering alerts wait for a person", "/admin/ledger/amlalert/?state=open")
    if user.has_perm("payments.view_refund"):
        number = Refund.objects.filter(state="requested").count()
        yield Figure(number, "refunds wait for approval", "/admin/payments/refund/?state=requested")
    if user.has_perm("payments.view_provideroperation"):
        yield from _operations(at)
    if user.has_perm("settlements.view_break"):
        number = Break.objects.filter(state="open").count()
        yield Figure(number, "breaks with the bank", "/admin/settlements/break/?state=open", number > 0)
    if user.has_perm("settlements.view_settlementbatch"):
        number = SettlementBatch.objects.filter(state="closed").count()
        link = "/admin/settlements/settlementbatch/?state=closed"
        yield Figure(number, "batches wait to be paid", link)
    if user.has_perm("ledger.view_outboxmessage"):
        yield from _machinery(at)


def _operations(at: datetime) -> Iterable[Figure]:
    still_open = Q(concluded_at__isnull=True)
    counted = ProviderOperation.objects.filter(still_open).aggregate(
        open=Count("id"),
        held=Count("id", filter=Q(ask_at__isnull=True)),
        old=Count("id", filter=Q(created_at__lt=at - timedelta(seconds=LAG_ALARM_SECONDS))),
    )
    link = "/admin/payments/provideroperation/?standing="
    yield Figure(counted["open"], "operations open at the network", f"{link}open", counted["old"] > 0)
    yield Figure(counted["held"], "operations held for a person", f"{link}held", counted["held"] > 0)
    against = Contradiction.objects.filter(state="open").count()
    yield Figure(against, "operations contradicted by their provider", f"{link}contradicted", against > 0)


def _machinery(at: datetime) -> Iterable[Figure]:
    lag = outbox.lag_seconds(at)
    yield Figure(
        formats.duration(lag),
        "oldest news not delivered",
        "/admin/ledger/outboxmessage/",
        lag > LAG_ALARM_SECONDS,
    )
    dead = OutboxMessage.objects.filter(dead_at__isnull=False, sent_at=None).count()
    dead += Job.objects.filter(dead_at__isnull=False, finished_at=None).count()
    yield Figure(
        dead, "messages and jobs given up", "/admin/ledger/outboxmessage/?dead_at__isempty=0", dead > 0
    )


def _last_day(at: datetime) -> dict[str, Any]:
    since = at.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS_SHOWN - 1)
    payments = Payment.objects.filter(pk__gte=first_key_of(since), created_at__gte=since)
    taken, refused = Q(state__in=TAKEN), Q(state__in=REFUSED)
    by_currency: list[Any] = list(
        payments.values("currency")
        .annotate(
            number=Count("id"),
            taken=Count("id", filter=taken),
            refused=Count("id", filter=refused),
            captured=Sum("captured_minor"),
            refunded=Sum("refunded_minor"),
        )
        .order_by("-number")
    )
    by_hour: dict[datetime, Any] = {
        row["hour"]: row
        for row in payments.annotate(hour=TruncHour("created_at"))
        .values("hour")
        .annotate(taken=Count("id", filter=taken), refused=Count("id", filter=refused), number=Count("id"))
    }
    return {
        "currencies": [_currency_row(row) for row in by_currency],
        "today": _today(by_currency),
        "chart": _chart([since + timedelta(hours=hour) for hour in range(HOURS_SHOWN)], by_hour),
    }


def _today(by_currency: list[dict[str, Any]]) -> list[Figure]:
    number = sum(row["number"] for row in by_currency)
    taken, refused = (sum(row[name] for row in by_currency) for name in ("taken", "refused"))
    rate = f"{100 * taken / (taken + refused):.1f} %" if taken + refused else "none yet"
    return [
        Figure(f"{number:,}", "payments", "/admin/payments/payment/"),
        Figure(rate, "of those decided were taken"),
        Figure(f"{refused:,}", "declined, failed or cancelled", "/admin/payments/payment/?state=failed"),
    ]


def _currency_row(row: dict[str, Any]) -> list[Any]:
    captured, refunded = row["captured"] or 0, row["refunded"] or 0
    return [
        row["currency"],
        f"{row['taken']:,} of {row['number']:,}",
        formats.money(captured, row["currency"]),
        formats.money(refunded, row["currency"]),
    ]


def _chart(hours: list[datetime], by_hour: dict[datetime, dict[str, int]]) -> str:
    def series(name: str) -> list[int]:
        return [by_hour.get(hour, {}).get(name, 0) for hour in hours]

    taken, refused, number = series("taken"), series("refused"), series("number")
    other = [every - yes - no for every, yes, no in zip(number, taken, refused, strict=True)]
    sets = [("taken", taken, "#12b76a"), ("refused", refused, "#f04438"), ("under way", other, "#98a2b3")]
    return json.dumps(
        {
            "labels": [f"{hour:%H:%M}" for hour in hours],
            "datasets": [
                {"label": label, "data": data, "backgroundColor": colour, "stack": "payments"}
                for label, data, colour in sets
            ],
        }
    )


def first_key_of(at: datetime) -> uuid.UUID:
    """Return the least version 7 UUID of an instant: keys made from then on are not below it."""
    return uuid.UUID(int=int(at.timestamp() * 1000) << 80)
