"""Paying in a crypto currency: an address and an amount, the confirmations, then the money."""

import itertools
from datetime import timedelta

import pytest

from ledger import clock, jobs
from payments.models import Payment
from payments.services.calls import recovering
from payments.simulator import coins
from payments.simulator.errors import Refused
from tests.api.test_payment_methods import METHODS, Till
from tests.kit.books import assert_all_invariants_hold
from tests.kit.network import eventually
from tests.kit.shop import CORE, good
from tests.services.payments.cast import cancelled, now_plus, operation_of, sold, wish

pytestmark = pytest.mark.django_db(transaction=True)


def fresh(payment):
    return Payment.objects.get(pk=payment.pk)


@pytest.fixture
def waiting(northwind, ada, network):
    """Pay in coins: the customer is told where to send how much."""

    def pay(**options):
        token = network.coins()["token"]
        wanted = {"method_type": "crypto", "capture_method": "automatic", "shares": [(ada, 6_000)], **options}
        return sold(northwind, wish(token, **wanted))

    return pay


def confirmed(payment):
    """Ask, each time later than the last, until the network has seen the last block."""
    hours = itertools.count(1)

    def is_over():
        recovering.sweep(now_plus(3_600 * next(hours)))
        return fresh(payment).state == "captured"

    eventually(is_over, "the chain has confirmed the coins")
    return fresh(payment)


class TestPayingInCoins:
    def test_says_where_how_much_must_be_sent(self, waiting):
        payment = waiting()
        told = payment.action_instructions
        assert payment.state == "requires_action"
        assert (told["network"], told["confirmations_needed"]) == ("bitcoin", "3")
        assert told["address"].startswith("bcrt1")
        assert told["amount"] == coins.price(10_000, "USD") == "0.00149183"  # 100 / 1.1172 / 60,000, up
        assert timedelta() < payment.expires_at - clock.now()
        assert_all_invariants_hold()

    def test_two_payments_have_two_addresses(self, waiting):
        first, second = (waiting().action_instructions["address"] for _ in range(2))
        assert first != second

    def test_stands_with_the_last_confirmation_less_the_fee(self, waiting, network):
        payment = waiting()
        page = network.client.get(payment.action_url)
        assert payment.action_instructions["address"] in page.text
        network.act(payment.action_url, "paid")
        payment = confirmed(payment)
        assert (payment.captured_minor, payment.method_brand) == (10_000, "bitcoin")
        assert payment.operations.get(kind="capture").fee_minor == 100  # 1 % of 100.00
        assert_all_invariants_hold()

    def test_while_the_chain_confirms_it_is_neither_done_nor_can_it_be_cancelled(self, waiting, network):
        payment = waiting()
        network.act(payment.action_url, "paid")
        recovering.sweep(now_plus(60))
        assert fresh(payment).state in ("created", "captured")
        if fresh(payment).state == "created":
            assert operation_of(payment, "authorize").outcome == "pending"
        assert confirmed(payment).captured_minor == 10_000

    def test_too_few_coins_are_no_payment(self, waiting, network):
        payment = waiting()
        network.act(payment.action_url, "underpaid")
        recovering.sweep(now_plus(60))
        assert (fresh(payment).state, fresh(payment).decline_code) == ("failed", "amount_invalid")
        assert_all_invariants_hold()

    def test_what_nobody_pays_lapses(self, waiting, network):
        payment = waiting()
        network.act(payment.action_url, "unpaid")
        recovering.sweep(now_plus(60))
        assert (fresh(payment).state, fresh(payment).decline_code) == ("failed", "not_paid_in_time")

    def test_is_given_up_when_its_time_is_over(self, waiting, network):
        payment = waiting()
        jobs.run_due(payment.expires_at + timedelta(seconds=1))
        assert fresh(payment).state == "failed"
        assert network.act(payment.action_url, "paid").status_code == 404

    def test_is_cancelled_before_anybody_paid(self, waiting, network):
        payment = cancelled(waiting())
        assert payment.state == "cancelled"
        assert network.act(payment.action_url, "paid").status_code == 404
        assert_all_invariants_hold()


def test_a_stored_address_can_be_paid_with(merchant_client, northwind, network):
    till = Till(merchant_client, northwind)
    kept = {"network": "bitcoin", "address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}
    asked = {"customer_id": till.customer, "type": "crypto", "details": kept}
    method = good(merchant_client.post(METHODS, asked), 201)
    payment = good(
        merchant_client.post(
            CORE,
            {
                "amount": {"amount": 2_500, "currency": "EUR"},
                "order_id": "order-1",
                "customer_id": till.customer,
                "payment_method": method["id"],
                "capture_method": "automatic",
                "confirm": True,
            },
        ),
        201,
    )
    assert payment["status"] == "requires_action"
    action = payment["next_action"]
    assert action["type"] == "redirect_to_url"
    assert action["instructions"]["amount"] == "0.00041667"  # 25 / 60,000, up


def test_prices_are_never_rounded_down():
    assert coins.price(1, "EUR") == "0.00000017"
    assert coins.price(600_000_000, "EUR") == "100.00000000"


def test_a_currency_without_a_rate_has_no_price():
    with pytest.raises(Refused, match="no price in XOF"):
        coins.price(1_000, "XOF")
