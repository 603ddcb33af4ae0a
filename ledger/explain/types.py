"""What an explanation is made of. Frozen; amounts are `Money`, one for each currency.

A figure is explained by its `parts`, whose amounts sum to it, and by its `causes`. Both lead on by reference
until something outside the house is reached: a request, a provider's answer, a line of a bank's statement, a
person's reasoned act, the timetable. `problems` say why a node explains nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from ledger.money import Money

MISSING: Final = "missing"
"""The kind of what is not there."""
PARTS_MAX: Final = 100
"""More parts than these are shown as sums of groups, each with an id of its own."""


class Seal(StrEnum):
    """Whether a row can still be changed unseen."""

    NONE = ""
    SEALED = "sealed"
    WAITING = "waiting"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class SealState:
    """The seal of an entry, event or audit record: the block that holds it, or why it is broken."""

    seal: Seal = Seal.NONE
    block: int | None = None
    is_anchored: bool = False
    """The head of this block, or of a later one, is kept outside the database."""

    def __str__(self) -> str:
        if self.block is None:
            return "not yet sealed" if self.seal is Seal.WAITING else str(self.seal)
        return f"{self.seal} in block {self.block}{', anchored' if self.is_anchored else ''}"


NO_SEAL: Final = SealState()


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a figure. Its amount is that of what `ref` names, or the opposite of it.

    A part that is not followed is shown only: it is written here, and explained by this node.
    """

    label: str
    amount: Money
    ref: str = ""
    is_followed: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """One cause. `is_outside`: it came from outside the house, and nothing lies behind it."""

    label: str
    text: str = ""
    ref: str = ""
    is_outside: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """A figure or a fact, what it is made of, and what caused it.

    `ref` is its id, `evidence` names what proves it (label, text or id), `page` is app_model and key of its
    page in the admin.
    """

    ref: str
    kind: str
    title: str
    amounts: tuple[Money, ...] = ()
    parts: tuple[Part, ...] = ()
    causes: tuple[Link, ...] = ()
    evidence: tuple[tuple[str, str], ...] = ()
    seal: SealState = NO_SEAL
    problems: tuple[str, ...] = ()
    at: datetime | None = None
    page: tuple[str, str] = ("", "")

    @property
    def footing(self) -> tuple[Money, ...]:
        """The amount less the sum of its parts, for each currency: zero, or something is wrong."""
        if not self.parts:
            return tuple(Money.zero(amount.currency) for amount in self.amounts)
        sums = {amount.currency: amount.minor for amount in self.amounts}
        for part in self.parts:
            sums[part.amount.currency] = sums.get(part.amount.currency, 0) - part.amount.minor
        return tuple(Money(minor, currency) for currency, minor in sums.items())

    def refs(self) -> Iterator[str]:
        """Yield what is to be explained next."""
        for part in self.parts:
            if part.is_followed:
                yield part.ref
        for cause in self.causes:
            if cause.ref:
                yield cause.ref


@dataclass(slots=True)
class Verdict:
    """What is known of a node once all behind it is: unexplained minor units by currency."""

    is_explained: bool = True
    unexplained: dict[str, int] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    """Only its own; those of nodes behind it are theirs."""

    def owe(self, currency: str, minor: int, reason: str = "") -> None:
        """Note an amount that is not explained, and why."""
        self.is_explained = False
        if minor:
            self.unexplained[currency] = self.unexplained.get(currency, 0) + abs(minor)
        if reason:
            self.reasons.append(reason)


def one(amount: Money) -> tuple[Money, ...]:
    """Return the amounts of a node that has one."""
    return (amount,)


def summed(amounts: Iterable[Money]) -> tuple[Money, ...]:
    """Return the sum of amounts, for each currency."""
    sums: dict[str, int] = {}
    for amount in amounts:
        sums[amount.currency] = sums.get(amount.currency, 0) + amount.minor
    return tuple(Money(minor, currency) for currency, minor in sorted(sums.items()))
