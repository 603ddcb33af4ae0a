"""What the network charges for a capture, in minor units; nothing is charged for, or given back on, a refund.

Cards: 2.9 %, rounded half to even, plus a fixed part. Bank transfers: 0.8 %, capped. Coins: 1 %.
A fee never exceeds its amount.
"""

from payments.simulator.currencies import exponent

CARD_BPS = 290
BANK_BPS = 80
COIN_BPS = 100
CARD_FIXED = {"USD": 30, "EUR": 25, "GBP": 20, "JPY": 40, "KWD": 100, "BHD": 100}
CARD_FIXED_BY_EXPONENT = {0: 40, 2: 30, 3: 100, 4: 1000}
BANK_CAP = {"USD": 500, "EUR": 500, "GBP": 400, "JPY": 700, "KWD": 1500, "BHD": 1500}
BANK_CAP_BY_EXPONENT = {0: 700, 2: 500, 3: 1500, 4: 15000}


def bps_half_even(amount: int, rate_bps: int) -> int:
    """Take basis points of an amount, rounded half to even."""
    whole, rest = divmod(amount * rate_bps, 10_000)
    return whole + (rest > 5_000 or (rest == 5_000 and whole % 2 == 1))


def capture_fee(amount: int, currency: str, method_type: str) -> int:
    """The fee on capturing `amount` minor units, by the type of the payer's method."""
    places = exponent(currency)
    if method_type == "bank_transfer":
        fee = min(bps_half_even(amount, BANK_BPS), BANK_CAP.get(currency, BANK_CAP_BY_EXPONENT[places]))
    elif method_type == "crypto":
        fee = bps_half_even(amount, COIN_BPS)
    else:
        fee = bps_half_even(amount, CARD_BPS) + CARD_FIXED.get(currency, CARD_FIXED_BY_EXPONENT[places])
    return min(fee, amount)
