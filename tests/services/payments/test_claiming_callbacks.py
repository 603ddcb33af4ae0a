"""What a claim of callbacks costs does not depend on what the database believes to wait."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from ledger import clock, writing
from ledger.ids import uuid7
from payments import locks
from payments.models import ProviderWebhook
from tests.kit.owner import OWNERS

pytestmark = [pytest.mark.django_db(databases=OWNERS), pytest.mark.usefixtures("as_owner")]

SUBJECTS, EACH = 150, 4
READS_OF_A_MESSAGE_MAX = 12  # by each step of the plan once or twice


def receive(number: int, subjects: int) -> list[ProviderWebhook]:
    at = clock.now() - timedelta(minutes=1)
    kept = []
    for place in range(number):
        row = ProviderWebhook(
            id=uuid7(), provider="velocitypay", event_id=f"evt_{uuid7().hex}", is_verified=True,
            subject=f"claim:{place % subjects}", body=b"x" * 700,
        )  # fmt: skip
        row.receive(at + timedelta(milliseconds=place))
        kept.append(row)
    writing.send(writing.adding(ProviderWebhook, kept))
    return kept


def rows_read(node: dict[str, Any]) -> float:
    """Return how many rows the steps of a plan have looked at."""
    removed = [value for name, value in node.items() if name.startswith("Rows Removed by")]
    own = (node["Actual Rows"] + sum(removed)) * node["Actual Loops"]
    return float(own) + sum(rows_read(child) for child in node.get("Plans", ()))


def plan_of(statement: str, parameters: Any) -> dict[str, Any]:
    """Run a statement and return the steps that it took."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", parameters)
        (found,) = cursor.fetchone()
    plan: dict[str, Any] = (found if isinstance(found, list) else json.loads(found))[0]["Plan"]
    return plan


def test_a_storm_after_a_quiet_hour_is_read_once() -> None:
    """Statistics that say that nothing waits made each claim of 5,000 take longer than a statement may."""
    over = receive(600, 300)
    for row in over:
        row.ignore("it is over", clock.now())
    ProviderWebhook.objects.bulk_update(over, ["state", "verdict", "apply_at", "lease_until", "processed_at"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE payments_providerwebhook")
    receive(SUBJECTS * EACH, SUBJECTS)
    waiting = ProviderWebhook.objects.filter(state="received").count()
    heads = plan_of(locks._DUE_HEADS, {"at": clock.now(), "limit": 50})
    assert heads["Actual Rows"] == 50
    assert rows_read(heads) < READS_OF_A_MESSAGE_MAX * waiting
    names = [f"claim:{place}" for place in range(50)]
    taken = plan_of(locks._TAKEN, [["velocitypay"] * 50, names, locks.SUBJECT_AT_ONCE])
    assert taken["Actual Rows"] == 50 * EACH
    assert rows_read(taken) < READS_OF_A_MESSAGE_MAX * waiting
