from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

from ledger.actors import Actor
from ledger.ids import uuid7
from ledger.models import AuditRecord, Event
from ledger.states import StateConflict
from tests.factories import vendors as factory
from vendors.models import CommissionRule, Vendor
from vendors.models.vendors import VendorNotFound
from vendors.services import onboarding
from vendors.services.onboarding import (
    BadCommission,
    CommissionTerms,
    MerchantInactive,
    NewVendor,
    VendorExists,
)

pytestmark = pytest.mark.django_db
STAFF = Actor("staff", "1", "Sam")


def new_vendor(**changes):
    values = {
        "external_id": "ada",
        "name": "Ada",
        "category": "books",
        "payout_destination": factory.DESTINATION,
        "commission": CommissionTerms(1000),
    }
    return NewVendor(**{**values, **changes})


def create(merchant, **changes):
    options = {name: changes.pop(name) for name in ("vendor_id", "answer") if name in changes}
    return onboarding.create_vendor(
        merchant_id=merchant.pk, new=new_vendor(**changes), actor=STAFF, at=factory.AT, **options
    )


class TestCreateVendor:
    def test_is_active_at_once_with_a_sandbox_merchant(self, northwind):
        ada = create(northwind)
        assert ada.is_active
        assert list(
            Event.objects.filter(subject_id=ada.pk).order_by("sequence").values_list("type", flat=True)
        ) == [
            "vendor.opened",
            "vendor.activated",
        ]
        rule = CommissionRule.objects.get(vendor=ada)
        assert (rule.rate_bps, rule.fixed_minor, rule.currency, rule.valid_from) == (1000, 0, "", factory.AT)

    def test_waits_for_activation_with_a_live_merchant(self):
        ada = create(factory.create_merchant(mode="live"))
        assert ada.state == "onboarding"

    def test_refuses_an_external_id_twice_and_writes_nothing(self, northwind):
        create(northwind)
        with pytest.raises(VendorExists):
            create(northwind, name="Another")
        assert Vendor.objects.filter(merchant=northwind).count() == 1

    def test_lets_another_merchant_use_the_same_external_id(self, northwind):
        create(northwind)
        assert create(factory.create_merchant("Southwind")).is_active

    def test_run_again_with_its_id_finds_its_vendor_and_answers(self, northwind):
        answered = []
        vendor_id = uuid7()
        first = create(northwind, vendor_id=vendor_id, answer=answered.append)
        again = create(northwind, vendor_id=vendor_id, answer=answered.append)
        assert first == again
        assert [vendor.pk for vendor in answered] == [vendor_id, vendor_id]
        assert Event.objects.filter(subject_id=vendor_id).count() == 2

    @pytest.mark.parametrize(
        "terms",
        [CommissionTerms(10_001), CommissionTerms(-1), CommissionTerms(0, -1, "USD"), CommissionTerms(0, 30)],
    )
    def test_refuses_terms_that_cannot_be(self, northwind, terms):
        with pytest.raises(BadCommission):
            create(northwind, commission=terms)
        assert not Vendor.objects.filter(merchant=northwind).exists()

    def test_refuses_an_inactive_merchant(self):
        with pytest.raises(MerchantInactive):
            create(factory.create_merchant(is_active=False))


class TestSuspendVendor:
    def test_stops_and_restarts_with_a_reason_in_the_audit_log(self, northwind, ada):
        onboarding.suspend_vendor(
            merchant_id=northwind.pk, vendor_id=ada.pk, reason="complaints", actor=STAFF, at=factory.AT
        )
        ada.refresh_from_db()
        assert ada.state == "suspended"
        record = AuditRecord.objects.get(object_id=ada.public_id, action="vendor.suspended")
        assert (record.reason, record.actor_id, record.merchant_id) == ("complaints", "1", northwind.pk)
        onboarding.reinstate_vendor(
            merchant_id=northwind.pk,
            vendor_id=ada.pk,
            reason="settled",
            actor=STAFF,
            at=factory.AT + timedelta(1),
        )
        ada.refresh_from_db()
        assert ada.is_active

    def test_refuses_to_reinstate_an_active_vendor(self, northwind, ada):
        with pytest.raises(StateConflict):
            onboarding.reinstate_vendor(
                merchant_id=northwind.pk, vendor_id=ada.pk, reason="", actor=STAFF, at=factory.AT
            )

    def test_does_not_find_another_merchants_vendor(self, ada):
        other = factory.create_merchant("Southwind")
        with pytest.raises(VendorNotFound):
            onboarding.suspend_vendor(
                merchant_id=other.pk, vendor_id=ada.pk, reason="", actor=STAFF, at=factory.AT
            )


class TestStateGuard:
    def test_refuses_a_move_that_is_no_edge_in_sql(self, ada):
        with pytest.raises(DatabaseError), transaction.atomic():
            Vendor._base_manager.filter(pk=ada.pk).update(state="onboarding")
        ada.refresh_from_db()
        assert ada.is_active
