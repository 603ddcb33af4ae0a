"""Stories of answers that never came: the money is found again, once, and every cent of it is explained.

The network is the real sandbox over HTTP; instead of waiting, the recovery is told a later hour.
"""

import pytest

from ledger import jobs
from ledger.balances import balance
from ledger.chart import Code, account
from ledger.models import JournalEntry
from payments import selectors
from payments.models import Payment
from payments.services.calls import recovering
from tests.kit.books import assert_all_invariants_hold
from tests.services.payments.cast import (
    authorized,
    captured,
    created,
    now_plus,
    operation_of,
    paid,
    types_of,
    wish,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_network_took_the_money_and_answered_too_late(northwind, ada, bruno, network):
    """Timeout after the capture: processing for the merchant, then captured, exactly once."""
    payment = paid(northwind, network, "capture_late", shares=[(ada, 6_000), (bruno, 3_000)])
    payment = captured(payment)
    assert payment.is_processing
    assert selectors.payment(northwind.pk, payment.pk).is_processing
    assert not JournalEntry.objects.filter(source_id=payment.pk).exists()

    recovering.sweep(now_plus(6))
    recovering.sweep(now_plus(60))

    payment = selectors.payment(northwind.pk, payment.pk)
    operation = operation_of(payment, "capture:1")
    assert (payment.state, payment.captured_minor, payment.is_processing) == ("captured", 10_000, False)
    (known,) = network.truth(idempotency_key=operation.idempotency_key)
    assert (known["amount"], known["status"]) == (10_000, "succeeded")
    assert JournalEntry.objects.filter(source_id=payment.pk).count() == 1
    owed = balance(account(Code.PROVIDER_CLEARING, northwind.pk, "USD", "velocitypay")).minor
    assert owed == 10_000 - operation.fee_minor
    assert network.faults()["scenario:capture_late"] >= 1
    assert_all_invariants_hold()


def test_nothing_had_happened_so_the_same_request_goes_out_again(northwind, ada, network):
    """Timeout before the capture: not found, so sent again under the same key after the quiet period."""
    payment = captured(paid(northwind, network, "capture_error_before", shares=[(ada, 10_000)]), 4_000)
    key = operation_of(payment, "capture:1").idempotency_key
    assert network.truth(idempotency_key=key) == []

    recovering.sweep(now_plus(6))
    assert selectors.payment(northwind.pk, payment.pk).is_processing
    recovering.sweep(now_plus(20))

    payment = selectors.payment(northwind.pk, payment.pk)
    assert (payment.state, payment.captured_minor) == ("partly_captured", 4_000)
    assert len(network.truth(idempotency_key=key)) == 1
    assert operation_of(payment, "capture:1").tries == 2
    assert_all_invariants_hold()


def test_an_automatic_payment_goes_through_a_night_in_which_the_network_is_away(northwind, ada, network):
    """Authorized before, captured after: the job claims, the recovery ends it; nothing fails by age."""
    payment = paid(northwind, network, capture_method="automatic", shares=[(ada, 5_000)])
    network.down()
    jobs.run_due(now_plus(1))
    for hours in range(1, 9):
        recovering.sweep(now_plus(hours * 3_600))
    assert selectors.payment(northwind.pk, payment.pk).is_processing

    network.down(False)
    recovering.sweep(now_plus(9 * 3_600))

    payment = selectors.payment(northwind.pk, payment.pk)
    assert (payment.state, payment.is_processing) == ("captured", False)
    assert types_of(payment) == ["created", "authorized", "capture_asked", "captured"]
    assert_all_invariants_hold()


def test_a_customer_who_pays_twice_by_hand_pays_once(northwind, network):
    """The same request again while the first is unknown: one reservation, one answer."""
    payment = created(northwind, wish(network.card("late")["token"]))
    operation_id = payment.pk
    assert authorized(payment, operation_id).is_processing
    assert authorized(payment, operation_id).state == "authorized"
    assert len(network.truth(reference=payment.public_id)) == 1
    assert Payment.objects.get(pk=payment.pk).authorized_minor == 10_000
