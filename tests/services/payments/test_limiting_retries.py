"""A card that the schemes forbid is not tried: counted at each decline, refused at the claim."""

from datetime import timedelta

import pytest
from django.db import IntegrityError

from ledger import clock
from ledger.actors import staff_actor
from ledger.ids import uuid7
from ledger.models import AuditRecord
from payments.models import Payment, ProviderOperation, RetryStanding
from payments.services.calls import limiting_retries
from payments.services.calls.limiting_retries import NotBound, RetryLimitReached
from payments.services.payments import authorizing
from tests.factories import payments as rows
from tests.kit import stored
from tests.kit.adyen import AdyenSandbox
from tests.kit.books import assert_all_invariants_hold
from tests.kit.shop import work_until
from tests.services.payments.cast import authorized, created, now_plus, sold, wish

pytestmark = pytest.mark.django_db(transaction=True)
FINN = staff_actor(1, "finn")


@pytest.fixture
def wanted(northwind, network):
    """A wish to pay with one stored card of a scenario, again and again."""

    def make(scenario: str, **more):
        method = stored.held(northwind, velocitypay=network.card(scenario)["token"], **more)
        return wish("", method_id=method.pk, customer_ref=method.customer_ref, capture_method="automatic")

    return make


def standing(northwind) -> RetryStanding:
    return RetryStanding.objects.get(merchant=northwind)


class TestCategoryOne:
    def test_is_refused_before_anything_is_written(self, northwind, wanted):
        wish_ = wanted("lost_card")
        assert sold(northwind, wish_).state == "failed"
        with pytest.raises(RetryLimitReached, match="never approve"):
            sold(northwind, wish_)
        assert Payment.objects.filter(merchant=northwind).count() == 1
        assert standing(northwind).is_never
        assert_all_invariants_hold()

    def test_leaves_other_cards_and_merchants_alone(self, northwind, wanted, network):
        sold(northwind, wanted("lost_card"))
        assert sold(northwind, wanted("visa")).state == "captured"

    def test_of_a_raw_token_too(self, northwind, network):
        token = network.card("stolen_card")["token"]
        sold(northwind, wish(token, capture_method="automatic"))
        with pytest.raises(RetryLimitReached):
            sold(northwind, wish(token, capture_method="automatic"))

    def test_ends_a_payment_that_waited_for_its_date(self, northwind, wanted):
        wish_ = wanted("lost_card")
        payment = created(northwind, wish_)
        sold(northwind, wish_)
        authorizing.authorize_by_job(payment.pk, now_plus(5))
        payment = Payment.objects.get(pk=payment.pk)
        assert (payment.state, payment.decline_code) == ("failed", "previously_declined_do_not_retry")
        assert not ProviderOperation.objects.filter(payment=payment).exists()


class TestWindows:
    def test_the_sixteenth_try_of_a_visa_card_waits(self, northwind, wanted):
        wish_ = wanted("insufficient_funds")
        sold(northwind, wish_)
        row = standing(northwind)
        at = clock.now()
        row.declined = [at - timedelta(days=day) for day in range(1, 15)]  # and the next makes fifteen
        row.save()
        payment = sold(northwind, wish_)
        row.refresh_from_db()
        assert len(row.declined) == 15
        assert row.reason == "15 declined tries in 720 hours"
        with pytest.raises(RetryLimitReached, match="before 20"):
            sold(northwind, wish_)
        assert payment.decline_retry_at >= row.earliest_at
        later = row.earliest_at + timedelta(seconds=1)
        assert sold(northwind, wish_, at=later).decline_code == "insufficient_funds"


class TestAdviceCodes:
    def test_bind_until_their_day_and_keep_the_payment_here(self, northwind, wanted):
        wish_ = wanted("advised_later", stripe="pm_card_visa")
        payment = sold(northwind, wish_)
        assert (payment.state, payment.provider) == ("failed", "velocitypay")
        row = standing(northwind)
        assert row.advice_code == "26"
        assert timedelta(hours=47) < row.earliest_at - clock.now() < timedelta(hours=49)
        with pytest.raises(RetryLimitReached, match="after 2 days"):
            sold(northwind, wish_)

    def test_that_forbid_go_before_a_soft_code(self, northwind, wanted):
        payment = sold(northwind, wanted("advised_never", stripe="pm_card_visa"))
        assert (payment.state, payment.provider) == ("failed", "velocitypay")
        assert standing(northwind).is_never
        assert payment.decline_retry_at is None

    def test_of_stripe_bind_alike(self, northwind, network):
        self.bind(northwind, wish("pm_card_advisedLater", capture_method="automatic"), "stripe")

    def test_of_adyen_bind_alike(self, northwind, network):
        token = AdyenSandbox(network).token("advised_later")
        self.bind(northwind, wish(token, capture_method="automatic"), "adyen")

    @pytest.mark.parametrize("provider", ["stripe", "adyen"])
    def test_that_forbid_are_heard_from_each(self, northwind, network, provider):
        sandbox = AdyenSandbox(network)
        token = "pm_card_advisedNever" if provider == "stripe" else sandbox.token("advised_never")
        assert sold(northwind, wish(token, capture_method="automatic")).provider == provider
        assert (standing(northwind).is_never, standing(northwind).advice_code) == (True, "03")

    def bind(self, northwind, wish_, provider):
        payment = sold(northwind, wish_)
        assert (payment.state, payment.provider) == ("failed", provider)
        assert payment.decline_code == "insufficient_funds"
        row = standing(northwind)
        assert row.advice_code == "26"
        assert timedelta(hours=47) < row.earliest_at - clock.now() < timedelta(hours=49)
        assert payment.decline_retry_at >= row.earliest_at
        with pytest.raises(RetryLimitReached, match="after 2 days"):
            sold(northwind, wish_)


class TestFailover:
    def test_counts_each_try(self, northwind, wanted):
        payment = sold(northwind, wanted("generic_decline", stripe="pm_card_chargeDeclined"))
        assert payment.state == "failed"
        assert len(standing(northwind).declined) == 2

    def test_stops_where_the_first_decline_met_the_limit(self, northwind, wanted):
        wish_ = wanted("generic_decline", stripe="pm_card_visa")
        sold(northwind, wish_)  # declined here, paid there
        row = standing(northwind)
        row.declined = [clock.now() - timedelta(days=day) for day in range(1, 15)]
        row.save()
        payment = sold(northwind, wish_)
        assert (payment.state, payment.provider) == ("failed", "velocitypay")
        assert ProviderOperation.objects.filter(payment=payment, kind="authorize").count() == 1
        assert_all_invariants_hold()


class TestLifting:
    def test_lets_it_be_tried_again(self, northwind, wanted):
        wish_ = wanted("lost_card")
        sold(northwind, wish_)
        limiting_retries.lift(
            standing_id=standing(northwind).pk, actor=FINN, reason="the issuer says so", at=clock.now()
        )
        assert sold(northwind, wish_).state == "failed"
        assert AuditRecord.objects.filter(action="retry_limit.lifted").exists()

    def test_is_refused_where_nothing_binds(self, northwind, wanted):
        sold(northwind, wanted("insufficient_funds"))
        with pytest.raises(NotBound):
            limiting_retries.lift(
                standing_id=standing(northwind).pk, actor=FINN, reason="why not", at=clock.now()
            )


class TestTheLaw:
    def test_holds_for_whatever_statement_claims(self, northwind, wanted):
        payment = sold(northwind, wanted("lost_card"))
        key = ProviderOperation.objects.get(payment=payment).request["method_key"]
        other = rows.create_payment(northwind)
        with pytest.raises(IntegrityError, match="may not be tried"):
            rows.create_operation(
                other, "authorize", "authorize", request={"method_key": key}, created_at=clock.now()
            )

    def test_of_an_authorization_asked_for_by_itself(self, northwind, wanted):
        wish_ = wanted("lost_card")
        payment = created(northwind, wish_)
        sold(northwind, wish_)
        with pytest.raises(RetryLimitReached):
            authorized(payment, uuid7())
        assert Payment.objects.get(pk=payment.pk).state == "created"
        work_until(now_plus(5))
