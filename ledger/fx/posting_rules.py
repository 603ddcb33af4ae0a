"""Pure: what a conversion and its unwinding mean in the books. Every list of legs sums to zero per currency.

A conversion has four accounts: the merchant's in the currency sold, the house's position in each of the two,
the merchant's in the currency bought; and the spread, which the merchant does not get. The position accounts
belong to the pair, so their balances are the house's open position: what stands there to the credit of a
currency, the house is long of, to the debit, short.
"""

from dataclasses import dataclass

from ledger import chart
from ledger.chart import AccountRef, Code
from ledger.fx.arithmetic import pair_of
from ledger.journal import Leg, credit, debit
from ledger.models import FxConversion
from ledger.money import Money


@dataclass(frozen=True, slots=True)
class Unwound:
    """The figures of an unwinding.

    `sell` goes back to the merchant, `buy` and `spread` are what it was bought for, `cost` is what `sell`
    costs at the rate of the day.
    """

    sell: Money
    buy: Money
    spread: Money
    cost: Money

    @property
    def gain(self) -> Money:
        """What the house is better off; negative: a loss."""
        return self.buy + self.spread - self.cost


def converted(conversion: FxConversion) -> list[Leg]:
    """Return the legs of a conversion, at the house rate through the position and less the spread."""
    return [
        *_signed(merchant_account(conversion, conversion.sell_currency), conversion.sell, "fx_sell"),
        *_signed(position(conversion, conversion.sell_currency), -conversion.sell, "fx_position"),
        *_signed(position(conversion, conversion.buy_currency), conversion.house, "fx_position"),
        *_signed(merchant_account(conversion, conversion.buy_currency), -conversion.buy, "fx_buy"),
        *_signed(_account(conversion, Code.FX_SPREAD), -conversion.spread, "fx_spread"),
    ]


def unwound(conversion: FxConversion, figures: Unwound) -> list[Leg]:
    """Return the legs of an unwinding: the customer's side at the old rate, the position at the new one.

    What lies between the two rates is the house's gain or loss.
    """
    gain = figures.gain
    return [
        *_signed(merchant_account(conversion, conversion.buy_currency), figures.buy, "fx_unwind"),
        *_signed(_account(conversion, Code.FX_SPREAD), figures.spread, "fx_spread_back"),
        *_signed(position(conversion, conversion.buy_currency), -figures.cost, "fx_position"),
        *_signed(_account(conversion, Code.FX_GAIN_LOSS), -gain, "fx_gain" if gain.minor > 0 else "fx_loss"),
        *_signed(position(conversion, conversion.sell_currency), figures.sell, "fx_position"),
        *_signed(merchant_account(conversion, conversion.sell_currency), -figures.sell, "fx_unwind"),
    ]


def merchant_account(conversion: FxConversion, currency: str) -> AccountRef:
    """Return the merchant's own balance in a currency: the only account that is converted."""
    return chart.account(Code.MERCHANT_BALANCE, conversion.merchant_id, currency)


def position(conversion: FxConversion, currency: str) -> AccountRef:
    """Return the house's position of the conversion's pair in one of its currencies."""
    pair = str(pair_of(conversion.sell_currency, conversion.buy_currency))
    return chart.account(Code.FX_POSITION, conversion.merchant_id, currency, pair)


def _account(conversion: FxConversion, code: Code) -> AccountRef:
    return chart.account(code, conversion.merchant_id, conversion.buy_currency)


def _signed(account: AccountRef, amount: Money, purpose: str) -> list[Leg]:
    """Return a debit for a positive amount, a credit for a negative one, nothing for zero."""
    if amount.is_zero:
        return []
    return [debit(account, amount, purpose) if amount.is_positive else credit(account, -amount, purpose)]
