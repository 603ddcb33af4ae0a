"""The reckoning with a vendor: pure, from sums of postings to gross, commission, refunds and net.

Postings come with the ledger's sign (credit is negative: we owe). A reckoning speaks from the vendor's
side: what is owed to the vendor is positive.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.money import Money

SALE = "sale"
COMMISSION = "commission"
COMMISSION_BACK = "commission_back"
REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What a batch says. pending = gross - commission - refunds + other; net = pending - recovered.

    `commission` is what was taken less what was given back with refunds; `other` is whatever is neither a
    sale, a commission nor a refund (signed); `recovered` is what the vendor owed us and now pays back.
    """

    gross: Money
    commission: Money
    refunds: Money
    other: Money
    recovered: Money
    items: int

    @property
    def pending(self) -> Money:
        return self.gross - self.commission - self.refunds + self.other

    @property
    def net(self) -> Money:
        return self.pending - self.recovered

    @property
    def is_payable(self) -> bool:
        return self.net.is_positive


def reckon(sums: Mapping[str, tuple[int, int]], *, owed: Money) -> Reckoning:
    """Return the reckoning of postings summed by purpose.

    :param sums: purpose -> (sum of signed minor units as the ledger holds them, number of postings).
    :param owed: what the vendor owes us from earlier (not negative); it is recovered whole, before anything
        is paid, so that the net is zero or negative when the pending money does not suffice.
    """
    currency = owed.currency
    by_purpose = {purpose: Money(-minor, currency) for purpose, (minor, _) in sums.items()}

    def taken(purpose: str) -> Money:
        return by_purpose.pop(purpose, Money.zero(currency))

    gross, refunds = taken(SALE), -taken(REFUND)
    commission = -(taken(COMMISSION) + taken(COMMISSION_BACK))
    other = sum(by_purpose.values(), Money.zero(currency))
    items = sum(count for _, count in sums.values())
    return Reckoning(gross, commission, refunds, other, recovered=owed, items=items)
