"""A provider that goes against its own word is seen at once; what is booked waits for a person."""

from datetime import timedelta
from typing import Any

import pytest

from ledger import clock
from ledger.actors import Actor, provider_actor
from ledger.ids import uuid7
from ledger.models import AuditRecord, Event, JournalEntry
from ledger.money import Money
from ledger.states import StateConflict
from payments.models import Contradiction, Payment, ProviderOperation
from payments.models.operations import Kind
from payments.providers.outcomes import Approved, Declined, Outcome, Pending, Unknown
from payments.services.calls import operations, recovering
from payments.services.calls.operations import NotHeld
from payments.services.payments import capturing, voiding
from payments.services.unknown import deciding_unknown
from payments.services.unknown.deciding_unknown import CannotBeAccepted, NothingProposed, SamePerson
from tests.factories import payments as rows
from tests.kit.books import assert_all_invariants_hold
from tests.kit.callbacks import Callback, apply_due, callback_of, said_of, send
from tests.kit.network import Network
from tests.services.payments.cast import (
    KEY,
    authorized,
    cancelled,
    captured,
    created,
    now_plus,
    paid,
    wish,
)
from vendors.models import Merchant, Vendor

pytestmark = pytest.mark.django_db

GRACE, HANK = Actor("staff", "7", "grace"), Actor("staff", "8", "hank")
VELOCITY = provider_actor("velocitypay")
NO = Declined("do_not_honor", "Refused", "x_1", is_hard=True)


def yes(minor: int = 10_000) -> Approved:
    return Approved("x_1", Money(minor, "USD"), Money(0, "USD"))


def concluded(northwind: Merchant, kind: Kind, outcome: str) -> ProviderOperation:
    # A payment has one live authorization: a captured one has its own already.
    payment = (rows.create_payment if kind == Kind.AUTHORIZE else rows.captured_payment)(northwind)
    return rows.create_operation(payment, kind, f"{kind}:x", outcome=outcome, provider_reference="x_1")


def tell(operation: ProviderOperation, outcome: Outcome) -> list[Contradiction]:
    operations.conclude(operation, outcome, actor=VELOCITY, at=clock.now())
    return list(Contradiction.objects.filter(operation=operation).order_by("pk"))


class TestSeeing:
    @pytest.mark.parametrize("kind", [Kind.AUTHORIZE, Kind.CAPTURE, Kind.VOID])
    @pytest.mark.parametrize(
        ("was", "told", "said"),
        [
            ("declined", yes(), "approved"),
            ("rejected", yes(), "approved"),
            ("approved", NO, "declined"),
        ],
    )
    def test_a_word_against_what_was_concluded(
        self, northwind: Merchant, kind: Kind, was: str, told: Outcome, said: str
    ) -> None:
        operation = concluded(northwind, kind, was)
        before = _state(operation)
        for _ in range(2):  # the same word again is the same contradiction
            [found] = tell(operation, told)
        assert (found.was, found.said, found.state, found.merchant_id) == (was, said, "open", northwind.pk)
        assert _state(operation) == before
        assert Event.objects.get(subject_id=found.pk).type == "contradiction.opened"
        assert AuditRecord.objects.get(object_id=operation.public_id).action == "operation.contradicted"

    @pytest.mark.parametrize("kind", [Kind.AUTHORIZE, Kind.CAPTURE])
    def test_another_amount_than_was_booked(self, northwind: Merchant, kind: Kind) -> None:
        [found] = tell(concluded(northwind, kind, "approved"), yes(9_999))
        assert (found.said, found.said_words) == ("mismatch", "99.99 USD instead of 100.00 USD")

    @pytest.mark.parametrize("kind", [Kind.AUTHORIZE, Kind.CAPTURE, Kind.VOID])
    @pytest.mark.parametrize(
        ("was", "told"),
        [("approved", yes()), ("declined", NO), ("approved", Pending("x_1")), ("declined", Unknown("?"))],
    )
    def test_a_word_that_is_no_news(self, northwind: Merchant, kind: Kind, was: str, told: Outcome) -> None:
        assert tell(concluded(northwind, kind, was), told) == []

    @pytest.mark.usefixtures("signed")
    def test_by_a_callback(self, northwind: Merchant) -> None:
        operation = concluded(northwind, Kind.CAPTURE, "declined")
        assert send(said_of(operation)).status_code == 200
        apply_due(clock.now())
        assert [row.state for row in operation.webhooks.all()] == ["applied"]
        assert operation.webhooks.get().verdict == "said otherwise after it was declined"
        [found] = operation.contradictions.all()
        assert (found.said, found.told_by) == ("approved", "provider velocitypay")

    def test_an_authorization_that_is_gone_because_we_gave_it_back_is_none(
        self, northwind: Merchant, network: Network
    ) -> None:
        """A provider tells a void as the end of what it voids (Stripe: payment_intent.canceled)."""
        payment = paid(northwind, network)
        operation: ProviderOperation = payment.operations.get(kind="authorize")
        revoked = Declined("authorization_revoked", "Given back", "x_1", is_hard=True)
        cancelled(payment)
        assert tell(operation, revoked) == []
        standing = paid(northwind, network)
        assert len(tell(standing.operations.get(kind="authorize"), revoked)) == 1

    def test_two_different_words_are_two(self, northwind: Merchant) -> None:
        operation = concluded(northwind, Kind.CAPTURE, "approved")
        tell(operation, NO)
        assert len(tell(operation, yes(1))) == 2


class TestAccepting:
    def test_a_capture_that_happened_after_all_is_asked_about_and_booked(
        self, northwind: Merchant, network: Network
    ) -> None:
        payment, operation = _refused_here(northwind, network, "capture")
        _happen(network, payment, operation, "captures", amount=10_000)
        found = _contradiction(network, operation)
        deciding_unknown.accept(contradiction_id=found.pk, actor=GRACE, reason="seen there", at=clock.now())
        operation.refresh_from_db()
        payment.refresh_from_db()
        assert (operation.is_open, payment.capturing_minor) == (True, 10_000)
        assert_all_invariants_hold()
        recovering.sweep(now_plus(1))
        payment.refresh_from_db()
        assert (payment.state, payment.captured_minor, payment.capturing_minor) == ("captured", 10_000, 0)
        assert JournalEntry.objects.filter(source_id=payment.pk).count() == 1
        found.refresh_from_db()
        assert (found.state, found.decided_by, found.reason) == ("accepted", "grace", "seen there")
        assert_all_invariants_hold()
        with pytest.raises(CannotBeAccepted):
            deciding_unknown.accept(contradiction_id=found.pk, actor=GRACE, reason="x", at=clock.now())

    def test_what_the_provider_does_not_know_is_neither_believed_nor_asked_for(
        self, northwind: Merchant, network: Network
    ) -> None:
        """Else accepting a false word would make it true: the request would be sent again."""
        payment, operation = _refused_here(northwind, network, "capture")
        [found] = tell(operation, yes())
        deciding_unknown.accept(contradiction_id=found.pk, actor=GRACE, reason="said so", at=clock.now())
        for later in (1, 60, 120):
            recovering.sweep(now_plus(later))
        operation.refresh_from_db()
        payment.refresh_from_db()
        assert (operation.is_held, payment.captured_minor) == (True, 0)
        assert network.truth(idempotency_key=operation.idempotency_key) == []
        by = {"operation_id": operation.pk, "reason": "they never did", "at": clock.now()}
        deciding_unknown.propose_not_done(actor=GRACE, **by)
        deciding_unknown.confirm_not_done(actor=HANK, **by)
        payment.refresh_from_db()
        assert (payment.state, payment.capturing_minor) == ("authorized", 0)
        assert_all_invariants_hold()

    def test_a_void_that_happened_after_all(self, northwind: Merchant, network: Network) -> None:
        payment, operation = _refused_here(northwind, network, "void")
        _happen(network, payment, operation, "void")
        found = _contradiction(network, operation)
        deciding_unknown.accept(contradiction_id=found.pk, actor=GRACE, reason="seen there", at=clock.now())
        recovering.sweep(now_plus(1))
        payment.refresh_from_db()
        assert (payment.state, payment.is_voiding) == ("cancelled", False)
        assert_all_invariants_hold()

    @pytest.mark.parametrize(
        ("kind", "was", "told"),
        [
            (Kind.AUTHORIZE, "declined", yes()),
            (Kind.AUTHORIZE, "approved", NO),
            (Kind.CAPTURE, "approved", NO),
            (Kind.CAPTURE, "declined", yes()),  # nothing is left to capture
            (Kind.VOID, "declined", yes()),  # a rest, for which nothing here waits
        ],
    )
    def test_where_the_machine_does_not_allow_it_only_a_reason_closes(
        self, northwind: Merchant, kind: Kind, was: str, told: Outcome
    ) -> None:
        operation = concluded(northwind, kind, was)
        [found] = tell(operation, told)
        before = _state(operation)
        with pytest.raises(CannotBeAccepted):
            deciding_unknown.accept(contradiction_id=found.pk, actor=GRACE, reason="r", at=clock.now())
        assert _state(operation) == before
        closed = deciding_unknown.close(
            contradiction_id=found.pk, actor=GRACE, reason="refunded there", at=clock.now()
        )
        assert (closed.state, closed.reason) == ("closed", "refunded there")
        with pytest.raises(StateConflict):
            deciding_unknown.close(contradiction_id=found.pk, actor=GRACE, reason="r", at=clock.now())


class TestHeld:
    @pytest.fixture
    def held(self, northwind: Merchant, network: Network) -> ProviderOperation:
        """A capture that nobody here can tell the end of."""
        payment = paid(northwind, network)
        network.down()
        capturing.capture(
            merchant_id=northwind.pk, payment_id=payment.pk, operation_id=uuid7(), amount=None, actor=KEY,
            at=clock.now(),
        )  # fmt: skip
        network.down(is_down=False)
        operation: ProviderOperation = payment.operations.get(kind="capture")
        operations.conclude(operation, yes(9_999), actor=VELOCITY, at=clock.now())
        operation.refresh_from_db()
        assert operation.is_held
        return operation

    def test_never_happened_takes_two_persons(self, held: ProviderOperation) -> None:
        by = {"operation_id": held.pk, "reason": "nothing in their books", "at": clock.now()}
        with pytest.raises(NothingProposed):
            deciding_unknown.confirm_not_done(actor=HANK, **by)
        deciding_unknown.propose_not_done(actor=GRACE, **by)
        with pytest.raises(SamePerson):
            deciding_unknown.confirm_not_done(actor=GRACE, **by)
        deciding_unknown.confirm_not_done(actor=HANK, **by)
        held.refresh_from_db()
        payment = Payment.objects.get(pk=held.payment_id)
        assert (held.outcome, held.outcome_code, held.is_open) == ("declined", "not_done", False)
        assert (payment.state, payment.capturing_minor) == ("authorized", 0)
        acts = AuditRecord.objects.filter(object_id=held.public_id).values_list("action", flat=True)
        assert {"operation.not_done_proposed", "operation.not_done"} <= set(acts)
        assert_all_invariants_hold()
        with pytest.raises(NotHeld):
            deciding_unknown.propose_not_done(actor=GRACE, **by)

    def test_happened_after_that_is_a_contradiction(self, held: ProviderOperation) -> None:
        by = {"operation_id": held.pk, "reason": "nothing in their books", "at": clock.now()}
        deciding_unknown.propose_not_done(actor=GRACE, **by)
        deciding_unknown.confirm_not_done(actor=HANK, **by)
        held.refresh_from_db()
        assert [found.said for found in tell(held, yes())] == ["approved"]


def _state(operation: ProviderOperation) -> tuple[Any, ...]:
    payment = Payment.objects.get(pk=operation.payment_id)
    row = ProviderOperation.objects.get(pk=operation.pk)
    return payment.state, payment.version, row.outcome, row.concluded_at


def _refused_here(northwind: Merchant, network: Network, kind: str) -> tuple[Payment, ProviderOperation]:
    """An operation of an authorized payment that we took for refused."""
    payment = authorized(created(northwind, wish(network.card()["token"])))
    network.down()
    whose = {"merchant_id": northwind.pk, "payment_id": payment.pk, "actor": KEY, "at": clock.now()}
    if kind == "capture":
        capturing.capture(operation_id=uuid7(), amount=None, **whose)
    else:
        voiding.cancel(operation_id=uuid7(), reason="changed my mind", **whose)
    network.down(is_down=False)
    operation: ProviderOperation = payment.operations.get(kind=kind)
    operations.conclude(operation, NO, actor=VELOCITY, at=clock.now())
    operation.refresh_from_db()
    payment = Payment.objects.get(pk=payment.pk)
    assert (operation.outcome, payment.state) == ("declined", "authorized")
    return payment, operation


def _happen(network: Network, payment: Payment, operation: ProviderOperation, part: str, **body: Any) -> None:
    """Let the network do it all the same, under our key."""
    answer = network.client.post(
        f"/v1/authorizations/{payment.provider_reference}/{part}",
        json={"currency": "USD", "reference": operation.public_id, **body},
        headers={"Idempotency-Key": operation.idempotency_key},
    )
    assert answer.status_code in (200, 201), answer.text


def _contradiction(network: Network, operation: ProviderOperation) -> Contradiction:
    callback: Callback = callback_of(network, operation.idempotency_key)
    assert send(callback).status_code == 200
    apply_due(clock.now() + timedelta(seconds=1))
    return Contradiction.objects.get(operation=operation)


class TestReversed:
    """A reservation that the provider took back unasked: seen, believed by a person, and over."""

    def taken_back(self, northwind: Merchant, ada: Vendor, network: Network) -> tuple[Payment, Contradiction]:
        payment = paid(northwind, network, shares=[(ada, 6_000)])
        [found] = tell(payment.operations.get(kind=Kind.AUTHORIZE), NO)
        return payment, found

    def test_a_person_who_believes_it_ends_the_payment_and_its_shares(
        self, northwind: Merchant, ada: Vendor, network: Network
    ) -> None:
        payment, found = self.taken_back(northwind, ada, network)
        assert Payment.objects.get(pk=payment.pk).state == "authorized"
        deciding_unknown.accept(
            contradiction_id=found.pk, actor=GRACE, reason="the bank says so", at=clock.now()
        )
        payment = Payment.objects.get(pk=payment.pk)
        assert (payment.state, payment.reason) == ("reversed", "taken back by velocitypay: do_not_honor")
        assert payment.shares.get().state == "cancelled"
        assert Contradiction.objects.get(pk=found.pk).state == "accepted"
        assert not JournalEntry.objects.filter(source_id=payment.pk).exists()
        with pytest.raises(StateConflict):
            captured(payment)
        with pytest.raises(StateConflict):
            cancelled(payment)
        assert_all_invariants_hold()

    def test_what_is_captured_is_never_reversed(
        self, northwind: Merchant, ada: Vendor, network: Network
    ) -> None:
        payment, found = self.taken_back(northwind, ada, network)
        captured(payment)
        with pytest.raises(CannotBeAccepted, match="refund or dispute"):
            deciding_unknown.accept(contradiction_id=found.pk, actor=GRACE, reason="r", at=clock.now())
        assert Payment.objects.get(pk=payment.pk).state == "captured"
        assert_all_invariants_hold()
