"""A merchant is suspended, a stored card removed, between the steps of a payment: what is begun after that is
refused in the transaction that would begin it; what was begun before is finished."""

from collections.abc import Callable
from contextvars import Context
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger import clock, jobs
from ledger.actors import SYSTEM, Actor
from ledger.ids import uuid7
from payments import method_selectors, numbers
from payments.models import Payment, PaymentMethod, ProviderOperation
from payments.services.calls import failing_over, operations, recovering
from payments.services.calls.claim_refusals import PaymentMethodRemoved
from payments.services.methods import keeping_methods, revealing_methods
from payments.services.payment_wishes import NewPayment
from payments.services.payments import capturing, increasing
from tests.factories import vendors as factory
from tests.kit import cards, refunds, stored
from tests.kit.api_cases import problem
from tests.kit.api_client import MerchantClient
from tests.kit.books import assert_all_invariants_hold
from tests.kit.checkout import METHODS, Till
from tests.kit.network import Network
from tests.kit.shop import CORE, run_jobs
from tests.services.payments.cast import (
    authorized,
    cancelled,
    captured,
    created,
    now_plus,
    sold,
    usd,
    wish,
)
from vendors.api import base
from vendors.models import ApiKey, IdempotencyKey, Merchant
from vendors.models.merchants import MerchantInactive
from vendors.scopes import SCOPES
from vendors.services import idempotency, keys, onboarding

pytestmark = pytest.mark.django_db
GRACE = Actor("staff", "7", "grace")


def suspend(merchant: Merchant) -> None:
    onboarding.suspend_merchant(merchant_id=merchant.pk, reason="fraud?", actor=GRACE, at=clock.now())


def reinstate(merchant: Merchant) -> None:
    onboarding.reinstate_merchant(merchant_id=merchant.pk, reason="no", actor=GRACE, at=clock.now())


def revoke(key: ApiKey) -> None:
    """Revoke a key as another request does: in a context of its own."""
    told = {"merchant_id": key.merchant_id, "api_key_id": key.pk, "reason": "lost"}
    Context().run(lambda: keys.revoke(**told, actor=GRACE, at=clock.now()))


def fresh(payment: Payment) -> Payment:
    return Payment.objects.get(pk=payment.pk)


def kinds(payment: Payment) -> list[str]:
    return list(payment.operations.order_by("created_at").values_list("kind", flat=True))


def paid_with(method: PaymentMethod) -> NewPayment:
    return wish("", method_id=method.pk, customer_ref=method.customer_ref)


def just_before(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, act: Callable[[], None]) -> list[str]:
    """Let something happen once, just before a function is called; returns what happened."""
    real, happened = getattr(where, name), []

    def first(*args: Any, **options: Any) -> Any:
        if not happened:
            happened.append(name)
            act()
        return real(*args, **options)

    monkeypatch.setattr(where, name, first)
    return happened


class TestASuspendedMerchant:
    @pytest.fixture
    def token(self, network: Network) -> str:
        return str(network.tokenized(cards.card())["token"])

    def test_between_the_look_and_the_claim_begins_no_payment(
        self, northwind: Merchant, network: Network, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        happened = just_before(monkeypatch, numbers, "take", lambda: suspend(northwind))
        with pytest.raises(MerchantInactive):
            sold(northwind, wish(token, capture_method="automatic"))
        assert happened
        assert not Payment.objects.filter(merchant=northwind).exists()
        assert not ProviderOperation.objects.filter(merchant=northwind).exists()

    @pytest.mark.parametrize("step", ["authorize", "capture", "increase"])
    def test_between_two_steps_takes_no_more(
        self, northwind: Merchant, network: Network, token: str, step: str
    ) -> None:
        payment = created(northwind, wish(token))
        if step != "authorize":
            payment = authorized(payment)
        before = (fresh(payment).version, kinds(payment))
        suspend(northwind)
        with pytest.raises(MerchantInactive):
            if step == "authorize":
                authorized(payment)
            elif step == "capture":
                captured(payment, 4_000)
            else:
                increasing.increase(
                    merchant_id=northwind.pk, payment_id=payment.pk, operation_id=uuid7(), amount=usd(100),
                    actor=SYSTEM, at=clock.now(),
                )  # fmt: skip
        assert (fresh(payment).version, kinds(payment)) == before
        reinstate(northwind)
        if step == "authorize":
            assert authorized(payment).state == "authorized"
        else:
            assert captured(payment).state == "captured"

    def test_gives_back_all_the_same(self, northwind: Merchant, network: Network, token: str) -> None:
        held = authorized(created(northwind, wish(token)))
        taken = captured(authorized(created(northwind, wish(network.tokenized(cards.card())["token"]))))
        suspend(northwind)
        assert cancelled(held).state == "cancelled"
        refunds.process(refunds.request(taken, 1_000))
        assert fresh(taken).refunded_minor == 1_000
        assert_all_invariants_hold()

    def test_between_claim_and_call_has_it_finished(
        self, northwind: Merchant, network: Network, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        happened = just_before(monkeypatch, operations, "call", lambda: suspend(northwind))
        payment = sold(northwind, wish(token, capture_method="automatic"))
        assert happened
        assert payment.state == "captured"  # the claim was of both
        assert_all_invariants_hold()

    def test_has_no_capture_made_by_us_until_he_may_act_again(
        self, northwind: Merchant, network: Network, token: str
    ) -> None:
        payment = authorized(created(northwind, wish(token, capture_method="automatic")))
        suspend(northwind)
        at = clock.now()
        with pytest.raises(jobs.Later) as waits:
            capturing.capture_by_job(payment.pk, at)
        assert waits.value.at == at + timedelta(hours=1)
        run_jobs()
        assert (fresh(payment).state, kinds(payment)) == ("authorized", ["authorize"])
        reinstate(northwind)
        run_jobs(2 * 3_600)
        assert fresh(payment).state == "captured"

    def test_has_no_payment_made_on_its_date_until_he_may_act_again(
        self, northwind: Merchant, network: Network, token: str
    ) -> None:
        on = clock.now() + timedelta(days=2)
        payment = created(northwind, wish(token, capture_method="automatic", scheduled_at=on))
        suspend(northwind)
        run_jobs(2 * 86_400 + 60)
        assert (fresh(payment).state, kinds(payment)) == ("created", [])
        reinstate(northwind)
        run_jobs(2 * 86_400 + 2 * 3_600)
        assert fresh(payment).state in ("authorized", "captured")
        assert_all_invariants_hold()

    def test_goes_to_no_other_provider(
        self, northwind: Merchant, network: Network, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = network.card("generic_decline")["token"]
        method = stored.held(northwind, velocitypay=token, stripe="pm_card_visa")
        happened = just_before(monkeypatch, failing_over, "_next", lambda: suspend(northwind))
        payment = authorized(created(northwind, paid_with(method)))
        assert happened
        assert (payment.state, kinds(payment)) == ("failed", ["authorize"])
        assert_all_invariants_hold()

    def test_is_refused_as_at_the_door(
        self, merchant_client: MerchantClient, northwind: Merchant, network: Network, token: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        body = {
            "amount": {"amount": 100, "currency": "USD"}, "order_id": "o-1", "customer_id": "carla",
            "payment_method": {"type": "card", "token": token}, "confirm": True,
        }  # fmt: skip
        happened = just_before(monkeypatch, numbers, "take", lambda: suspend(northwind))
        problem(merchant_client.post(CORE, body, key="one-of-them"), 403, "merchant_inactive")
        assert happened
        problem(merchant_client.post(CORE, body, key="another-one"), 403, "merchant_inactive")
        assert not Payment.objects.filter(merchant=northwind).exists()


class TestARemovedCard:
    @pytest.fixture
    def method(self, northwind: Merchant, network: Network) -> PaymentMethod:
        return stored.held(northwind, velocitypay=network.tokenized(cards.card())["token"])

    @staticmethod
    def remove(method: PaymentMethod) -> None:
        keeping_methods.remove(
            merchant_id=method.merchant_id, method_id=method.pk, reason="stolen", actor=GRACE, at=clock.now()
        )

    def test_between_the_choice_and_the_claim_begins_no_payment(
        self, northwind: Merchant, method: PaymentMethod, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        happened = just_before(monkeypatch, numbers, "take", lambda: self.remove(method))
        with pytest.raises(PaymentMethodRemoved):
            sold(northwind, paid_with(method))
        assert happened
        assert not Payment.objects.filter(merchant=northwind).exists()

    def test_between_claim_and_call_has_it_finished_and_captured(
        self, northwind: Merchant, method: PaymentMethod, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        happened = just_before(monkeypatch, operations, "call", lambda: self.remove(method))
        payment = sold(northwind, paid_with(method))
        recovering.sweep(now_plus(60))
        assert happened
        assert fresh(payment).state == "authorized"
        assert captured(payment).state == "captured"  # the reservation is the provider's word, not the card's
        assert_all_invariants_hold()


class TestARevokedKey:
    def test_between_the_door_and_the_claim_begins_nothing(
        self, northwind: Merchant, network: Network, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key, plaintext = factory.create_api_key(northwind)

        happened = just_before(monkeypatch, idempotency, "claim", lambda: revoke(key))
        body = {
            "amount": {"amount": 100, "currency": "USD"}, "order_id": "o-1", "customer_id": "carla",
            "payment_method": {"type": "card", "token": "vpt_none"},
        }  # fmt: skip
        problem(MerchantClient(plaintext).post(CORE, body, key="one-of-them"), 403, "api_key_revoked")
        assert happened
        problem(MerchantClient(plaintext).post(CORE, body, key="one-of-them"), 401, "api_key_revoked")
        assert not Payment.objects.filter(merchant=northwind).exists()
        assert not IdempotencyKey.objects.filter(merchant=northwind).exists()

    @pytest.mark.parametrize("is_judged", [True, False], ids=["judged again", "asked at the door only"])
    def test_between_the_door_and_a_claim_without_an_idempotency_key_takes_nothing(
        self, northwind: Merchant, network: Network, monkeypatch: pytest.MonkeyPatch, is_judged: bool
    ) -> None:
        key, plaintext = factory.create_api_key(northwind)
        payment = authorized(created(northwind, wish(network.tokenized(cards.card())["token"])))
        before = (fresh(payment).version, kinds(payment))

        happened = just_before(monkeypatch, capturing, "_claim", lambda: revoke(key))
        if not is_judged:  # the negative control
            monkeypatch.setattr(base, "ask_first", lambda _: None)
        client, path = MerchantClient(plaintext), f"{CORE}{payment.public_id}/capture"
        answer = client.put(path, {}, key=None)
        assert happened
        if is_judged:
            problem(answer, 403, "api_key_revoked")
            assert (fresh(payment).version, kinds(payment)) == before
        else:
            assert (answer.status_code, kinds(payment)) == (200, ["authorize", "capture"])
        problem(client.put(path, {}, key=None), 401, "api_key_revoked")

    @pytest.mark.parametrize("verb", ["set-default", "remove", "detokenize"])
    def test_between_the_door_and_the_work_changes_and_hands_out_nothing(
        self, northwind: Merchant, network: Network, monkeypatch: pytest.MonkeyPatch, verb: str
    ) -> None:
        key, plaintext = factory.create_api_key(northwind, sorted(SCOPES))
        client = MerchantClient(plaintext)
        till = Till(client, northwind)
        made = [till.card() for _ in range(2)][1]
        before = list(PaymentMethod.objects.filter(merchant=northwind).order_by("pk").values())

        module, name = (revealing_methods, "reveal") if verb == "detokenize" else (method_selectors, "method")
        happened = just_before(monkeypatch, module, name, lambda: revoke(key))
        if verb == "set-default":
            answer = client.put(f"{METHODS}{made['id']}/set-default", {}, key=None)
        elif verb == "remove":
            answer = client.send("DELETE", METHODS + made["id"], key=None)
        else:
            point = ec.generate_private_key(ec.SECP256R1()).public_key()
            public = cards.encoded(point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
            asked = {"payment_method": made["id"], "public_key": public, "reason": "moving"}
            answer = client.post("/api/v1/vault/detokenize", asked, key="with-one-or-without")
        assert happened
        problem(answer, 403, "api_key_revoked")
        assert list(PaymentMethod.objects.filter(merchant=northwind).order_by("pk").values()) == before


def test_another_merchant_is_not_touched(northwind: Merchant, network: Network) -> None:
    suspend(factory.create_merchant("Southwind"))
    assert sold(northwind, wish(network.tokenized(cards.card())["token"])).state == "authorized"
