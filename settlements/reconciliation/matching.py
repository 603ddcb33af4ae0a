"""Compare two lists of records: pure, exact, and blind to which list is called left.

Records agree when their key, amount, fee and currency agree. Everything else is a difference with a
reason; nothing is dropped and nothing is matched twice. Swapping the lists swaps the sides of the result.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from ledger.money import Money


class Reason(StrEnum):
    """Why two records, or one alone, do not agree."""

    AMOUNT_DIFFERS = "amount_differs"
    CURRENCY_DIFFERS = "currency_differs"
    FEE_DIFFERS = "fee_differs"
    DUPLICATE = "duplicate"
    ALONE = "alone"


@dataclass(frozen=True, slots=True)
class Record:
    """One side's statement of one fact: the row that says it, the key both sides know, the money."""

    row: UUID | str
    key: str
    amount: Money
    fee_minor: int = 0

    def _figures(self) -> tuple[str, int, int]:
        return self.amount.currency, self.amount.minor, self.fee_minor


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records that agree."""

    left: Record
    right: Record


@dataclass(frozen=True, slots=True)
class Difference:
    """A record without its equal; with both sides when their key agrees but their money does not."""

    reason: Reason
    left: Record | None
    right: Record | None

    @property
    def key(self) -> str:
        either = self.left or self.right
        return either.key if either else ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What agrees and what does not; together they hold every record exactly once."""

    pairs: tuple[Pair, ...]
    differences: tuple[Difference, ...]

    @property
    def agrees(self) -> bool:
        return not self.differences


def compare(left: Iterable[Record], right: Iterable[Record]) -> Comparison:
    """Match two lists of records by key and figures. A record without a key stands alone."""
    pairs: list[Pair] = []
    differences: list[Difference] = []
    lefts, rights = _by_key(left), _by_key(right)
    for key in sorted(lefts.keys() | rights.keys()):
        ours, theirs = lefts.get(key, []), rights.get(key, [])
        if not key:
            differences += [Difference(Reason.ALONE, record, None) for record in ours]
            differences += [Difference(Reason.ALONE, None, record) for record in theirs]
            continue
        agreed, left_over, right_over = _agree(ours, theirs)
        pairs += agreed
        both = min(len(left_over), len(right_over))
        differences += [
            Difference(_reason(a, b), a, b) for a, b in zip(left_over[:both], right_over[:both], strict=True)
        ]
        lone = Reason.DUPLICATE if ours and theirs else Reason.ALONE
        differences += [Difference(lone, record, None) for record in left_over[both:]]
        differences += [Difference(lone, None, record) for record in right_over[both:]]
    return Comparison(tuple(pairs), tuple(differences))


def _by_key(records: Iterable[Record]) -> dict[str, list[Record]]:
    groups: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.key].append(record)
    for group in groups.values():
        group.sort(key=lambda record: (record._figures(), str(record.row)))
    return groups


def _agree(left: Sequence[Record], right: Sequence[Record]) -> tuple[list[Pair], list[Record], list[Record]]:
    """Pair equal figures of one key, and return what is left of each side, in order."""
    common = Counter(r._figures() for r in left) & Counter(r._figures() for r in right)
    taken_left, left_over = _take(left, common)
    taken_right, right_over = _take(right, common)
    pairs = [Pair(a, b) for a, b in zip(taken_left, taken_right, strict=True)]
    return pairs, left_over, right_over


def _take(
    records: Sequence[Record], common: Counter[tuple[str, int, int]]
) -> tuple[list[Record], list[Record]]:
    budget, taken, rest = Counter(common), [], []
    for record in records:
        if budget[record._figures()] > 0:
            budget[record._figures()] -= 1
            taken.append(record)
        else:
            rest.append(record)
    return taken, rest


def _reason(left: Record, right: Record) -> Reason:
    if left.amount.currency != right.amount.currency:
        return Reason.CURRENCY_DIFFERS
    return Reason.AMOUNT_DIFFERS if left.amount != right.amount else Reason.FEE_DIFFERS
