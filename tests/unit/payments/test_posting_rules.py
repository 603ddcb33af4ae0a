"""What a capture and a refund post: exact legs, and zero in sum whatever the figures."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ledger.chart import Code
from ledger.money import Money
from payments import posting_rules
from payments.models import Payment, PaymentTransaction
from payments.posting_rules import Own, ShareCapture, ShareRefund
from payments.rules.capture_division import Part

MERCHANT, ADA, BRUNO = UUID(int=1), UUID(int=2), UUID(int=3)


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def a_payment() -> Payment:
    return Payment(merchant_id=MERCHANT, currency="USD", provider="velocitypay")


def a_share(vendor: UUID) -> PaymentTransaction:
    return PaymentTransaction(merchant_id=MERCHANT, vendor_id=vendor, currency="USD")


def shown(legs):
    return [(leg.account.code, leg.account.owner, leg.amount.minor, leg.purpose) for leg in legs]


def test_a_capture_posts_clearing_fee_sales_commission_and_the_merchants_own():
    captures = [
        ShareCapture(a_share(ADA), Part(usd(6_000), usd(600))),
        ShareCapture(a_share(BRUNO), Part(usd(3_000), usd(375))),
    ]
    assert shown(posting_rules.captured(a_payment(), captures, usd(1_000), usd(320))) == [
        (Code.PROVIDER_CLEARING, "velocitypay", 9_680, "clearing"),
        (Code.PROVIDER_FEES, "velocitypay", 320, "fee"),
        (Code.VENDOR_PENDING, str(ADA), -6_000, "sale"),
        (Code.VENDOR_PENDING, str(ADA), 600, "commission"),
        (Code.COMMISSION, "", -600, "commission"),
        (Code.VENDOR_PENDING, str(BRUNO), -3_000, "sale"),
        (Code.VENDOR_PENDING, str(BRUNO), 375, "commission"),
        (Code.COMMISSION, "", -375, "commission"),
        (Code.MERCHANT_BALANCE, "", -1_000, "sale"),
    ]


def test_a_fee_above_the_amount_is_owed_to_the_provider():
    legs = posting_rules.captured(a_payment(), [], usd(10), usd(30))
    assert shown(legs)[:2] == [
        (Code.PROVIDER_CLEARING, "velocitypay", -20, "clearing"),
        (Code.PROVIDER_FEES, "velocitypay", 30, "fee"),
    ]


def test_a_refund_takes_from_pending_what_it_bears_and_the_rest_is_owed():
    refunds = [ShareRefund(a_share(ADA), usd(6_000), commission_back=usd(600), from_pending=usd(4_000))]
    assert shown(posting_rules.refunded(a_payment(), refunds, Own(usd(500), usd(500)), "velocitypay")) == [
        (Code.PROVIDER_CLEARING, "velocitypay", -6_500, "refund"),
        (Code.VENDOR_PENDING, str(ADA), -600, "commission_back"),
        (Code.COMMISSION, "", 600, "commission_back"),
        (Code.VENDOR_PENDING, str(ADA), 4_000, "refund"),
        (Code.VENDOR_RECEIVABLE, str(ADA), 2_000, "refund"),
        (Code.MERCHANT_BALANCE, "", 500, "refund"),
    ]


minor = st.integers(min_value=0, max_value=10**12)
shares = st.lists(st.tuples(minor, minor, minor), max_size=5)


@given(shares, minor, minor)
def test_captures_balance(parts, own, fee):
    captures = [ShareCapture(a_share(ADA), Part(usd(a), usd(min(a, c)))) for a, c, _ in parts]
    legs = posting_rules.captured(a_payment(), captures, usd(own), usd(fee))
    assert sum(leg.amount.minor for leg in legs) == 0
    assert all(leg.amount.minor for leg in legs)


@given(shares, minor)
def test_refunds_balance(parts, own):
    refunds = [ShareRefund(a_share(ADA), usd(a), usd(min(a, c)), usd(min(a, p))) for a, c, p in parts]
    legs = posting_rules.refunded(a_payment(), refunds, Own(usd(own), usd(own // 2)), "velocitypay")
    assert sum(leg.amount.minor for leg in legs) == 0
    assert all(leg.amount.minor for leg in legs)


def parts_of_a_dispute():
    return [ShareRefund(a_share(ADA), usd(6_000), commission_back=usd(600), from_pending=usd(4_000))]


def test_a_withdrawal_is_contested_borne_and_in_reserve():
    own = Own(usd(500), usd(200))
    assert shown(posting_rules.dispute_withdrawn(a_payment(), parts_of_a_dispute(), own, usd(1_500))) == [
        (Code.PROVIDER_CLEARING, "velocitypay", -6_500, "dispute_funds"),
        (Code.DISPUTED, "velocitypay", 6_500, "dispute_funds"),
        (Code.PROVIDER_CLEARING, "velocitypay", -1_500, "dispute_fee"),
        (Code.PROVIDER_FEES, "velocitypay", 1_500, "dispute_fee"),
        (Code.VENDOR_PENDING, str(ADA), -600, "commission_back"),
        (Code.COMMISSION, "", 600, "commission_back"),
        (Code.VENDOR_PENDING, str(ADA), 4_000, "dispute"),
        (Code.VENDOR_RECEIVABLE, str(ADA), 2_000, "dispute"),
        (Code.MERCHANT_BALANCE, "", 200, "dispute"),
        (Code.MERCHANT_RECEIVABLE, "", 300, "dispute"),
        (Code.DISPUTE_RESERVE, "", -6_500, "dispute_reserve"),
    ]


def test_a_reinstatement_takes_it_all_back_and_a_settlement_gives_it_up():
    own, nothing = Own(usd(500), usd(200)), usd(0)
    withdrawn = posting_rules.dispute_withdrawn(a_payment(), parts_of_a_dispute(), own, nothing)
    back = posting_rules.dispute_reinstated(a_payment(), parts_of_a_dispute(), own, nothing, nothing)
    assert sums([*withdrawn, *back]) == {}
    settled = posting_rules.dispute_settled(a_payment(), usd(6_500))
    assert shown(settled) == [
        (Code.DISPUTED, "velocitypay", -6_500, "dispute_settled"),
        (Code.DISPUTE_RESERVE, "", 6_500, "dispute_settled"),
    ]
    overturned = posting_rules.dispute_reinstated(
        a_payment(), parts_of_a_dispute(), own, nothing, given_up=usd(6_500)
    )
    assert sums([*withdrawn, *settled, *overturned]) == {}


def sums(legs):
    found = {}
    for leg in legs:
        found[leg.account] = found.get(leg.account, 0) + leg.amount.minor
    return {account: amount for account, amount in found.items() if amount}


@given(shares, minor, minor, st.integers(min_value=-(10**6), max_value=10**6), minor)
def test_disputes_balance(parts, own, in_balance, fee, given_up):
    borne = [ShareRefund(a_share(ADA), usd(a), usd(min(a, c)), usd(min(a, p))) for a, c, p in parts]
    merchants = Own(usd(own), usd(min(own, in_balance)))
    for legs in (
        posting_rules.dispute_withdrawn(a_payment(), borne, merchants, usd(fee)),
        posting_rules.dispute_reinstated(a_payment(), borne, merchants, usd(fee), usd(given_up)),
        posting_rules.dispute_settled(a_payment(), usd(given_up)),
    ):
        assert sum(leg.amount.minor for leg in legs) == 0
