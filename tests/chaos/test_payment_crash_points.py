"""kill -9 at every crash point of a payment, a refund and a callback: nothing is lost, nothing is doubled.

A process of its own does the step and kills itself at the armed point; the file that armed it is gone
afterwards, which proves that it fired. Then the merchant repeats the request, and the recovery works.
"""

from functools import partial

import pytest
from django.conf import settings as django_settings

from ledger import crashpoints
from ledger.ids import uuid7
from ledger.models import Event, JournalEntry
from payments import locks
from payments.models import Payment, ProviderOperation, ProviderWebhook
from payments.providers import registry
from payments.services.calls import recovering
from tests.chaos import payment_steps
from tests.kit import stored
from tests.kit.books import assert_all_invariants_hold
from tests.kit.callbacks import apply_due, callback_of
from tests.kit.killed import killed_at
from tests.kit.shop import work_until
from tests.services.payments.cast import now_plus

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]

STEPS = ("create", "authorize", "capture", "void", "refund")
PAYING = ("create", "authorize")  # the points on the way of one call that creates, authorizes and captures
ENDS = {
    "create": "created",
    "authorize": "authorized",
    "capture": "captured",
    "void": "cancelled",
    "refund": "captured",
    "pay": "captured",
}
ENTRIES = {"capture": 1, "refund": 2, "pay": 1}
BEFORE = {
    "create": (),
    "authorize": ("create",),
    "capture": ("create", "authorize"),
    "void": ("create", "authorize"),
    "refund": ("create", "authorize", "capture"),
    "pay": (),
}
POINTS = sorted(point for point in crashpoints.registry if point.partition(".")[0] in STEPS)
CASES = [
    *((point.partition(".")[0], point) for point in POINTS),
    *(("pay", point) for point in POINTS if point.partition(".")[0] in PAYING),
]
FAILOVER_POINTS = sorted(point for point in crashpoints.registry if point.startswith("failover."))
BEFORE_THE_MOVE = ("failover.after_keep", "failover.before_commit")
CALLBACK_POINTS = sorted(point for point in crashpoints.registry if point.startswith("webhook."))


@pytest.fixture
def killed(tmp_path, network):
    """Do a step in another process with a crash point armed; it must die of it."""

    def step(*asked) -> None:
        registry.reset()  # connections to the network are the parent's
        payment_steps.run(*asked)

    return lambda point, *asked: killed_at(point, tmp_path, partial(step, *asked))


@pytest.mark.parametrize(("step", "point"), CASES)
def test_nothing_is_lost_or_doubled(step, point, northwind, ada, network, killed):
    assert django_settings.CRASHPOINT_DIR is None
    payment_id, operation_id = uuid7(), uuid7()
    wanted = {"token": network.card()["token"], "vendor": str(ada.pk)}
    for earlier in BEFORE[step]:
        payment_steps.run(earlier, northwind.pk, payment_id, uuid7(), wanted)
    asked = (step, northwind.pk, payment_id, operation_id, wanted)

    killed(point, *asked)
    payment_steps.run(*asked)
    recovering.sweep(now_plus(20))
    recovering.sweep(now_plus(60))

    payment = Payment.objects.get(pk=payment_id)
    assert payment.state == ENDS[step]
    assert Payment.objects.filter(merchant=northwind).count() == 1
    assert payment.operations.filter(concluded_at=None).count() == 0
    sources = [payment_id, *payment.refunds.values_list("pk", flat=True)]
    assert JournalEntry.objects.filter(source_id__in=sources).count() == ENTRIES.get(step, 0)
    assert (payment.refunded_minor, payment.refunding_minor) == (4_000 if step == "refund" else 0, 0)
    for operation in payment.operations.all():
        assert len(network.truth(idempotency_key=operation.idempotency_key)) == 1
    assert_all_invariants_hold()


@pytest.mark.parametrize("is_told", [False, True], ids=["untold", "told"])
@pytest.mark.parametrize("is_repeated", [True, False], ids=["repeated", "left"])
@pytest.mark.parametrize("point", FAILOVER_POINTS)
def test_going_to_another_provider_leaves_one_authorization(
    point, is_repeated, is_told, northwind, ada, network, killed
):
    """Killed between the tries: the payment is at one provider, paid once, and asked for once at each.

    A callback of the refusal between the kill and what follows changes nothing of that.
    """
    payment_id, operation_id = uuid7(), uuid7()
    token = network.card("generic_decline")["token"]
    method = stored.held(northwind, velocitypay=token, stripe="pm_card_visa")
    wanted = {
        "token": "", "vendor": str(ada.pk), "method": str(method.pk), "customer": method.customer_ref,
    }  # fmt: skip
    asked = ("pay", northwind.pk, payment_id, operation_id, wanted)

    killed(point, *asked)
    if is_told:
        first = ProviderOperation.objects.get(payment_id=payment_id, provider="velocitypay")
        callback = callback_of(network, first.idempotency_key)
        told = {"headers": callback.headers(), "body": callback.body.decode()}
        payment_steps.run("webhook", northwind.pk, payment_id, operation_id, told)
    if is_repeated:
        payment_steps.run(*asked)
    for seconds in (20, 40, 60):
        recovering.sweep(now_plus(seconds))
        apply_due(now_plus(seconds))

    payment = Payment.objects.get(pk=payment_id)
    if is_told:
        assert ProviderWebhook.objects.get(event_id=callback.event_id).state == "applied"
    tries = payment.operations.filter(kind="authorize").order_by("created_at", "id")
    if point in BEFORE_THE_MOVE and not is_repeated:
        # The answer was lost with the process; the recovery learns the decline, and never goes elsewhere.
        assert (payment.state, [row.provider for row in tries]) == ("failed", ["velocitypay"])
    else:
        assert payment.state == "captured"
        assert [(row.provider, row.outcome) for row in tries] == [
            ("velocitypay", "declined"),
            ("stripe", "approved"),
        ]
        assert JournalEntry.objects.filter(source_id=payment_id).count() == 1
    assert not tries.filter(concluded_at=None).exists()
    assert_all_invariants_hold()


def test_the_sweep_knows_every_point():
    assert len(POINTS) == 3 + 4 * 4
    assert len(CASES) == len(POINTS) + 3 + 4
    assert len(CALLBACK_POINTS) == 2
    assert len(FAILOVER_POINTS) == 4


@pytest.mark.parametrize("point", CALLBACK_POINTS)
def test_a_callback_is_applied_once(point, northwind, ada, network, killed):
    payment_id, operation_id = uuid7(), uuid7()
    wanted = {"token": network.card("late_quiet")["token"], "vendor": str(ada.pk)}
    for step in ("create", "authorize"):
        payment_steps.run(step, northwind.pk, payment_id, operation_id, wanted)
    payment = Payment.objects.get(pk=payment_id)
    assert payment.state == "created"
    callback = callback_of(network, payment.operations.get().idempotency_key)
    told = {"headers": callback.headers(), "body": callback.body.decode()}
    asked = ("webhook", northwind.pk, payment_id, operation_id, told)

    killed(point, *asked)
    payment_steps.run(*asked)
    work_until(now_plus(locks.WEBHOOK_LEASE_SECONDS + 1))

    payment = Payment.objects.get(pk=payment_id)
    assert payment.state == "authorized"
    kept = ProviderWebhook.objects.get(event_id=callback.event_id)
    assert kept.state == "applied"
    assert Event.objects.filter(subject_id=payment_id, type="payment.authorized").count() == 1
    assert_all_invariants_hold()
