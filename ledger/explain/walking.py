"""`explain`: walk from a figure to everything behind it, level by level, and say what is not explained.

1. All ids of a level are asked for together, a kind at a time: the number of queries depends on the depth
   and on the kinds, never on how many parts a figure has. A node is asked for once, however often it is met.
2. Amounts must agree on the way: a node is the sum of its parts, a part is the amount of the node it names.
3. From the ends back: a node is explained when all its parts and causes are, and when it ends in something
   outside the house. Whatever does not is counted, in minor units, with its reason.
4. Limits keep it bounded (`depth`, `nodes_max`): what lies beyond is listed, never called explained.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection, transaction

from ledger.errors import NotFound
from ledger.explain import archived, registry
from ledger.explain.registry import HOUSE, Scope
from ledger.explain.types import MISSING, Explanation, Verdict
from ledger.money import Money

DEPTH_MAX: Final = 1_000
NODES_MAX: Final = 20_000
AT_ONCE: Final = 2_000


class NotExplained(NotFound):
    """There is nothing under this id."""

    code = "explanation_not_found"
    advice = "Look at the id; what belongs to another merchant is not found either."


@dataclass(slots=True)
class Story:
    """Everything that was found behind some figures: nodes and verdicts by id."""

    roots: list[str]
    nodes: dict[str, Explanation] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    not_followed: set[str] = field(default_factory=set)
    """Ids beyond the limits; nothing is said of them."""

    @property
    def root(self) -> Explanation:
        return self.nodes[self.roots[0]]

    @property
    def is_explained(self) -> bool:
        """Whether nothing that was followed is unexplained."""
        return all(self.verdicts[ref].is_explained for ref in self.roots)

    @property
    def is_complete(self) -> bool:
        """Whether everything was followed to its end."""
        return not self.not_followed

    def unexplained(self, ref: str) -> tuple[Money, ...]:
        """Return what is not explained of a node, for each of its currencies (zero is good)."""
        found = self.verdicts[ref].unexplained
        currencies = dict.fromkeys([amount.currency for amount in self.nodes[ref].amounts] + sorted(found))
        return tuple(Money(found.get(currency, 0), currency) for currency in currencies)

    def reasons(self) -> Iterator[tuple[str, str]]:
        """Yield (id, why) of every node that does not explain itself."""
        for ref, verdict in self.verdicts.items():
            for reason in verdict.reasons:
                yield ref, reason


def explain(thing: Any, *, scope: Scope = HOUSE, depth: int = DEPTH_MAX, nodes_max: int = NODES_MAX) -> Story:
    """Explain an object, or whatever an id names.

    :raises NotExplained: there is no such thing in this scope. :raises LookupError: no such kind of object.
    """
    return explain_all([thing], scope=scope, depth=depth, nodes_max=nodes_max)


def explain_all(
    things: Iterable[Any], *, scope: Scope = HOUSE, depth: int = DEPTH_MAX, nodes_max: int = NODES_MAX
) -> Story:
    """Explain several objects in one walk: what is behind more than one of them is looked at once.

    :raises NotExplained: one of them is not there. :raises LookupError: no such kind of object.
    """
    story = Story(list(dict.fromkeys(registry.ref_of(thing) for thing in things)))
    with one_state(), archived.kept():
        _walk(story, scope, depth, nodes_max)
    for ref in _ends_first(story):
        story.verdicts[ref] = _judged(story, ref)
    return story


@contextmanager
def one_state() -> Iterator[None]:
    """See one state of the books throughout; a transaction that is open already is used as it is."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _walk(story: Story, scope: Scope, depth: int, nodes_max: int) -> None:
    level = story.roots
    for step in range(depth + 1):
        found = _ask(level, scope)
        if step == 0:
            for ref in level:
                _require(found.get(ref), scope)
        for ref in level:
            story.nodes[ref] = found.get(ref) or _missing(ref)
        ahead = dict.fromkeys(behind for ref in level for behind in story.nodes[ref].refs())
        level = [ref for ref in ahead if ref not in story.nodes]
        if not level:
            return
        if step == depth or len(story.nodes) + len(level) > nodes_max:
            story.not_followed.update(level)
            return


def _require(root: Explanation | None, scope: Scope) -> None:
    """See that what was asked for is there; the house is told which archive it may lie in.

    :raises NotExplained: it is not.
    """
    if root is None or root.kind == MISSING:
        why = f": {root.problems[0]}" if root and scope.merchant_id is None else ""
        raise NotExplained(f"nothing is known under this id{why}", param="id")


def _ask(refs: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    by_prefix: dict[str, list[str]] = {}
    for ref in refs:
        prefix, _, tail = ref.partition("_")
        by_prefix.setdefault(prefix, []).append(tail)
    found: dict[str, Explanation] = {}
    for prefix, tails in by_prefix.items():
        explainer = registry.explainers.get(prefix)
        if explainer is None:
            continue
        for start in range(0, len(tails), AT_ONCE):
            answer = explainer(tails[start : start + AT_ONCE], scope)
            found.update({f"{prefix}_{tail}": explanation for tail, explanation in answer.items()})
    return found


def _missing(ref: str) -> Explanation:
    return Explanation(ref, MISSING, "nothing is there", problems=(f"{ref} is not there",))


def _ends_first(story: Story) -> list[str]:
    """Return the nodes so that each comes after all that is behind it; a circle is broken at its last."""
    order: list[str] = []
    is_done: dict[str, bool] = {}
    for root in story.roots:
        if root in is_done:
            continue
        is_done[root] = False
        stack = [(root, story.nodes[root].refs())]
        while stack:
            ref, ahead = stack[-1]
            for behind in ahead:
                if behind in story.nodes and behind not in is_done:
                    is_done[behind] = False
                    stack.append((behind, story.nodes[behind].refs()))
                    break
            else:
                is_done[ref] = True
                order.append(ref)
                stack.pop()
    return order


def _judged(story: Story, ref: str) -> Verdict:
    """Return the verdict on a node whose parts and causes have theirs."""
    node, verdict = story.nodes[ref], Verdict()
    whole = next(iter(_dead_ends(story, node)), "")
    if whole:
        verdict.is_explained = False
        verdict.reasons += [reason for reason in _dead_ends(story, node) if reason != BEHIND]
        for amount in node.amounts:
            verdict.owe(amount.currency, amount.minor)
        return verdict
    for off in node.footing:
        if off.minor:
            verdict.owe(off.currency, off.minor, f"its parts are {off.display()} off")
    for part in node.parts:
        if part.is_followed and part.ref not in story.not_followed:
            _judge_part(story, ref, part, verdict)
    return verdict


def _judge_part(story: Story, ref: str, part: Any, verdict: Verdict) -> None:
    known = story.verdicts.get(part.ref)
    currency, minor = part.amount.currency, part.amount.minor
    if known is None:
        verdict.owe(currency, minor, f"{part.ref} and {ref} explain each other in a circle")
        return
    if story.nodes[part.ref].kind == MISSING:
        verdict.owe(currency, minor)
        return
    amounts = {amount.currency: amount.minor for amount in story.nodes[part.ref].amounts}
    off = abs(minor) - abs(amounts.get(currency, 0))
    if off:
        reason = f"{part.label}: {part.amount.display()} here, {_shown(amounts, currency)} in {part.ref}"
        verdict.owe(currency, off, reason)
    if not known.is_explained:
        verdict.is_explained = False
        for behind, owed in known.unexplained.items():
            verdict.owe(behind, owed)


BEHIND: Final = "a cause is not explained"


def _dead_ends(story: Story, node: Explanation) -> Iterator[str]:
    """Yield why a node explains nothing at all."""
    yield from node.problems
    if node.problems:
        return
    if not node.causes and not any(part.is_followed for part in node.parts):
        yield "it leads nowhere"
    for cause in node.causes:
        if cause.ref and cause.ref not in story.not_followed:
            known = story.verdicts.get(cause.ref)
            if known is None:
                yield f"{cause.ref} and {node.ref} cause each other in a circle"
            elif not known.is_explained:
                yield BEHIND
        elif not cause.ref and not cause.is_outside:
            yield f"{cause.label}: nothing is behind it"


def _shown(amounts: dict[str, int], currency: str) -> str:
    return Money(amounts.get(currency, 0), currency).display()
