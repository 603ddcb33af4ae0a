"""Details encrypted in the browser: only for us, only for this merchant, only in time."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger import clock
from payments.models import ExchangeKey
from payments.vault import exchange, stores
from payments.vault.errors import ExchangeKeyOver, NotSealed
from tests.factories import vendors as factory
from tests.kit import cards
from vendors.models import Merchant

pytestmark = pytest.mark.django_db
DETAILS = {"number": "4000001234567899", "exp_month": 12, "exp_year": 2040}


@pytest.fixture(autouse=True)
def own_keys(settings: Any, tmp_path: Path) -> Any:
    settings.VAULT_KEY_FILE = tmp_path / "vault-keys.json"
    stores.reset()
    ExchangeKey.objects.all().delete()
    yield
    stores.reset()


def opened(text: str, merchant: Merchant, **later: float) -> Any:
    return exchange.open_details(text, merchant.pk, clock.now() + timedelta(**later))


class TestOpening:
    def test_what_a_browser_encrypts_opens(self, northwind: Merchant) -> None:
        assert opened(cards.encrypt(DETAILS, northwind.public_id), northwind) == DETAILS

    def test_not_for_another_merchant(self, northwind: Merchant) -> None:
        southwind = factory.create_merchant("Southwind")
        with pytest.raises(NotSealed):
            opened(cards.encrypt(DETAILS, northwind.public_id), southwind)

    @pytest.mark.parametrize("part", range(5))
    def test_no_part_may_be_changed(self, northwind: Merchant, part: int) -> None:
        parts = cards.encrypt(DETAILS, northwind.public_id).split(".")
        text = parts[part]
        parts[part] = text[:-2] + ("A" if text[-2] != "A" else "B") + text[-1]
        with pytest.raises(NotSealed):
            opened(".".join(parts), northwind)

    @pytest.mark.parametrize(
        "text",
        ["", "ev1", "ev2.a.b.c.d", "ev1...." + "A" * 5_000, "ev1.vek_x.é.ü.ö", "\u0000", "ev1.a.b.c.d.e"],
    )
    def test_nonsense_is_refused(self, northwind: Merchant, text: str) -> None:
        with pytest.raises(NotSealed):
            opened(text, northwind)

    @pytest.mark.parametrize("content", [[1], "4", 4, None, [[[]]]])
    def test_only_an_object_is_taken(self, northwind: Merchant, content: Any) -> None:
        with pytest.raises(NotSealed) as caught:
            opened(cards.encrypt(content, northwind.public_id), northwind)
        assert caught.value.__cause__ is None

    @pytest.mark.parametrize(
        "point", [b"\x04" + b"\x00" * 64, b"\x02" + b"\xab" * 64], ids=["not on it", "of another form"]
    )
    def test_a_point_off_the_curve_is_refused(self, northwind: Merchant, point: bytes) -> None:
        parts = cards.encrypt(DETAILS, northwind.public_id).split(".")
        parts[2] = cards.encoded(point)
        with pytest.raises(NotSealed):
            opened(".".join(parts), northwind)

    def test_no_two_envelopes_are_alike(self, northwind: Merchant) -> None:
        key = cards.published()
        made = {cards.encrypt(DETAILS, northwind.public_id, key) for _ in range(20)}
        assert len({text.split(".")[2] for text in made}) == 20


class TestKeys:
    def test_the_published_key_says_its_times(self, client: Any) -> None:
        answer = client.get("/api/v1/encryption-key")
        found = answer.json()
        assert found["id"].startswith("vek_")
        assert len(base64.urlsafe_b64decode(found["public_key"] + "=")) == 65
        assert found["expires_at"] < found["usable_until"]
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert client.get("/api/v1/encryption-key").json() == found
        assert client.post("/api/v1/encryption-key").status_code == 405

    def test_it_changes_and_the_old_one_opens_for_a_while(self, northwind: Merchant, settings: Any) -> None:
        at, old = clock.now(), cards.published()
        text = cards.encrypt(DETAILS, northwind.public_id, old)
        hours = settings.VAULT_EXCHANGE_KEY_HOURS
        later = exchange.published(at + timedelta(hours=hours + 1))
        assert later.public_id != old["id"]
        assert opened(text, northwind, hours=hours + 1) == DETAILS
        with pytest.raises(ExchangeKeyOver):
            opened(text, northwind, hours=hours + settings.VAULT_EXCHANGE_GRACE_HOURS + 1)

    def test_the_timer_makes_the_next_in_time_and_erases_the_last(
        self, northwind: Merchant, settings: Any
    ) -> None:
        at, old = clock.now(), cards.published()
        text = cards.encrypt(DETAILS, northwind.public_id, old)
        assert exchange.rotate(at) == 0
        assert ExchangeKey.objects.count() == 1
        hours = settings.VAULT_EXCHANGE_KEY_HOURS
        exchange.rotate(at + timedelta(hours=hours * 0.8))
        assert ExchangeKey.objects.count() == 2
        past = hours + settings.VAULT_EXCHANGE_GRACE_HOURS + 1
        assert exchange.rotate(at + timedelta(hours=past)) == 1
        row = ExchangeKey.objects.order_by("created_at", "pk").first()
        assert (row.ciphertext, row.wrapped_key) == (None, None)
        with pytest.raises(ExchangeKeyOver):
            opened(text, northwind)

    def test_the_private_half_is_sealed(self, northwind: Merchant) -> None:
        pair = exchange.published(clock.now())
        private = exchange._private(pair).private_numbers().private_value.to_bytes(32, "big")
        row = ExchangeKey.objects.filter(pk=pair.pk).values_list().get()
        assert private not in b"".join(bytes(value) for value in row if isinstance(value, bytes | memoryview))


class TestHandingOut:
    def test_our_envelopes_open_with_the_other_half(self) -> None:
        theirs = ec.generate_private_key(ec.SECP256R1())
        point = theirs.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        own, nonce, sealed = exchange.encrypt_for(point, json.dumps(DETAILS).encode(), b"about")
        shared = theirs.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), own))
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = cards.derived(shared, own + point)
        assert json.loads(AESGCM(key).decrypt(nonce, sealed, b"about")) == DETAILS
