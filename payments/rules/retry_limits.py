"""Pure: how often a declined card may be tried again, and from when: the card schemes' rules as data.

- Visa: reason codes of category 1 (the issuer will never approve) are never tried again; of all others at
  most 15 tries in 30 days (support.forte.net, article 11000097635, "Visa decline categories").
- Mastercard: at most 10 declines in 24 hours and 35 in 30 days for the same card (Peach Payments' guide to
  Mastercard's Transaction Processing Excellence); its merchant advice codes say when, or never (Cybersource,
  "Merchant advice codes"; 24 to 30 are delays).
- What has no rule of its own is held to Visa's, which is the stricter by month.

Limits bind before an attempt is sent. What merely makes no sense (no money until pay day) is advice, and
binds nobody.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from payments.providers.declines import DECLINES, RetryLater

DAY: Final = timedelta(days=1)
FEW_DAYS: Final = 3  # between few, spaced tries
PAY_DAYS: Final = (1, 15)
KEPT: Final = timedelta(days=30)  # the longest window
KEPT_MOST: Final = 50


@dataclass(frozen=True, slots=True)
class Window:
    """At most so many declined tries of one card in so long."""

    most: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Advice:
    """What a merchant advice code of Mastercard says: wait so long, or never again."""

    words: str
    wait: timedelta | None = None
    is_never: bool = False


WINDOWS: Final[dict[str, tuple[Window, ...]]] = {
    "visa": (Window(15, 30 * DAY),),
    "mastercard": (Window(10, DAY), Window(35, 30 * DAY)),
}
OTHERS: Final = (Window(15, 30 * DAY),)

ADVICE: Final[dict[str, Advice]] = {
    "01": Advice("new account information is available: update the card"),
    "02": Advice("cannot be approved now: try again later", wait=3 * DAY),
    "03": Advice("do not try again", is_never=True),
    "04": Advice("the token's requirements are not met"),
    "21": Advice("the customer has cancelled recurring payments", is_never=True),
    "22": Advice("the merchant does not qualify for the product code"),
    "24": Advice("try again after an hour", wait=timedelta(hours=1)),
    "25": Advice("try again after 24 hours", wait=DAY),
    "26": Advice("try again after 2 days", wait=2 * DAY),
    "27": Advice("try again after 4 days", wait=4 * DAY),
    "28": Advice("try again after 6 days", wait=6 * DAY),
    "29": Advice("try again after 8 days", wait=8 * DAY),
    "30": Advice("try again after 10 days", wait=10 * DAY),
    "40": Advice("a prepaid card that cannot be loaded again", is_never=True),
    "41": Advice("a virtual card for a single use", is_never=True),
    "99": Advice("do not try again", is_never=True),
}

# Visa's category 1 in our words; the number itself will never be approved.
CATEGORY_ONE: Final = frozenset(
    {code for code, row in DECLINES.items() if row.retry_later is RetryLater.NEVER}
    | {"no_such_issuer", "no_such_account"}
)


@dataclass(frozen=True, slots=True)
class Limit:
    """From when a card may be tried again by the schemes' rules; `earliest` None with `is_never`: never."""

    reason: str = ""
    earliest: datetime | None = None
    is_never: bool = False

    @property
    def binds(self) -> bool:
        return self.is_never or self.earliest is not None


FREE: Final = Limit()


def limit(brand: str, code: str, advice_code: str, declined: Sequence[datetime], at: datetime) -> Limit:
    """Return what binds a card after a decline at `at`; `declined` are its declines, this one among them."""
    advice = ADVICE.get(advice_code)
    if advice is not None and advice.is_never:
        return Limit(f"advice {advice_code}: {advice.words}", is_never=True)
    if code in CATEGORY_ONE:
        return Limit(f"{code}: the issuer will never approve this card", is_never=True)
    found = FREE
    if advice is not None and advice.wait is not None:
        found = Limit(f"advice {advice_code}: {advice.words}", earliest=at + advice.wait)
    for window in WINDOWS.get(brand, OTHERS):
        inside = sorted(one for one in declined if one > at - window.within)
        if len(inside) >= window.most:
            earliest = inside[-window.most] + window.within
            if found.earliest is None or earliest > found.earliest:
                hours = window.within // timedelta(hours=1)
                found = Limit(f"{len(inside)} declined tries in {hours} hours", earliest=earliest)
    return found


def sensible_from(code: str, at: datetime) -> datetime | None:
    """Return from when another try without the payer makes sense; None when it makes none."""
    known = DECLINES.get(code)
    match known.retry_later if known else RetryLater.NO:
        case RetryLater.AFTER_HOUR:
            return at + timedelta(hours=1)
        case RetryLater.AFTER_DAY:
            return at + DAY
        case RetryLater.FEW:
            return at + FEW_DAYS * DAY
        case RetryLater.PAY_DAY:
            return _next_pay_day(at)
    return None


def earliest(code: str, bound: Limit, at: datetime) -> datetime | None:
    """Return from when a declined payment may sensibly be tried again; None: not by the merchant alone."""
    sensible = sensible_from(code, at)
    if bound.is_never or sensible is None:
        return None
    return max(sensible, bound.earliest or sensible)


def _next_pay_day(at: datetime) -> datetime:
    """Return the next first or fifteenth of a month, at the same time of the day."""
    last = monthrange(at.year, at.month)[1]
    days = next((day - at.day for day in PAY_DAYS if day > at.day), last - at.day + PAY_DAYS[0])
    return at + days * DAY
