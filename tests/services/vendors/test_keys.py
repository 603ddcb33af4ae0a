from datetime import timedelta

import pytest

from ledger.actors import SYSTEM
from ledger.models import AuditRecord
from tests.factories import vendors as factory
from vendors import selectors
from vendors.models import ApiKey
from vendors.scopes import NAMED_ONLY, ORDINARY, UnknownScope
from vendors.services import keys
from vendors.services.keys import KeyModeMismatch

pytestmark = pytest.mark.django_db


def issue(merchant, scopes=None, mode=None, **options):
    return keys.issue(merchant, scopes, mode, actor=SYSTEM, at=factory.AT, **options)


class TestIssue:
    def test_shows_the_plaintext_once_and_keeps_a_hash(self, northwind):
        key, plaintext = issue(northwind, ["payments:write"])
        assert plaintext.startswith(f"sk_test_{key.lookup}_")
        secret = plaintext.split("_", 3)[3]
        row = ApiKey.objects.get(pk=key.pk)
        assert len(bytes(row.secret_sha256)) == 32
        assert secret not in str(row.__dict__)
        record = AuditRecord.objects.get(object_id=key.public_id)
        assert record.action == "api_key.issued"
        assert secret not in str(record.__dict__)

    def test_gives_all_scopes_unless_told(self, northwind):
        assert set(issue(northwind)[0].scopes) == ORDINARY

    def test_what_hands_out_card_numbers_must_be_named(self, northwind):
        assert not NAMED_ONLY & set(issue(northwind)[0].scopes)
        assert issue(northwind, ["vault:detokenize"])[0].scopes == ["vault:detokenize"]

    def test_refuses_an_unknown_scope(self, northwind):
        with pytest.raises(UnknownScope):
            issue(northwind, ["payments:everything"])
        assert not ApiKey.objects.filter(merchant=northwind).exists()

    def test_refuses_a_live_key_for_a_sandbox_merchant(self, northwind):
        with pytest.raises(KeyModeMismatch):
            issue(northwind, mode="live")


class TestFind:
    def test_proves_a_key_in_one_query(self, northwind, django_assert_num_queries):
        key, plaintext = issue(northwind)
        with django_assert_num_queries(1):
            found = keys.find(plaintext)
            assert found.pk == key.pk
            assert found.merchant.name == "Northwind"

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
            lambda text: text.replace("sk_test_", "sk_live_"),
            lambda text: text.replace("sk_", "pk_"),
            lambda text: text[:-43],
            lambda text: text + "x",
            lambda text: "",
            lambda text: "sk_test_" + "é" * 12 + "_x",
            lambda text: text[:-1] + "\x00",
            lambda text: text[:-1] + "é",
        ],
    )
    def test_finds_nothing_for_a_spoilt_key(self, northwind, spoil):
        assert keys.find(spoil(issue(northwind)[1])) is None


class TestRotate:
    def test_lets_the_old_key_hold_for_the_overlap(self, northwind):
        old, _ = issue(northwind, ["payments:read"])
        new, plaintext = keys.rotate(
            merchant_id=northwind.pk,
            api_key_id=old.pk,
            overlap=timedelta(days=1),
            actor=SYSTEM,
            at=factory.AT,
        )
        old.refresh_from_db()
        assert old.expires_at == factory.AT + timedelta(days=1)
        assert new.scopes == ["payments:read"]
        assert keys.find(plaintext).pk == new.pk


class TestRevoke:
    def test_keeps_the_first_time(self, northwind):
        key, _ = issue(northwind)
        for days in (0, 1):
            keys.revoke(
                merchant_id=northwind.pk,
                api_key_id=key.pk,
                reason="leaked",
                actor=SYSTEM,
                at=factory.AT + timedelta(days=days),
            )
        key.refresh_from_db()
        assert key.revoked_at == factory.AT
        assert AuditRecord.objects.filter(object_id=key.public_id, action="api_key.revoked").count() == 1


class TestNoteUse:
    def test_writes_at_most_once_a_minute(self, northwind, django_assert_num_queries):
        key, _ = issue(northwind)
        keys.note_use(key, factory.AT)
        key.refresh_from_db()
        with django_assert_num_queries(0):
            keys.note_use(key, factory.AT + timedelta(seconds=59))
        keys.note_use(key, factory.AT + timedelta(seconds=60))
        key.refresh_from_db()
        assert key.last_used_at == factory.AT + timedelta(seconds=60)


class TestApiKeyByLookup:
    def test_reads_what_the_orm_reads(self, northwind):
        key, _ = issue(northwind, ["payments:read"], expires_at=factory.AT + timedelta(days=1))
        northwind.refund_approval_above = {"USD": 10_000}
        northwind.save(update_fields=["refund_approval_above"])
        found = selectors.api_key_by_lookup(key.lookup)
        expected = ApiKey.objects.select_related("merchant").get(pk=key.pk)
        for ours, theirs in ((found, expected), (found.merchant, expected.merchant)):
            for field in theirs._meta.concrete_fields:
                assert getattr(ours, field.attname) == getattr(theirs, field.attname), field.attname
                assert type(getattr(ours, field.attname)) is type(getattr(theirs, field.attname))
