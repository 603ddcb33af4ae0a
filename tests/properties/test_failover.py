"""Whatever providers answer, in whatever order: one authorization at most, and every word is accounted for.

The providers are told by a script; each keeps its own truth of what it reserved. Where an answer was lost the
truth is drawn, and the recovery learns it. At the end a provider that was left may say yes after all.
"""

from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from ledger import clock
from ledger.actors import provider_actor
from payments.models import Contradiction, Payment, ProviderOperation
from payments.providers.outcomes import Approved, Declined, NotFound, NotSent, Pending, Rejected, Unknown
from payments.services.calls import operations, recovering
from payments.services.routes import provider_health
from tests.factories import vendors as factory
from tests.kit import stored
from tests.kit.books import assert_all_invariants_hold
from tests.kit.shop import work_until
from tests.services.payments.cast import authorized, created, now_plus, usd, wish

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]

SOFT = Declined("do_not_honor", "no", None, is_hard=False)
ANSWERS = {
    "yes": None,
    "soft no": SOFT,
    "no money": Declined("insufficient_funds", "no", None, is_hard=False),
    "hard no": Declined("stolen_card", "no", None, is_hard=True),
    "unsent": NotSent("connect_error"),
    "lost, done": Unknown("read_timeout"),
    "lost, not done": Unknown("read_timeout"),
    "later, yes": Pending("p_1"),
    "later, no": Pending("p_1"),
    "wrong": Rejected("bad_request", "no"),
}
DONE = ("yes", "lost, done", "later, yes")


class Providers:
    """Both providers: what they answer next, and what each has reserved, by our key."""

    def __init__(self, script: list[str]) -> None:
        self.script = list(script)
        self.said: dict[str, str] = {}
        self.voided: set[str] = set()

    def call(self, operation: ProviderOperation):
        key = operation.idempotency_key
        if operation.kind == "void":
            self.voided.add(operation.request["authorization"])
            return Approved(f"v_{key}", operation.amount, usd(0))
        if key in self.said and self.said[key] != "lost, not done":
            return self._as_it_stands(operation)
        again = key in self.said
        self.said[key] = "yes" if again else (self.script.pop(0) if self.script else "yes")
        return self._answer(operation, self.said[key])

    def find(self, operation: ProviderOperation):
        if self.said.get(operation.idempotency_key, "unsent") in ("unsent", "lost, not done"):
            return NotFound()
        return self._as_it_stands(operation)

    def _as_it_stands(self, operation: ProviderOperation):
        said = self.said[operation.idempotency_key]
        if said in DONE or said == "unsent":
            self.said[operation.idempotency_key] = "yes"
            return self.reserved(operation)
        return SOFT if said == "later, no" else ANSWERS[said]

    def _answer(self, operation: ProviderOperation, said: str):
        return self.reserved(operation) if said == "yes" else ANSWERS[said]

    def reserved(self, operation: ProviderOperation) -> Approved:
        return Approved(f"a_{operation.idempotency_key}", operation.amount, usd(0))


@pytest.fixture(scope="module", autouse=True)
def quiet():
    """What these providers do is no news of the real ones."""
    with mock.patch.object(provider_health, "note"):
        yield


@settings(
    max_examples=30, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    script=some.lists(some.sampled_from(sorted(ANSWERS)), min_size=1, max_size=4),
    late=some.booleans(),
)
def test_one_authorization_whatever_happens(network, script, late):
    merchant, providers = factory.create_merchant("Northwind"), Providers(script)
    method = stored.held(merchant, velocitypay="vpt_any", stripe="pm_any")
    wanted = wish("", method_id=method.pk, customer_ref=method.customer_ref)
    with (
        mock.patch.object(operations, "call", providers.call),
        mock.patch.object(operations, "find", providers.find),
    ):
        payment = authorized(created(merchant, wanted))
        for seconds in (10, 40, 80, 200):
            recovering.sweep(now_plus(seconds))
        first = ProviderOperation.objects.filter(payment=payment, kind="authorize").earliest("created_at")
        if late and first.outcome in ("declined", "not_sent"):
            providers.said[first.idempotency_key] = "yes"
            operations.conclude(
                first, providers.reserved(first), actor=provider_actor(first.provider), at=clock.now()
            )
        work_until(now_plus(300))
    tries = list(
        ProviderOperation.objects.filter(payment=payment, kind="authorize").order_by("created_at", "id")
    )
    assert len(tries) <= 2
    assert sum(row.has_succeeded for row in tries) <= 1
    assert not any(row.is_open for row in tries)
    for row in tries:
        is_reserved = providers.said[row.idempotency_key] in DONE
        is_given_back = f"a_{row.idempotency_key}" in providers.voided
        is_shown = Contradiction.objects.filter(operation=row).exists()
        assert is_reserved == (row.has_succeeded or is_given_back or is_shown)
    state = Payment.objects.get(pk=payment.pk).state
    assert state == ("authorized" if any(row.has_succeeded for row in tries) else "failed")
    if len(tries) == 2:
        assert tries[0].outcome in ("declined", "not_sent")
    assert_all_invariants_hold()
