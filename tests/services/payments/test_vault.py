"""The vault: what is sealed opens for its own row alone, is told when it opens, and is sealed anew."""

import threading
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from ledger import clock
from ledger.actors import SYSTEM
from ledger.locks import phase
from ledger.models import AuditRecord
from payments.models import VaultRecord
from payments.vault import envelope, instruments, rotation, stores, tokens
from payments.vault.errors import KeyGone, RecordErased, SealBroken
from payments.vault.instruments import Instrument, Shown
from payments.vault.rotation import KeyInUse
from tests.factories import vendors as factory
from tests.kit import cards
from vendors.models import Merchant

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_keys(settings: Any, tmp_path: Path) -> Any:
    """Keys of the test's own: it may destroy them."""
    settings.VAULT_KEY_FILE = tmp_path / "vault-keys.json"
    stores.reset()
    yield
    stores.reset()


def instrument(**changes: Any) -> Instrument:
    return instruments.read("card", cards.card(**changes), at=clock.now(), where="encrypted", is_live=False)


def kept(merchant: Merchant, what: Instrument | None = None) -> VaultRecord:
    with phase():
        return tokens.keep(what or instrument(), merchant_id=merchant.pk, actor=SYSTEM, at=clock.now())


def opened(record: VaultRecord, merchant: Merchant) -> dict[str, str]:
    return tokens.use(
        record.token, Shown(), lambda found: found.secret,
        merchant_id=merchant.pk, purpose="test", actor=SYSTEM, at=clock.now(),
    )  # fmt: skip


def told(record: VaultRecord, outcome: str = "done") -> int:
    return AuditRecord.objects.filter(
        action="vault.opened", object_id=record.public_id, outcome=outcome
    ).count()


def leave_out_others(merchant: Merchant) -> None:
    """Take what other tests left, under keys that are gone, for erased (undone with the test)."""
    VaultRecord.objects.exclude(merchant=merchant).filter(erased_at=None).update(
        wrapped_key=None, nonce=None, ciphertext=None, erased_at=clock.now()
    )


class TestKeeping:
    def test_opens_again_without_its_security_code(self, northwind: Merchant) -> None:
        what = instrument()
        assert what.code == cards.CVC
        record = kept(northwind, what)
        found = opened(record, northwind)
        assert found["number"] == what.secret["number"]
        assert cards.CVC not in found.values()
        assert "cvc" not in found
        assert told(record) == 1

    def test_it_is_told_before_it_opens(self, northwind: Merchant) -> None:
        record = kept(northwind)

        def look(_: Instrument) -> int:
            return told(record)

        assert tokens.use(
            record.token, Shown(), look, merchant_id=northwind.pk, purpose="x", actor=SYSTEM, at=clock.now()
        ) == 1  # fmt: skip

    def test_tokens_are_random_and_long(self, northwind: Merchant) -> None:
        what = instrument()
        made = {kept(northwind, what).token for _ in range(20)}
        assert len(made) == 20
        assert all(len(text) == len("tok_") + 32 for text in made)  # 160 bits in base 32

    @pytest.mark.parametrize(
        "sealings",
        [2_000, pytest.param(1_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
    )
    def test_no_pair_of_key_and_nonce_comes_twice(self, sealings: int) -> None:
        pairs, by_key = set(), set()
        for _ in range(sealings):
            one = envelope.seal(b"4", b"a")
            key = stores.store().unwrap(one.key_id, one.wrapped_key)
            pairs.add(key + one.nonce)
            by_key.add(key)
        assert len(pairs) == sealings
        assert len(by_key) == sealings  # each key seals once

    def test_another_merchant_has_no_such_token(self, northwind: Merchant) -> None:
        record = kept(northwind)
        with pytest.raises(tokens.VaultRecordNotFound):
            opened(record, factory.create_merchant("Southwind"))

    def test_erased_is_erased(self, northwind: Merchant) -> None:
        record = kept(northwind)
        with phase():
            tokens.erase(record.token, northwind.pk, actor=SYSTEM, at=clock.now(), reason="gone")
        with pytest.raises(RecordErased):
            opened(record, northwind)
        assert told(record, "failed") == 1


class TestTampering:
    @pytest.mark.parametrize("column", ["ciphertext", "nonce", "wrapped_key"])
    @pytest.mark.parametrize("how", ["flip", "cut", "swap"])
    def test_what_was_changed_does_not_open(self, northwind: Merchant, column: str, how: str) -> None:
        record, other = kept(northwind), kept(northwind)
        value = bytes(getattr(record, column))
        swapped = bytes(getattr(other, column))
        changed = {"flip": bytes([value[0] ^ 1]) + value[1:], "cut": value[:-1], "swap": swapped}[how]
        VaultRecord.objects.filter(pk=record.pk).update(**{column: changed})
        with pytest.raises(SealBroken):
            opened(record, northwind)
        assert told(record, "failed") == 1

    def test_content_moved_to_another_row_does_not_open(self, northwind: Merchant) -> None:
        mine, theirs = kept(northwind), kept(factory.create_merchant("Southwind"))
        VaultRecord.objects.filter(pk=mine.pk).update(
            key_id=theirs.key_id, wrapped_key=theirs.wrapped_key, nonce=theirs.nonce,
            ciphertext=theirs.ciphertext,
        )  # fmt: skip
        with pytest.raises(SealBroken):
            opened(mine, northwind)

    def test_a_row_given_to_another_merchant_does_not_open(self, northwind: Merchant) -> None:
        record, southwind = kept(northwind), factory.create_merchant("Southwind")
        VaultRecord.objects.filter(pk=record.pk).update(merchant=southwind)
        with pytest.raises(SealBroken):
            opened(record, southwind)

    def test_without_its_key_it_does_not_open(self, northwind: Merchant) -> None:
        record = kept(northwind)
        stores.store().make()
        stores.store().destroy(record.key_id)
        with pytest.raises(KeyGone):
            opened(record, northwind)
        assert told(record, "failed") == 1


class TestRotation:
    def test_every_card_opens_and_none_is_under_the_old_key(self, northwind: Merchant) -> None:
        records = [kept(northwind) for _ in range(25)]
        numbers = [opened(record, northwind)["number"] for record in records]
        old = records[0].key_id
        leave_out_others(northwind)
        out = StringIO()
        call_command("rotate_vault_keys", new=True, batch=7, stdout=out)
        assert "unreadable: 0" in out.getvalue()
        current = stores.store().current()
        assert current != old
        mine = VaultRecord.objects.filter(merchant=northwind)
        assert set(mine.values_list("key_id", flat=True)) == {current}
        assert [opened(record, northwind)["number"] for record in records] == numbers
        fresh = VaultRecord.objects.get(pk=records[0].pk)
        assert bytes(fresh.ciphertext) != bytes(records[0].ciphertext)
        assert bytes(fresh.wrapped_key) != bytes(records[0].wrapped_key)

    def test_run_again_it_has_nothing_to_do(self, northwind: Merchant) -> None:
        kept(northwind)
        leave_out_others(northwind)
        stores.store().make()
        assert rotation.rotate(actor=SYSTEM, at=clock.now()).sealed >= 1
        assert rotation.rotate(actor=SYSTEM, at=clock.now()).sealed == 0

    def test_a_row_that_does_not_open_is_left_and_told(self, northwind: Merchant) -> None:
        good, bad = kept(northwind), kept(northwind)
        VaultRecord.objects.filter(pk=bad.pk).update(nonce=b"0" * 12)
        stores.store().make()
        done = rotation.rotate(actor=SYSTEM, at=clock.now())
        assert done.unreadable >= 1
        assert VaultRecord.objects.get(pk=bad.pk).key_id == bad.key_id
        assert VaultRecord.objects.get(pk=good.pk).key_id != good.key_id
        assert AuditRecord.objects.filter(action="vault.rotated", object_id=bad.public_id).exists()
        with pytest.raises(CommandError, match="do not open"):
            call_command("rotate_vault_keys", stdout=StringIO())

    def test_a_key_in_use_is_not_destroyed(self, northwind: Merchant) -> None:
        record, at = kept(northwind), clock.now()
        with pytest.raises(KeyInUse, match="is the current"):
            rotation.destroy(record.key_id, actor=SYSTEM, at=at)
        stores.store().make()
        later = at + timedelta(hours=2)
        with pytest.raises(KeyInUse, match="rotate first"):
            rotation.destroy(record.key_id, actor=SYSTEM, at=later)
        rotation.rotate(actor=SYSTEM, at=at)
        with pytest.raises(KeyInUse, match="younger than an hour"):
            rotation.destroy(record.key_id, actor=SYSTEM, at=at)
        rotation.destroy(record.key_id, actor=SYSTEM, at=later)
        assert record.key_id not in stores.store().key_ids()
        assert opened(record, northwind)["number"]
        assert AuditRecord.objects.filter(action="vault.key_destroyed", object_id=record.key_id).exists()

    def test_from_a_file_into_a_token_is_not_a_rotation_but_refused(
        self, northwind: Merchant, settings: Any, hsm: tuple[str, str, str]
    ) -> None:
        record = kept(northwind)
        settings.VAULT_KEY_STORE = "pkcs11"
        settings.VAULT_PKCS11_MODULE, settings.VAULT_PKCS11_TOKEN, settings.VAULT_PKCS11_PIN = hsm
        stores.reset()
        with pytest.raises(KeyGone):
            opened(record, northwind)
        again = kept(northwind)
        assert opened(again, northwind)["number"]


@pytest.mark.races
@pytest.mark.django_db(transaction=True)
class TestRotationWhileWriting:
    @pytest.mark.parametrize(
        ("before", "batch"),
        [(30, 5), pytest.param(5_000, 100, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
    )
    def test_cards_added_meanwhile_open_too(self, northwind: Merchant, before: int, batch: int) -> None:
        records = [kept(northwind) for _ in range(before)]
        stop = threading.Event()

        def add() -> None:
            while not stop.is_set():
                records.append(kept(northwind))
            connection.close()

        writer = threading.Thread(target=add)
        writer.start()
        try:
            for _ in range(3):
                stores.store().make()
                rotation.rotate(actor=SYSTEM, at=clock.now(), batch=batch)
            while len(records) <= before + before // 10 and writer.is_alive():
                rotation.rotate(actor=SYSTEM, at=clock.now(), batch=batch)
        finally:
            stop.set()
            writer.join()
        rotation.rotate(actor=SYSTEM, at=clock.now())
        mine = VaultRecord.objects.filter(merchant=northwind)
        assert set(mine.values_list("key_id", flat=True)) == {stores.store().current()}
        assert len(records) > before + before // 10
        for record in records[:10] + records[-10:]:
            assert opened(record, northwind)["number"]
        with phase():
            for record in records:
                tokens.erase(record.token, northwind.pk, actor=SYSTEM, at=clock.now(), reason="end of test")
