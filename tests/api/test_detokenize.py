"""A number leaves the vault only encrypted for its asker's key, with the scope, told, and seldom."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db.models import QuerySet
from django.http import HttpResponse

from ledger.models import AuditRecord
from payments.models import VaultRecord
from tests.factories import vendors as factory
from tests.kit import cards
from tests.kit.api_cases import problem
from tests.kit.api_client import MerchantClient
from tests.kit.shop import good
from vendors.api import throttle
from vendors.models import Merchant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("network")]
PATH = "/api/v1/vault/detokenize"


class Mover:
    """A merchant that takes its cards elsewhere."""

    def __init__(self, merchant: Merchant, client: MerchantClient) -> None:
        self.typed = cards.card()
        encrypted = cards.encrypt(self.typed, merchant.public_id)
        body = {"customer_id": "carla", "type": "card", "encrypted": encrypted}
        self.method = good(client.post("/api/v1/payment-methods/", body), 201)
        self.client = MerchantClient(factory.create_api_key(merchant, ["vault:detokenize"])[1])
        self.private = ec.generate_private_key(ec.SECP256R1())
        public = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public = public

    def ask(self, client: MerchantClient | None = None, **changes: Any) -> HttpResponse:
        body = {
            "payment_method": self.method["id"],
            "public_key": cards.encoded(self.public),
            "reason": "moving",
            **changes,
        }
        return (client or self.client).post(PATH, body, key=None)

    def openings(self) -> QuerySet[AuditRecord]:
        """How often the house opened the card's record."""
        record = VaultRecord.objects.get(token=self.method["token"])
        return AuditRecord.objects.filter(object_id=record.public_id, action="vault.opened")

    def opened(self, answer: dict[str, Any]) -> Any:
        scheme, *parts = answer["encrypted"].split(".")
        own, nonce, sealed = map(cards.decoded, parts)
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), own)
        key = cards.derived(self.private.exchange(ec.ECDH(), theirs), own + self.public)
        return json.loads(AESGCM(key).decrypt(nonce, sealed, f"{scheme}|{answer['token']}".encode()))


@pytest.fixture
def mover(northwind: Merchant, merchant_client: MerchantClient) -> Mover:
    return Mover(northwind, merchant_client)


def test_hands_out_to_the_key_that_was_sent(mover: Mover) -> None:
    answer = good(mover.ask(), 200)
    assert mover.typed["number"] not in json.dumps(answer)
    found = mover.opened(answer)
    assert found["number"] == mover.typed["number"]
    assert "cvc" not in found
    told = AuditRecord.objects.filter(object_id=mover.method["id"], action="payment_method.detokenized")
    assert told.get().reason == "moving"
    assert mover.openings().exists()


def test_a_key_with_all_ordinary_scopes_may_not(mover: Mover, merchant_client: MerchantClient) -> None:
    problem(mover.ask(merchant_client), 403, "scope_missing")
    assert not mover.openings().exists()


def test_another_merchants_method_is_none(mover: Mover) -> None:
    southwind = factory.create_merchant("Southwind")
    stranger = MerchantClient(factory.create_api_key(southwind, ["vault:detokenize"])[1])
    problem(mover.ask(stranger), 404, "payment_method_not_found")


@pytest.mark.parametrize("key", ["AAAA", "", "B" * 87, "!" * 87])
def test_a_bad_key_is_refused_and_nothing_opens(mover: Mover, key: str) -> None:
    answer = mover.ask(public_key=key)
    assert answer.status_code in (400, 422)
    assert not mover.openings().exists()


def test_a_removed_method_is_gone(mover: Mover, merchant_client: MerchantClient) -> None:
    good(merchant_client.send("DELETE", f"/api/v1/payment-methods/{mover.method['id']}", key=None), 200)
    problem(mover.ask(), 409, "payment_method_not_usable")


def test_a_changed_record_is_a_refusal_and_not_a_crash(mover: Mover) -> None:
    VaultRecord.objects.filter(token=mover.method["token"]).update(nonce=b"0" * 12)
    problem(mover.ask(), 409, "vault_record_unreadable")
    assert mover.openings().filter(outcome="failed").exists()


def test_only_a_few_are_served(mover: Mover, settings: Any) -> None:
    settings.API_RATE_LIMITS = {
        **settings.API_RATE_LIMITS, "detokenize": {"per_second": 1 / 3600, "burst": 3},
    }  # fmt: skip
    answers = [mover.ask().status_code for _ in range(5)]
    assert answers == [200, 200, 200, 429, 429]


def test_without_the_limiter_nothing_is_served(mover: Mover, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle.Throttle, "take_shared", lambda *_: None)
    problem(mover.ask(), 503, "limiter_unavailable")
    assert not mover.openings().exists()
