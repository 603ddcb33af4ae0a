"""What a capture and a refund post: exact legs, and zero in sum whatever the figures."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ledger.chart import Code
from ledger.money import Money
from payments import posting_rules
from payments.capture_division import Part
from payments.models import Payment, PaymentTransaction
from payments.posting_rules import ShareCapture, ShareRefund

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
    assert shown(posting_rules.refunded(a_payment(), refunds, usd(500))) == [
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
    legs = posting_rules.refunded(a_payment(), refunds, usd(own))
    assert sum(leg.amount.minor for leg in legs) == 0
    assert all(leg.amount.minor for leg in legs)
