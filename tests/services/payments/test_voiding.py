"""Cancelling: at once when nothing is reserved, by a void when something is, never beside a capture."""

import pytest

from ledger.ids import uuid7
from ledger.states import StateConflict
from payments.models import Payment
from payments.services.calls import recovering
from payments.services.calls.operations import OperationOpen
from tests.kit.books import assert_all_invariants_hold
from tests.services.payments.cast import (
    cancelled,
    captured,
    created,
    now_plus,
    operation_of,
    paid,
    types_of,
    wish,
)

pytestmark = pytest.mark.django_db


class TestCancel:
    def test_ends_what_was_never_authorized(self, northwind, ada):
        payment = cancelled(created(northwind, wish(shares=[(ada, 100)])))
        assert (payment.state, payment.reason) == ("cancelled", "the customer changed their mind")
        assert [share.state for share in payment.share_rows] == ["cancelled"]
        assert not payment.operations.exists()
        assert_all_invariants_hold()

    def test_gives_the_authorization_back(self, northwind, ada, network):
        payment = cancelled(paid(northwind, network, shares=[(ada, 100)]))
        assert (payment.state, payment.is_voiding, payment.is_processing) == ("cancelled", False, False)
        assert types_of(payment) == ["created", "authorized", "cancel_asked", "cancelled"]
        voided = network.truth(idempotency_key=operation_of(payment, "void").idempotency_key)
        assert [row["status"] for row in voided] == ["succeeded"]
        assert_all_invariants_hold()

    def test_is_processing_while_the_void_is_unknown(self, northwind, network):
        payment = cancelled(paid(northwind, network, "void_late"))
        assert (payment.state, payment.is_processing) == ("authorized", True)
        with pytest.raises(OperationOpen):
            captured(payment)
        recovering.sweep(now_plus(6))
        assert Payment.objects.get(pk=payment.pk).state == "cancelled"
        assert_all_invariants_hold()

    @pytest.mark.parametrize("is_authorized", [True, False])
    def test_the_same_request_cancels_once(self, northwind, network, is_authorized):
        operation_id = uuid7()
        payment = paid(northwind, network) if is_authorized else created(northwind, wish())
        cancelled(payment, operation_id)
        assert cancelled(payment, operation_id).state == "cancelled"
        assert types_of(payment).count("cancelled") == 1

    def test_refuses_a_second_request(self, northwind):
        payment = cancelled(created(northwind, wish()))
        with pytest.raises(StateConflict):
            cancelled(payment)

    def test_refuses_while_a_capture_is_under_way(self, northwind, network):
        payment = captured(paid(northwind, network, "capture_lost"))
        with pytest.raises(OperationOpen):
            cancelled(payment)

    def test_refuses_what_is_captured(self, northwind, network):
        payment = captured(paid(northwind, network), 1)
        with pytest.raises(StateConflict):
            cancelled(payment)
