from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from ledger import clock
from ledger.actors import SYSTEM
from ledger.locks import phase
from ledger.money import Money
from ledger.remembering import AskedInPhase
from tests.factories import vendors as factory
from vendors import selectors
from vendors.models import CommissionRule, Vendor
from vendors.services import commissions, onboarding
from vendors.services.onboarding import CommissionTerms, NewVendor

pytestmark = pytest.mark.django_db


class TestQuote:
    def test_uses_the_vendors_own_rule(self, northwind, ada):
        found = commissions.quote(northwind.pk, ada, Money(1999, "USD"), factory.AT)
        assert (found.rate_bps, found.commission) == (1000, Money(200, "USD"))
        assert found.rule_id == ada.commission_rules.get().pk

    def test_falls_to_category_then_merchant_then_nothing(self, northwind):
        bruno = factory.create_vendor(northwind, "Bruno", category="food", rate_bps=None)
        amount = Money(1000, "EUR")
        assert commissions.quote(northwind.pk, bruno, amount, factory.AT).rule_id is None
        house = factory.create_rule(northwind, rate_bps=500)
        assert commissions.quote(northwind.pk, bruno, amount, factory.AT).rule_id == house.pk
        food = factory.create_rule(northwind, category="food", rate_bps=700)
        assert commissions.quote(northwind.pk, bruno, amount, factory.AT).rule_id == food.pk

    def test_ignores_inactive_rules_and_rules_of_other_merchants(self, northwind):
        bruno = factory.create_vendor(northwind, "Bruno", rate_bps=None)
        factory.create_rule(northwind, is_active=False)
        factory.create_rule(factory.create_merchant("Southwind"))
        assert commissions.quote(northwind.pk, bruno, Money(1000, "EUR"), factory.AT).rule_id is None


class TestQuoteMany:
    def test_quotes_a_split_in_its_order_with_one_query(
        self, northwind, ada, bruno, django_assert_num_queries
    ):
        sales = [(bruno, Money(800, "USD")), (ada, Money(1000, "USD")), (bruno, Money(4, "USD"))]
        commissions.quote_many(northwind.pk, sales, factory.AT)
        with django_assert_num_queries(1):
            found = commissions.quote_many(northwind.pk, sales, factory.AT)
        assert [quote.commission.minor for quote in found] == [100, 100, 0]


@pytest.mark.django_db(transaction=True)
class TestPreview:
    """Terms of commission for showing: from memory, new at every change, and never for a sale."""

    def test_is_remembered_and_asks_no_database(self, northwind, ada, django_assert_num_queries):
        first = commissions.preview(northwind.pk, ada, Money(1999, "USD"), factory.AT)
        with django_assert_num_queries(0):
            assert commissions.preview(northwind.pk, ada, Money(1999, "USD"), factory.AT) == first
        commissions.memory.forget_near()  # as another process, which has only what is far
        with django_assert_num_queries(0):
            assert commissions.preview(northwind.pk, ada, Money(1999, "USD"), factory.AT) == first

    def test_a_new_rule_is_seen_at_once_here_and_elsewhere(self, northwind, ada):
        commissions.preview(northwind.pk, ada, Money(1999, "USD"), factory.AT)
        carol = onboard(northwind, rate_bps=700)
        for _ in range(2):
            found = commissions.preview(northwind.pk, carol, Money(10_000, "USD"), clock.now())
            assert found.commission == Money(700, "USD")
            commissions.memory.forget_near()

    def test_a_sale_asks_the_table_whatever_is_remembered(self, northwind, ada):
        commissions.preview(northwind.pk, ada, Money(10_000, "USD"), factory.AT)
        CommissionRule.objects.filter(vendor=ada).update(rate_bps=200)  # memory does not hear of this
        assert commissions.preview(northwind.pk, ada, Money(10_000, "USD"), factory.AT).rate_bps == 1000
        assert commissions.quote(northwind.pk, ada, Money(10_000, "USD"), factory.AT).rate_bps == 200

    def test_is_refused_where_money_is_decided(self, northwind, ada):
        with phase(), pytest.raises(AskedInPhase):
            commissions.preview(northwind.pk, ada, Money(1999, "USD"), factory.AT)


def onboard(merchant, *, rate_bps):
    """A vendor with terms, as the house takes one in."""
    return onboarding.create_vendor(
        merchant_id=merchant.pk,
        new=NewVendor("carol", "Carol", "toys", factory.DESTINATION, CommissionTerms(rate_bps)),
        actor=SYSTEM,
        at=clock.now(),
    )


class TestSellers:
    """What a process knows of vendors and rules is asked about, never believed."""

    def sellers(self, merchant, vendor):
        vendors, rules = selectors.sellers(merchant.pk, [vendor.pk])
        return vendors, {rule.id: rule.rate_bps for rule in rules}

    def test_known_rows_are_not_read_again(self, northwind, ada, django_assert_num_queries):
        first = self.sellers(northwind, ada)
        with django_assert_num_queries(1):
            assert self.sellers(northwind, ada) == first

    def test_every_change_is_seen_at_once(self, northwind, ada):
        _, rules = self.sellers(northwind, ada)
        (own,) = rules
        Vendor._base_manager.filter(pk=ada.pk).update(category="toys")
        CommissionRule.objects.filter(pk=own).update(rate_bps=901)
        house = factory.create_rule(northwind, rate_bps=500)
        vendors, rules = self.sellers(northwind, ada)
        assert vendors[ada.pk].category == "toys"
        assert rules == {own: 901, house.pk: 500}
        CommissionRule.objects.filter(pk=own).update(is_active=False)
        assert self.sellers(northwind, ada)[1] == {house.pk: 500}

    def test_another_merchants_vendor_is_not_there_though_it_is_known(self, northwind, ada):
        self.sellers(northwind, ada)
        assert self.sellers(factory.create_merchant("Southwind"), ada) == ({}, {})


class TestRuleTable:
    @pytest.mark.parametrize(
        "fields",
        [
            {"rate_bps": 10_001},
            {"fixed_minor": -1, "currency": "USD"},
            {"fixed_minor": 30},
            {"valid_to": factory.AT - timedelta(days=1)},
        ],
    )
    def test_refuses_terms_that_cannot_be(self, northwind, fields):
        with pytest.raises(IntegrityError), transaction.atomic():
            factory.create_rule(northwind, **fields)

    def test_refuses_a_rule_for_a_vendor_and_a_category(self, northwind, ada):
        with pytest.raises(IntegrityError), transaction.atomic():
            factory.create_rule(northwind, vendor=ada, category="books")
