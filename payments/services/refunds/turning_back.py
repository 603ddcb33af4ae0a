"""A refund whose money was turned into another currency meanwhile: its conversions are turned back for it.

What a payment brought the merchant itself may have been converted; when it is refunded, the balance lacks it.
What is missing is taken from the newest conversions made since the capture, the last one first, each at its
own rate (`ledger.fx.unwinding`). Nothing here stops a refund whose money has gone: without a rate of the day,
or without the other currency, the rest is owed by the merchant as it always was.
"""

import logging
from datetime import datetime
from typing import Final

from ledger import balances, locks
from ledger.actors import Actor
from ledger.chart import Code
from ledger.events import Cause
from ledger.fx import posting_rules as fx_rules
from ledger.fx import unwinding
from ledger.fx.rates import RateUnavailable
from ledger.fx_states import FxConversionState
from ledger.models import FxConversion
from ledger.money import Money
from payments import posting_rules
from payments.models import Payment, Refund

_AT_MOST: Final = 100  # each conversion turned back is a fact of its own: a refund books no more of them

log = logging.getLogger(__name__)


def cover(payment: Payment, refund: Refund, own: Money, *, actor: Actor, at: datetime) -> None:
    """Turn back what the merchant's balance lacks of its own part of a refund, in the caller's phase."""
    if not own.is_positive or payment.captured_at is None:
        return
    standing = FxConversion.objects.filter(
        merchant_id=payment.merchant_id, sell_currency=payment.currency,
        state__in=(FxConversionState.BOOKED, FxConversionState.PARTLY_UNWOUND),
        occurred_at__gte=payment.captured_at,
    )  # fmt: skip
    newest = list(standing.order_by("-occurred_at", "-pk").values_list("pk", flat=True)[:_AT_MOST])
    if not newest:
        return
    found = locks.lock(standing.filter(pk__in=newest).select_related("quote"))
    account = posting_rules.own_account(Code.MERCHANT_BALANCE, payment)
    others = {one.pk: fx_rules.merchant_account(one, one.buy_currency) for one in found}
    held = balances.locked([account, *others.values()])
    missing = own + held[account]  # a balance is a credit: negative
    cause = Cause("refund", refund.public_id)
    for conversion in sorted(found, key=lambda one: (one.occurred_at, one.pk), reverse=True):
        if not missing.is_positive:
            return
        amount = min(missing, conversion.left)
        back = unwinding.taken_back(conversion, amount)
        other = others[conversion.pk]
        if back > -held[other]:
            continue  # spent: it cannot be given back
        try:
            unwinding.turn_back(
                merchant_id=payment.merchant_id, conversion_id=conversion.pk, amount=amount, actor=actor,
                at=at, cause=cause,
            )  # fmt: skip
        except RateUnavailable as error:
            log.warning("a refund's conversion was not turned back", extra={"refund": refund.public_id,
                        "conversion": conversion.public_id, "reason": error.message})  # fmt: skip
            continue
        missing, held[other] = missing - amount, held[other] + back
