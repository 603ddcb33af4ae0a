"""Explanations as text for people and as JSON for programs."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from ledger.explain.types import Explanation, Seal
from ledger.explain.walking import Story
from ledger.money import Money

WIDTH: Final = 18
SHOWN_MAX: Final = 20
LISTED_MAX: Final = 100
HASH_LENGTH: Final = 64
HASH_SHOWN: Final = 12


def as_text(story: Story) -> Iterator[str]:
    """Yield the lines of a tree: `=` leads to parts, `<` to causes, `.` tells what proves it.

    A node that was shown before is only named.
    """
    shown: set[str] = set()
    for root in story.roots:
        yield from _tree(story, root, shown)
    yield from summary(story)


def _tree(story: Story, root: str, shown: set[str]) -> Iterator[str]:
    stack: list[tuple[str, str, str, tuple[Money, ...]]] = [(root, "", "", story.nodes[root].amounts)]
    while stack:
        ref, indent, label, amounts = stack.pop()
        node = story.nodes.get(ref)
        if node is None:
            yield _line(amounts, f"{indent}{label}{ref} (not followed)")
            continue
        yield _line(amounts, f"{indent}{label}{_head(node)}{' (see above)' if ref in shown else ''}")
        if ref in shown:
            continue
        shown.add(ref)
        inner = "  " + indent
        yield from _own(story, node, inner)
        ahead: list[tuple[str, str, str, tuple[Money, ...]]] = [
            (part.ref, inner, f"= {part.label}: ", (part.amount,)) for part in node.parts if part.is_followed
        ]
        ahead += [(cause.ref, inner, f"< {cause.label}: ", ()) for cause in node.causes if cause.ref]
        stack += reversed(ahead)


def _own(story: Story, node: Explanation, inner: str) -> Iterator[str]:
    """Yield what a node says without leading on."""
    for reason in story.verdicts[node.ref].reasons:
        yield _line((), f"{inner}UNEXPLAINED: {reason}")
    if node.evidence:
        yield _line((), f"{inner}. " + "; ".join(f"{label} {_short(text)}" for label, text in node.evidence))
    for part in node.parts:
        if not part.is_followed:
            yield _line((part.amount,), f"{inner}= {part.label}")
    for cause in node.causes:
        if not cause.ref:
            yield _line((), f"{inner}< {cause.label}: {cause.text}{' [outside]' if cause.is_outside else ''}")


def _head(node: Explanation) -> str:
    seal = f" [{node.seal}]" if node.seal.seal is not Seal.NONE else ""
    return f"{node.title} {node.ref}{seal}"


def _line(amounts: Iterable[Money], text: str) -> str:
    figures = " + ".join(amount.display() for amount in amounts)
    return f"{figures:>{WIDTH}}  {text}"


def _short(text: str) -> str:
    return f"{text[:HASH_SHOWN]}…" if len(text) == HASH_LENGTH and " " not in text else text


def summary(story: Story) -> Iterator[str]:
    """Yield the verdict on each root, then what is unexplained and why, and how much was not followed."""
    for root in story.roots:
        node = story.nodes[root]
        footing = ", ".join(money.display() for money in node.footing) or "0"
        left = ", ".join(money.display() for money in story.unexplained(root)) or "0"
        verdict = "explained" if story.verdicts[root].is_explained else "NOT EXPLAINED"
        yield f"{root}: {verdict}, footing {footing}, unexplained {left}"
    seals = _counted(story)
    yield f"{len(story.nodes)} nodes; entries, events and acts: {seals}"
    for number, (ref, reason) in enumerate(story.reasons()):
        if number == SHOWN_MAX:
            yield "  and more"
            break
        yield f"  {ref}: {reason}"
    if story.not_followed:
        yield f"  {len(story.not_followed)} ids lie beyond the limits and were not followed"


def _counted(story: Story) -> str:
    counts: dict[Seal, int] = {}
    for node in story.nodes.values():
        counts[node.seal.seal] = counts.get(node.seal.seal, 0) + 1
    words = {Seal.SEALED: "sealed", Seal.WAITING: "not yet sealed", Seal.BROKEN: "BROKEN"}
    told = [f"{counts[seal]} {word}" for seal, word in words.items() if seal in counts]
    return ", ".join(told) or "none"


def as_json(story: Story) -> dict[str, Any]:
    """Return a story as the API gives it: the root and every node that was followed, nearest first."""
    root = story.roots[0]
    beyond = sorted(story.not_followed)
    return {
        "object": "explanation",
        "id": root,
        "is_explained": story.verdicts[root].is_explained,
        "is_complete": story.is_complete,
        "footing": [money.as_json() for money in story.root.footing],
        "unexplained": [money.as_json() for money in story.unexplained(root)],
        "reasons": [{"id": ref, "reason": reason} for ref, reason in story.reasons()][:SHOWN_MAX],
        "not_followed": {"count": len(beyond), "ids": beyond[:LISTED_MAX]},
        "nodes": [_node_json(story, ref) for ref in story.nodes],
    }


def _node_json(story: Story, ref: str) -> dict[str, Any]:
    node, verdict = story.nodes[ref], story.verdicts[ref]
    seal = node.seal
    return {
        "id": ref,
        "kind": node.kind,
        "title": node.title,
        "at": node.at,
        "amounts": [money.as_json() for money in node.amounts],
        "footing": [money.as_json() for money in node.footing],
        "is_explained": verdict.is_explained,
        "unexplained": [money.as_json() for money in story.unexplained(ref)],
        "reasons": list(verdict.reasons),
        "seal": {"status": str(seal.seal), "block": seal.block, "is_anchored": seal.is_anchored}
        if seal.seal is not Seal.NONE
        else None,
        "parts": [
            {
                "name": part.label,
                "amount": part.amount.as_json(),
                "id": part.ref or None,
                "is_followed": part.is_followed,
            }
            for part in node.parts
        ],
        "causes": [
            {
                "name": cause.label,
                "text": cause.text,
                "id": cause.ref or None,
                "is_outside": cause.is_outside,
            }
            for cause in node.causes
        ],
        "evidence": [{"name": name, "text": text} for name, text in node.evidence],
    }
