from datetime import timedelta

import pytest

from config.day.proof import DEBTS
from ledger import clock, invariants
from ledger.ids import uuid7
from tests.factories import vendors as factory
from vendors.models import ApiKey, CommissionRule, IdempotencyKey, Vendor

pytestmark = pytest.mark.django_db
OURS = ("I-10", "I-11", "I-12", "I-13")


def broken():
    return {
        number: list(invariants.registry[number].check())
        for number in OURS
        if list(invariants.registry[number].check())
    }


class TestInvariants:
    @pytest.fixture(autouse=True)
    def holding(self, northwind, ada):
        factory.create_api_key(northwind)
        assert broken() == {}

    def test_a_request_without_an_answer_is_seen(self, northwind):
        key = ApiKey.objects.get(merchant=northwind)
        at = clock.now() - timedelta(hours=2)
        row = IdempotencyKey.objects.create(
            merchant=northwind, api_key=key, mode="sandbox", key="forgotten", method="POST", route="r",
            path="/r", api_version="v", fingerprint=b"f", request_body=b"{}", effect_id=uuid7(),
            locked_by=uuid7(), locked_until=at, resume_at=at, occurred_at=at, expires_at=at,
        )  # fmt: skip
        assert broken() == {"I-10": [f"request {row.pk} (POST r) has no answer after 1 tries"]}
        owed = dict(DEBTS)["requests with a key have no answer"]
        seen = owed()
        IdempotencyKey.objects.filter(pk=row.pk).update(request_body=None)  # its sender alone can ask again
        assert (broken(), owed()) == ({}, seen - 1)

    def test_a_state_that_no_event_explains_is_seen(self, ada):
        Vendor._base_manager.filter(pk=ada.pk).update(state="suspended")  # an edge, so SQL lets it pass
        assert broken() == {"I-11": [f"vendor {ada.pk} is suspended, the last event says active"]}

    def test_a_rule_for_another_merchants_vendor_is_seen(self, ada):
        other = factory.create_merchant("Southwind")
        CommissionRule.objects.filter(vendor=ada).update(merchant=other)
        assert list(broken()) == ["I-12"]

    def test_a_key_of_another_mode_is_seen(self, northwind):
        ApiKey.objects.filter(merchant=northwind).update(mode="live")
        assert list(broken()) == ["I-13"]
