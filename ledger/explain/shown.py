"""Explanations as text for people and as JSON for programs."""

from collections.abc import Iterator
from typing import Any, Final

from ledger.explain.types import Explanation, Seal
from ledger.explain.walking import Story
from ledger.money import Money

WIDTH: Final = 76
SHOWN_MAX: Final = 20


def as_text(story: Story) -> Iterator[str]:
    """Yield the lines of a tree: `=` leads to parts, `<` to causes; what was shown before is only named."""
    shown: set[str] = set()
    for root in story.roots:
        yield from _node(story, root, "", "", shown)
    yield from summary(story)


def _node(story: Story, ref: str, indent: str, label: str, shown: set[str]) -> Iterator[str]:
    stack: list[tuple[str, str, str]] = [(ref, indent, label)]
    while stack:
        ref, indent, label = stack.pop()
        node = story.nodes.get(ref)
        if node is None:
            yield f"{indent}{label}{ref}  (not followed)"
            continue
        is_again = ref in shown
        shown.add(ref)
        yield _head(story, node, indent, label, is_again)
        if is_again:
            continue
        inner = indent + "    "
        for reason in story.verdicts[ref].reasons:
            yield f"{inner}UNEXPLAINED: {reason}"
        ahead: list[tuple[str, str, str]] = []
        for part in node.parts:
            if part.is_followed:
                ahead.append((part.ref, inner, f"= {part.label}: "))
            else:
                yield _line(f"{inner}= {part.label}", part.amount)
        for cause in node.causes:
            if cause.ref:
                ahead.append((cause.ref, inner, f"< {cause.label}: "))
            else:
                yield f"{inner}< {cause.label}: {cause.text}{'  [outside]' if cause.is_outside else ''}"
        for name, text in node.evidence:
            yield f"{inner}. {name}: {text}"
        stack += reversed(ahead)


def _head(story: Story, node: Explanation, indent: str, label: str, is_again: bool) -> str:
    seal = f"  [{node.seal}]" if node.seal.seal is not Seal.NONE else ""
    again = "  (see above)" if is_again else ""
    text = f"{indent}{label}{node.title}  {node.ref}{seal}{again}"
    return _line(text, *(amount for amount in node.amounts if node.kind != "journal entry"))


def _line(text: str, *amounts: Money) -> str:
    figures = " + ".join(amount.display() for amount in amounts)
    return f"{text:<{WIDTH}}  {figures}".rstrip() if figures else text


def summary(story: Story) -> Iterator[str]:
    """Yield what is to be said at the end: the footing, what is unexplained and why, what was not followed."""
    for root in story.roots:
        node = story.nodes[root]
        footing = ", ".join(money.display() for money in node.footing) or "0"
        left = ", ".join(money.display() for money in story.unexplained(root)) or "0"
        verdict = "explained" if story.verdicts[root].is_explained else "NOT EXPLAINED"
        yield f"{root}: {verdict}; footing {footing}; unexplained {left}; {len(story.nodes)} nodes"
    for number, (ref, reason) in enumerate(story.reasons()):
        if number == SHOWN_MAX:
            yield "  and more"
            break
        yield f"  {ref}: {reason}"
    if story.not_followed:
        yield f"  {len(story.not_followed)} ids lie beyond the limits and were not followed"


def as_json(story: Story) -> dict[str, Any]:
    """Return a story as the API gives it: the root and, by id, every node that was followed."""
    root = story.roots[0]
    verdict = story.verdicts[root]
    return {
        "id": root,
        "is_explained": verdict.is_explained,
        "is_complete": story.is_complete,
        "footing": [money.as_json() for money in story.root.footing],
        "unexplained": [money.as_json() for money in story.unexplained(root)],
        "reasons": [{"id": ref, "reason": reason} for ref, reason in story.reasons()][:SHOWN_MAX],
        "not_followed": sorted(story.not_followed),
        "nodes": [_node_json(story, ref) for ref in story.nodes],
    }


def _node_json(story: Story, ref: str) -> dict[str, Any]:
    node = story.nodes[ref]
    return {
        "id": ref,
        "kind": node.kind,
        "title": node.title,
        "at": node.at.isoformat() if node.at else None,
        "amounts": [money.as_json() for money in node.amounts],
        "footing": [money.as_json() for money in node.footing],
        "is_explained": story.verdicts[ref].is_explained,
        "unexplained": [money.as_json() for money in story.unexplained(ref)],
        "reasons": list(story.verdicts[ref].reasons),
        "seal": {"status": str(node.seal.seal), "block": node.seal.block, "anchored": node.seal.is_anchored}
        if node.seal.seal is not Seal.NONE
        else None,
        "parts": [
            {
                "label": part.label,
                "amount": part.amount.as_json(),
                "id": part.ref or None,
                "is_followed": part.is_followed,
            }
            for part in node.parts
        ],
        "causes": [
            {
                "label": cause.label,
                "text": cause.text,
                "id": cause.ref or None,
                "is_outside": cause.is_outside,
            }
            for cause in node.causes
        ],
        "evidence": [{"label": label, "text": text} for label, text in node.evidence],
    }
