"""Refunds made at the network's own dashboard become refunds of ours, once."""

from datetime import timedelta

import pytest

from ledger import balances, chart, clock
from ledger.actors import SYSTEM
from ledger.chart import Code
from ledger.explain import walking
from ledger.ids import parse, uuid7
from payments.models import Payment, ProviderOperation, ProviderWebhook, Refund
from payments.services.refunds import refunding, requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from tests.flows.test_every_cent import assert_every_cent_is_explained
from tests.kit import disputes as kit
from tests.kit.books import assert_all_invariants_hold
from tests.kit.callbacks import callback_of, send
from tests.kit.shop import Shop, good, run_jobs, split

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(shop: Shop, ada, bruno) -> Payment:
    shown = shop.captured(vendor_split=split((ada, 6_000), (bruno, 3_000)))
    return Payment.objects.get(pk=parse("pay", shown["id"]))


def told(shop: Shop, payment: Payment, amount: int, name: str = "") -> dict:
    """Refund at the dashboard, and deliver the callback about it."""
    name = name or uuid7().hex
    made = kit.refunded_there(shop.network, payment.provider_reference, amount, name)
    send(callback_of(shop.network, made["idempotency_key"]))
    run_jobs()
    return made


class TestByCallback:
    def test_has_its_own_shares_postings_and_commission(self, shop: Shop, payment, ada) -> None:
        made = told(shop, payment, 5_000)
        refund = Refund.objects.get(payment=payment)
        assert (refund.state, refund.is_adopted, refund.provider_reference) == ("completed", True, made["id"])
        assert [part.amount_minor for part in refund.shares.order_by("amount_minor")] == [1_500, 3_000]
        payment.refresh_from_db()
        assert (payment.refunded_minor, payment.refunding_minor) == (5_000, 0)
        pending = chart.account(Code.VENDOR_PENDING, payment.merchant_id, "USD", str(ada.pk))
        assert balances.balance(pending).minor == -2_700
        shown = shop.refund(refund.public_id)
        assert (shown["status"], shown["reason"]) == ("completed", "made at the provider")
        assert_all_invariants_hold()
        assert_every_cent_is_explained(walking.explain(refund))

    def test_is_adopted_once(self, shop: Shop, payment) -> None:
        made = told(shop, payment, 5_000)
        send(callback_of(shop.network, made["idempotency_key"]))
        run_jobs()
        assert Refund.objects.filter(payment=payment).count() == 1
        assert ProviderWebhook.objects.filter(state="applied").count() >= 2

    def test_lets_a_refund_that_only_waited_give_way(self, shop: Shop, payment) -> None:
        waiting = shop.refund_asked(good(shop.client.get(f"/api/v1/payments/core/{payment.public_id}"), 200))
        told(shop, payment, 4_000)
        assert shop.refund(waiting["id"])["failure"]["code"] == "refunded_at_provider"
        payment.refresh_from_db()
        assert (payment.refunded_minor, payment.refunding_minor) == (4_000, 0)
        assert_all_invariants_hold()

    def test_ours_is_not_adopted(self, shop: Shop, payment) -> None:
        wish = RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=1_000)
        refund = requesting_refunds.request(
            merchant_id=payment.merchant_id, wish=wish, actor=SYSTEM, at=clock.now()
        )
        refunding.process(
            merchant_id=payment.merchant_id, refund_id=refund.pk, operation_id=uuid7(), actor=SYSTEM,
            at=clock.now(),
        )  # fmt: skip
        key = ProviderOperation.objects.get(subject_id=refund.pk).idempotency_key
        send(callback_of(shop.network, key))
        run_jobs()
        assert list(Refund.objects.filter(payment=payment)) == [refund]

    def test_that_fails_late_gives_the_money_back(self, shop: Shop, payment) -> None:
        made = told(shop, payment, 5_000)
        send(
            callback_of(shop.network, made["idempotency_key"], status="failed", decline_code="account_closed")
        )
        run_jobs()
        refund = Refund.objects.get(payment=payment)
        assert (refund.state, refund.failure_code) == ("failed", "no_such_account")
        payment.refresh_from_db()
        assert payment.refundable.minor == 10_000
        assert_all_invariants_hold()

    def test_waits_for_its_payment(self, shop: Shop, payment) -> None:
        made = kit.refunded_there(shop.network, payment.provider_reference, 100, uuid7().hex)
        early = callback_of(shop.network, made["idempotency_key"], authorization="auth_of_nobody")
        send(early)
        run_jobs()
        kept = ProviderWebhook.objects.get(event_id=early.event_id)
        assert (kept.state, kept.apply_at > clock.now() - timedelta(seconds=60)) == ("received", True)
        assert not Refund.objects.filter(payment=payment).exists()
