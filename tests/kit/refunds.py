"""Refunds by the services, for tests: asked for, carried out, and what the books hold then."""

from uuid import UUID

from ledger import balances, chart, clock
from ledger.actors import Actor
from ledger.chart import Code
from ledger.ids import parse, uuid7
from payments.models import Payment, PaymentTransaction, Refund
from payments.services.refunds import refunding, requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish

KEY = Actor("api_key", "key_1", "the shop")


def payment_of(shown: dict) -> Payment:
    return Payment.objects.get(pk=parse("pay", shown["id"]))


def wish(payment: Payment, amount: int | None = None, parts: dict[UUID, int] | None = None) -> RefundWish:
    return RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=amount, split=parts)


def request(payment: Payment, *arguments, actor: Actor = KEY) -> Refund:
    return requesting_refunds.request(
        merchant_id=payment.merchant_id, wish=wish(payment, *arguments), actor=actor, at=clock.now()
    )


def process(refund: Refund, operation_id: UUID | None = None) -> Refund:
    return refunding.process(
        merchant_id=refund.merchant_id,
        refund_id=refund.pk,
        operation_id=operation_id or uuid7(),
        actor=KEY,
        at=clock.now(),
    )


def balance(merchant, code: Code, owner: object = "", currency: str = "USD") -> int:
    return balances.balance(chart.account(code, merchant.pk, currency, str(owner))).minor


def share_of(payment: Payment, vendor) -> PaymentTransaction:
    return PaymentTransaction.objects.get(payment=payment, vendor=vendor)
