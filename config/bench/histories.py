"""A hundred thousand payments with their histories, then rebuilt from their events and compared: how fast, in
how much memory.

    python -m config.bench.histories [payments]

The rows and their events are made as `record` makes them, but by the thousand, as the owner of a throw-away
database; the rebuilding is `manage.py rebuild payment --all`, in a process of its own and as the application.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any, Final

from config import database_roles, house
from config.servers import temporary_servers

PAYMENTS: Final = 100_000
_BATCH: Final = 500


def main() -> int:
    """Make the payments in a throw-away database, then time the command; return its exit status."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else PAYMENTS
    with temporary_servers() as (postgres, valkey):
        os.environ.update(
            database_roles.addresses(postgres.url),
            REDIS_URL=valkey.url,
            DJANGO_SETTINGS_MODULE="config.settings.test",
        )
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "--no-input", "-v", "0"], cwd=house.ROOT, check=True)
        _fill(number)
        timed = subprocess.run([*manage, "rebuild", "payment", "--all"], cwd=house.ROOT, check=False)
        return timed.returncode


def _fill(number: int) -> None:
    import django

    django.setup()
    from django.db import connection, connections, transaction

    from config import grants
    from ledger import clock
    from ledger.actors import SYSTEM
    from ledger.models import Event
    from payments.models import Payment
    from vendors.services import onboarding

    started = clock.monotonic()
    merchant = onboarding.create_merchant(name="Northwind", actor=SYSTEM, at=clock.now())
    made = _histories(merchant, number)
    while batch := list(islice(made, _BATCH)):
        with grants.as_owner(), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE payments_payment DISABLE TRIGGER USER")
            Payment._base_manager.bulk_create([row for row, _ in batch])
            Event.objects.bulk_create([event for _, stream in batch for event in stream], batch_size=_BATCH)
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE payments_payment ENABLE TRIGGER USER")
    with grants.as_owner(), connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    connections.close_all()
    sys.stdout.write(f"{number:,} payments made in {clock.monotonic() - started:.0f} s\n")
    sys.stdout.flush()


def _histories(merchant: Any, number: int) -> Iterator[tuple[Any, list[Any]]]:
    """Make payments that were created, authorized and cancelled, with the three events of each."""
    from ledger import changes, clock, events, ids
    from ledger.actors import SYSTEM
    from ledger.events import Cause, Fact
    from payments import news
    from payments.models import Payment

    at = clock.now() - timedelta(days=1)
    for position in range(number):
        row = Payment(
            merchant=merchant, number=f"PAY-2026-{position:08}", order_ref=f"order-{position}",
            customer_ref="carla", currency="USD", amount_minor=10_000, capture_method="manual",
            method_type="card", provider="velocitypay", created_at=at,
            expires_at=at + timedelta(days=7), metadata={"cart": position, "tags": ["a", "b"]},
        )  # fmt: skip
        stream: list[Any] = []
        steps: tuple[tuple[str, dict[str, Any]], ...] = (
            ("created", {}),
            ("authorized", {"authorized_minor": 10_000, "authorized_at": at, "provider_reference": "auth_1"}),
            ("cancelled", {"reason": "the customer asked", "closed_at": at}),
        )
        was = ""
        for sequence, (state, values) in enumerate(steps, 1):
            before = {column.attname: row.__dict__[column.attname] for column in row._meta.concrete_fields}
            row.__dict__.update({**values, "state": state, "version": sequence})
            said = changes.all_of(row) if sequence == 1 else changes.since(row, before)
            event = events.build(
                Fact(
                    id=ids.uuid7(), merchant_id=merchant.pk, subject_type="payment", subject_id=row.pk,
                    sequence=sequence, type=f"payment.{state}", from_state=was, to_state=state,
                    payload=news.of_payment(row), cause=Cause(), actor=SYSTEM, entry_id=None, occurred_at=at,
                    previous_hash=bytes(row.event_hash), changes=said,
                )
            )  # fmt: skip
            row.event_hash, was = event.hash, state
            stream.append(event)
        yield row, stream


if __name__ == "__main__":
    sys.exit(main())
