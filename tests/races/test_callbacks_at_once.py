"""Several workers apply callbacks at once: each message is taken once, and a subject's keep their order."""

import threading
from functools import partial

import pytest

from ledger import clock
from payments import locks
from payments.models import ProviderOperation, ProviderWebhook
from payments.services.webhooks import webhook_applying, webhook_intake
from tests.factories import payments as rows
from tests.kit.callbacks import apply_due, said_of, send
from tests.kit.race import PATIENCE_SECONDS, errors, results, together
from vendors.models import Merchant

pytestmark = [
    pytest.mark.django_db(transaction=True), pytest.mark.races, pytest.mark.usefixtures("signed"),
]  # fmt: skip

SUBJECTS = 12
EACH = 4
WORKERS = 6


@pytest.fixture
def operations(northwind: Merchant) -> list[ProviderOperation]:
    payment = rows.captured_payment(northwind)
    return [rows.create_operation(payment, "void", f"void:{place}") for place in range(SUBJECTS)]


def test_each_is_applied_once_and_in_the_order_of_its_subject(
    operations: list[ProviderOperation], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[ProviderWebhook] = []
    for _ in range(EACH):
        for operation in operations:
            callback = said_of(operation)
            webhook_intake.receive("velocitypay", callback.headers(), callback.body, clock.now())
            kept.append(ProviderWebhook.objects.get(event_id=callback.event_id))
    taken: list[tuple[str, object]] = []
    workers: set[int] = set()
    apply_apart = webhook_applying._apply_apart

    def noted(webhook: ProviderWebhook, *others: object) -> object:
        taken.append((webhook.subject, webhook.pk))
        workers.add(threading.get_ident())
        return apply_apart(webhook, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(webhook_applying, "_apply_apart", noted)
    monkeypatch.setattr(webhook_applying, "BATCH", 2)
    at = clock.now()
    mine = {row.pk for row in kept}

    def work() -> None:
        # As often as the timetable would come round: what other tests left is due before, and ends a round.
        while apply_due(at):
            pass

    assert errors(together(*[work] * WORKERS)) == []
    assert sorted(pk for _, pk in taken if pk in mine) == sorted(mine)
    for operation in operations:
        came = [row.pk for row in kept if row.subject == operation.idempotency_key]
        assert [pk for subject, pk in taken if subject == operation.idempotency_key] == came
    assert len(workers) > 1, "one worker did it all: nothing was raced for"
    assert set(ProviderWebhook.objects.filter(pk__in=mine).values_list("state", "tries")) == {("applied", 1)}


def test_a_crowd_of_them_is_answered_and_each_is_kept_and_applied_once(
    operations: list[ProviderOperation],
) -> None:
    """The small sibling of tests/chaos/test_many_callbacks.py: each comes twice, from two hands at once,
    while others apply them."""
    callbacks = [said_of(operation) for operation in operations for _ in range(EACH)]
    begun, over = threading.Barrier(WORKERS), threading.Event()

    def deliver(hand: int) -> list[int]:
        begun.wait(PATIENCE_SECONDS)
        return [send(callback).status_code for callback in callbacks[hand % 2 :: 2]]

    def work() -> None:
        begun.wait(PATIENCE_SECONDS)
        while not over.is_set():
            apply_due(clock.now())

    def deliver_all() -> list[int]:
        try:
            return [
                status
                for found in results(together(*[partial(deliver, hand) for hand in range(4)]))
                for status in found
            ]
        finally:
            over.set()

    outcomes = together(deliver_all, work, work)
    assert errors(outcomes) == []
    assert results(outcomes)[0] == [200] * 2 * len(callbacks)
    apply_due(clock.now())
    mine = ProviderWebhook.objects.filter(event_id__in=[callback.event_id for callback in callbacks])
    assert list(mine.values_list("state", "tries")) == [("applied", 1)] * len(callbacks)


def test_without_the_lease_they_would_be_taken_twice(
    operations: list[ProviderOperation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: what is claimed is claimable again when the lease is over at once."""
    monkeypatch.setattr(locks, "WEBHOOK_LEASE_SECONDS", 0)
    callback = said_of(operations[0])
    webhook_intake.receive("velocitypay", callback.headers(), callback.body, clock.now())
    at = clock.now()
    claims = [locks.claim_webhooks_of("velocitypay", operations[0].idempotency_key, at) for _ in range(2)]
    assert [len(claim) for claim in claims] == [1, 1]
    apply_due(at)
