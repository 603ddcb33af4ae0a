"""The promise, held against a day: every payout, every line of the bank and every balance is explained.

One walk for all of them, so that what is behind more than one figure is looked at once. Reads only.
"""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from ledger import balances
from ledger.explain import walking
from ledger.explain.walking import Story
from ledger.models import Account
from ledger.money import Money
from settlements.bank_explanations import line_ref
from settlements.models import Payout, StatementLine

NODES_MAX: Final = 400_000


def explained(merchant_id: UUID) -> tuple[str, list[str]]:
    """Explain everything of a merchant; return what was looked at and what is not explained."""
    payouts = [row.public_id for row in Payout.objects.filter(merchant_id=merchant_id)]
    lines = [
        line_ref(key)
        for key in StatementLine.objects.filter(merchant_id=merchant_id).values_list("pk", flat=True)
    ]
    full = [row.id for row in balances.balances(merchant_id) if not row.balance.is_zero]
    held = [row.public_id for row in Account.objects.filter(merchant_id=merchant_id, pk__in=full)]
    story = walking.explain_all([*payouts, *lines, *held], nodes_max=NODES_MAX)
    differences = [f"{ref}: {reason}" for ref, reason in story.reasons()]
    if story.not_followed:
        differences.append(f"{len(story.not_followed)} ids lie beyond {NODES_MAX} nodes")
    looked_at = (
        f"{len(payouts)} payouts, {len(lines)} bank lines, {len(held)} balances, {len(story.nodes)} nodes:"
        f" explained {_shown(_explained(story))}, unexplained {_shown(_unexplained(story))}"
    )
    return looked_at, differences


def _explained(story: Story) -> dict[str, int]:
    """Return the sums of the figures that were asked for, less what is not explained of them."""
    sums: dict[str, int] = {}
    for ref in story.roots:
        for amount in story.nodes[ref].amounts:
            sums[amount.currency] = sums.get(amount.currency, 0) + abs(amount.minor)
    for currency, minor in _unexplained(story).items():
        sums[currency] = sums.get(currency, 0) - minor
    return sums


def _unexplained(story: Story) -> dict[str, int]:
    sums: dict[str, int] = {}
    for ref in story.roots:
        for money in story.unexplained(ref):
            sums[money.currency] = sums.get(money.currency, 0) + money.minor
    return sums


def _shown(sums: dict[str, int]) -> str:
    return " ".join(_each(sums)) or "0.00"


def _each(sums: dict[str, int]) -> Iterator[str]:
    if sums and not any(sums.values()):
        yield "0.00"
        return
    for currency, minor in sorted(sums.items()):
        yield Money(minor, currency).display()
