"""Both key stores keep the same promises; the file's own are its mode and that it is made once."""

import os
import secrets
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from payments.vault.errors import KeyGone, KeyStoreAway, SealBroken
from payments.vault.file_store import FileStore
from payments.vault.key_store import KeyStore

DATA_KEY = secrets.token_bytes(32)


@pytest.fixture(params=["file", "pkcs11"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> KeyStore:
    if request.param == "file":
        return FileStore(tmp_path / "keys.json")
    from payments.vault.pkcs11_store import Pkcs11Store

    return Pkcs11Store(*request.getfixturevalue("hsm"))


class TestBoth:
    def test_a_data_key_comes_back(self, store: KeyStore) -> None:
        key_id = store.current()
        wrapped = store.wrap(key_id, DATA_KEY)
        assert DATA_KEY not in wrapped
        assert len(wrapped) == 40  # RFC 3394: eight bytes more
        assert store.unwrap(key_id, wrapped) == DATA_KEY

    def test_the_newest_is_current_and_the_old_one_still_opens(self, store: KeyStore) -> None:
        old = store.current()
        wrapped = store.wrap(old, DATA_KEY)
        new = store.make()
        assert store.current() == new > old
        assert store.key_ids()[-2:] == [old, new]
        assert store.unwrap(old, wrapped) == DATA_KEY
        with pytest.raises(SealBroken):
            store.unwrap(new, wrapped)

    def test_what_was_changed_does_not_unwrap(self, store: KeyStore) -> None:
        key_id = store.current()
        wrapped = bytearray(store.wrap(key_id, DATA_KEY))
        wrapped[7] ^= 1
        for broken in (bytes(wrapped), bytes(wrapped[:-8]), b"", b"x" * 39):
            with pytest.raises((SealBroken, KeyStoreAway)):
                store.unwrap(key_id, broken)
        assert store.unwrap(key_id, store.wrap(key_id, DATA_KEY)) == DATA_KEY

    def test_a_destroyed_key_opens_nothing(self, store: KeyStore) -> None:
        old = store.current()
        wrapped = store.wrap(old, DATA_KEY)
        store.make()
        store.destroy(old)
        assert old not in store.key_ids()
        with pytest.raises(KeyGone):
            store.unwrap(old, wrapped)
        store.destroy(old)  # again: nothing happens

    def test_fingerprints_are_keyed_and_steady(self, store: KeyStore) -> None:
        first = store.mac(b"fp1|card|4000")
        assert len(first) == 32
        store.make()
        assert store.mac(b"fp1|card|4000") == first
        assert store.mac(b"fp1|card|4001") != first

    def test_threads_share_it(self, store: KeyStore) -> None:
        key_id = store.current()

        def work(_: int) -> bool:
            key = secrets.token_bytes(32)
            return store.unwrap(key_id, store.wrap(key_id, key)) == key

        with ThreadPoolExecutor(6) as pool:
            assert all(pool.map(work, range(60)))


class TestFile:
    def test_only_its_owner_may_read_it(self, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "keys.json"
        FileStore(path).current()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
    def test_one_that_others_may_touch_is_refused(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "keys.json"
        FileStore(path).current()
        path.chmod(mode)
        with pytest.raises(KeyStoreAway, match="0600"):
            FileStore(path).current()

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"keks": {}}', '{"keks": {"a": "!"}}'])
    def test_a_damaged_one_is_refused_and_stays(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "keys.json"
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(KeyStoreAway):
            FileStore(path).current()
        assert path.read_text() == text

    def test_first_use_by_many_at_once_makes_one(self, tmp_path: Path) -> None:
        path = tmp_path / "keys.json"
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: FileStore(path).current(), range(24)))
        assert len(set(found)) == 1

    def test_keys_made_by_another_process_are_seen(self, tmp_path: Path) -> None:
        mine, others = FileStore(tmp_path / "keys.json"), FileStore(tmp_path / "keys.json")
        mine.current()
        made = others.make()
        assert mine.current() == made

    def test_making_at_once_loses_none(self, tmp_path: Path) -> None:
        path = tmp_path / "keys.json"
        FileStore(path).current()
        with ThreadPoolExecutor(6) as pool:
            made = list(pool.map(lambda _: FileStore(path).make(), range(12)))
        assert set(made) < set(FileStore(path).key_ids())

    def test_it_shows_no_key(self, tmp_path: Path) -> None:
        store = FileStore(tmp_path / "keys.json")
        store.current()
        assert store._known is not None
        secret = next(iter(store._known.keks.values()))
        assert repr(secret) not in repr(store._known) + repr(vars(store))
        assert secret.hex() not in repr(vars(store))
        assert os.path.getsize(tmp_path / "keys.json") > 100


def in_a_child(work: Callable[[], bool]) -> bool:
    """Whether work comes out true in a forked process."""
    child = os.fork()
    if child == 0:
        held = False
        try:
            held = work()
        finally:
            os._exit(0 if held else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class TestToken:
    def test_a_key_cannot_be_read_out(self, hsm: tuple[str, str, str]) -> None:
        from pkcs11 import Attribute, ObjectClass
        from pkcs11.exceptions import AttributeSensitive

        from payments.vault.pkcs11_store import Pkcs11Store

        store = Pkcs11Store(*hsm)
        kek = store._session().get_key(
            label=f"everycent:{store.current()}", object_class=ObjectClass.SECRET_KEY
        )
        with pytest.raises(AttributeSensitive):
            assert kek[Attribute.VALUE]

    def test_a_wrong_pin_or_token_is_not_a_crash(self, hsm: tuple[str, str, str]) -> None:
        from payments.vault.pkcs11_store import Pkcs11Store

        for wrong in ((hsm[0], "nobody", hsm[2]), ("/no.so", "x", "y")):
            with pytest.raises(KeyStoreAway):
                Pkcs11Store(*wrong).current()

        def with_a_wrong_pin() -> bool:
            with pytest.raises(KeyStoreAway):
                Pkcs11Store(hsm[0], hsm[1], "0000").current()
            return True

        assert in_a_child(with_a_wrong_pin)

    def test_a_forked_process_begins_again(self, hsm: tuple[str, str, str]) -> None:
        from payments.vault.pkcs11_store import Pkcs11Store

        store = Pkcs11Store(*hsm)
        key_id = store.current()
        wrapped = store.wrap(key_id, DATA_KEY)
        assert in_a_child(lambda: store.unwrap(key_id, wrapped) == DATA_KEY)
        assert store.unwrap(key_id, wrapped) == DATA_KEY
