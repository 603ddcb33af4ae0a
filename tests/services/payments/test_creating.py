"""Creating a payment: split, commission, screening and record in one piece, found again on a second run."""

from dataclasses import replace

import pytest

from fraud.models import FraudReview
from fraud.services import reviewing
from ledger import events, jobs, outbox
from ledger.actors import staff_actor
from ledger.ids import uuid7
from ledger.models import Event
from ledger.states import StateConflict
from payments.models import Payment, PaymentTransaction
from payments.rules.share_division import SplitInvalid, SplitTooLarge
from payments.services.payment_wishes import WantedShare
from payments.services.payments.creating import MerchantReferenceTaken, VendorNotActive
from tests.factories import vendors as people
from tests.kit.books import assert_all_invariants_hold
from tests.services.payments.cast import KEY, authorized, created, now_plus, types_of, usd, wish
from vendors.models.vendors import VendorNotFound
from vendors.services import onboarding

pytestmark = pytest.mark.django_db


class TestCreate:
    def test_writes_the_payment_its_shares_and_their_news(self, northwind, ada, bruno):
        payment = created(northwind, wish(amount=10_000, shares=[(ada, 6_000), (bruno, 3_000)]))
        assert (payment.state, payment.amount_minor, payment.version) == ("created", 10_000, 1)
        assert payment.number.startswith("PAY-")
        shares = [(s.vendor_id, s.amount_minor, s.commission_minor, s.state) for s in payment.share_rows]
        assert shares == [(ada.pk, 6_000, 600, "pending"), (bruno.pk, 3_000, 375, "pending")]
        assert payment.share_rows[0].commission_rate_bps == 1_000
        assert payment.share_rows[0].commission_rule_id is not None
        stream = list(events.stream("payment", payment.pk))
        assert [event.type for event in stream] == ["payment.created"]
        assert stream[0].payload["shares"][1]["amount_minor"] == 3_000
        assert_all_invariants_hold()

    def test_answers_inside_its_last_phase(self, northwind):
        answered = []
        payment = created(
            northwind, wish(), answer=lambda made: answered.append((made.pk, made.is_processing))
        )
        assert answered == [(payment.pk, False)]

    def test_finds_its_own_work_again(self, northwind, ada):
        payment_id, wanted = uuid7(), wish(shares=[(ada, 100)], merchant_reference="r-1")
        first = created(northwind, wanted, payment_id)
        answered = []
        second = created(northwind, wanted, payment_id, answer=answered.append)
        assert (first.pk, first.number) == (second.pk, second.number)
        assert answered == [second]
        assert [share.vendor_id for share in second.share_rows] == [ada.pk]
        assert Payment.objects.filter(merchant=northwind).count() == 1
        assert Event.objects.filter(subject_id=payment_id).count() == 1

    def test_keeps_a_currency_without_minor_units(self, northwind, ada):
        payment = created(northwind, wish(amount=999, currency="JPY", shares=[(ada, 995)]))
        assert payment.share_rows[0].commission_minor == 100  # 99.5 yen, half even

    def test_refuses_a_split_above_the_amount(self, northwind, ada, bruno):
        with pytest.raises(SplitTooLarge):
            created(northwind, wish(amount=100, shares=[(ada, 60), (bruno, 41)]))
        assert not Payment.objects.filter(merchant=northwind).exists()

    def test_refuses_a_vendor_twice(self, northwind, ada):
        with pytest.raises(SplitInvalid):
            created(northwind, wish(shares=[(ada, 60), (ada, 40)]))

    def test_refuses_more_than_fifty_shares(self, northwind):
        shares = [WantedShare(uuid7(), usd(1)) for _ in range(51)]
        with pytest.raises(SplitInvalid):
            created(northwind, replace(wish(), shares=shares))

    def test_refuses_a_share_of_nothing(self, northwind, ada):
        with pytest.raises(SplitInvalid):
            created(northwind, wish(shares=[(ada, 0)]))

    def test_refuses_another_merchants_vendor(self, northwind):
        stranger = people.create_vendor(people.create_merchant("Other"), "Stranger")
        with pytest.raises(VendorNotFound):
            created(northwind, wish(shares=[(stranger, 60)]))

    def test_refuses_a_vendor_who_may_not_sell(self, northwind, ada):
        onboarding.suspend_vendor(
            merchant_id=northwind.pk, vendor_id=ada.pk, actor=KEY, at=people.AT, reason="papers missing"
        )
        with pytest.raises(VendorNotActive):
            created(northwind, wish(shares=[(ada, 60)]))

    def test_takes_a_reference_once_per_merchant(self, northwind):
        created(northwind, wish(merchant_reference="r-1"))
        with pytest.raises(MerchantReferenceTaken):
            created(northwind, wish(merchant_reference="r-1"))
        created(people.create_merchant("Other"), wish(merchant_reference="r-1"))

    def test_is_not_shown_another_merchants_payment_by_its_id(self, northwind):
        payment = created(northwind, wish())
        with pytest.raises(Exception, match="duplicate key"):
            created(people.create_merchant("Other"), wish(), payment.pk)
        assert PaymentTransaction.objects.filter(payment=payment).count() == 0


class TestScreening:
    """Against the house's own rules: above 10,000 USD a person looks, above 50,000 USD it is declined."""

    def test_a_declined_one_is_born_rejected_with_its_shares(self, northwind, ada):
        payment = created(northwind, wish(amount=5_000_001, shares=[(ada, 100)], is_confirmed=True))
        assert (payment.state, payment.reason) == ("rejected", "declined by the fraud screening")
        assert [share.state for share in payment.share_rows] == ["cancelled"]
        with pytest.raises(StateConflict):
            authorized(payment)
        assert_all_invariants_hold()

    def test_a_suspicious_one_waits_for_a_person(self, northwind, ada):
        payment = created(northwind, wish(amount=1_000_001, shares=[(ada, 100)]))
        assert (payment.state, payment.fraud_decision) == ("under_review", "review")
        assert [share.state for share in payment.share_rows] == ["pending"]
        with pytest.raises(StateConflict):
            authorized(payment)

    @pytest.mark.parametrize(
        ("verb", "history"),
        [
            (reviewing.approve, ["review_opened", "review_approved", "authorized"]),
            (reviewing.decline, ["review_opened", "rejected"]),
        ],
    )
    def test_the_reviewers_word_lets_it_go_on_or_ends_it(self, northwind, network, verb, history):
        payment = created(northwind, wish(network.card()["token"], 1_000_001, is_confirmed=True))
        review = FraudReview.objects.get(payment_ref=payment.public_id)
        olga = staff_actor(1, "olga")
        verb(review_id=review.pk, actor=olga, reason="knows the customer well", at=now_plus(1))
        outbox.relay_all(now_plus(2))
        jobs.run_due(now_plus(3))
        assert types_of(payment) == history
        assert_all_invariants_hold()
