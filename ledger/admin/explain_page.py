"""The Explain page: the tree behind a figure, opened a step at a time, with its verdict on top.

Plain `<details>`: nothing is fetched and nothing is scripted. What lies beyond the page's limits, and every
node, has an address of its own.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ledger.admin import formats
from ledger.admin.explain_link import address_of
from ledger.admin.pages import SEES_BOOKS, only_for
from ledger.explain import archived, walking
from ledger.explain.registry import Scope
from ledger.explain.types import Explanation, Seal
from ledger.explain.walking import NotExplained, Story
from ledger.money import Money

DEPTH: Final = 40
NODES_MAX: Final = 600
OPEN_DEPTH: Final = 2
_COUNTED: Final = {Seal.SEALED: "sealed", Seal.WAITING: "not yet sealed", Seal.BROKEN: "BROKEN"}
_SEALS: Final = {Seal.SEALED: "sealed", Seal.WAITING: "waiting", Seal.BROKEN: "broken"}


@dataclass(slots=True)
class Branch:
    """A node as it hangs in the tree: with the label and amount of the way that led to it."""

    label: str
    amounts: SafeString | str
    title: str
    kind: str
    ref: str = ""
    anchor: str = ""
    own_page: str = ""
    row_page: str = ""
    seal: SafeString | str = ""
    reasons: list[str] = field(default_factory=list)
    ends: list[tuple[str, str, bool]] = field(default_factory=list)
    lines: list[tuple[str, SafeString]] = field(default_factory=list)
    evidence: list[tuple[str, str]] = field(default_factory=list)
    children: list["Branch"] = field(default_factory=list)
    is_open: bool = False
    is_again: bool = False
    is_bad: bool = False


def explain_page(request: HttpRequest, site: AdminSite, ref: str) -> HttpResponse:
    """Show the explanation of an id, or the form that asks for one."""
    only_for(request, SEES_BOOKS)
    wanted = request.GET.get("id", "").strip()
    if wanted:
        try:
            return HttpResponseRedirect(address_of(wanted))
        except NoReverseMatch as error:
            raise Http404("there is no such id") from error
    context: dict[str, Any] = {**site.each_context(request), "title": "Explain", "ref": ref}
    if ref:
        try:
            scope = Scope(archived_rows_max=archived.ROWS_MAX)
            story = walking.explain(ref, scope=scope, depth=DEPTH, nodes_max=NODES_MAX)
        except NotExplained as error:
            raise Http404("there is no such id") from error
        context |= _shown(story)
    return TemplateResponse(request, "admin/ledger/explain.html", context)


def _shown(story: Story) -> dict[str, Any]:
    root = story.roots[0]
    verdict = story.verdicts[root]
    seals = [node.seal.seal for node in story.nodes.values()]
    return {
        "title": f"Explain: {story.root.title}",
        "tree": [_tree(story, root)],
        "is_explained": verdict.is_explained,
        "is_complete": story.is_complete,
        "verdict": formats.badge("holds" if verdict.is_explained else "broken", _words(story)),
        "amounts": _moneys(story.root.amounts),
        "footing": _moneys(story.root.footing) or "0",
        "unexplained": _moneys(story.unexplained(root)) or "0",
        "nodes": len(story.nodes),
        "seals": [(_COUNTED[seal], seals.count(seal)) for seal in _COUNTED if seal in seals],
        "reasons": list(story.reasons())[:20],
        "beyond": len(story.not_followed),
    }


def _words(story: Story) -> str:
    if not story.verdicts[story.roots[0]].is_explained:
        return "not explained"
    return "explained" if story.is_complete else "explained as far as it is shown"


def _tree(story: Story, root: str) -> Branch:
    top = _branch(story, root, "", story.nodes[root].amounts, set(), 0)
    shown = {root}
    level = [(top, 0)]
    while level:  # breadth first: a node is shown in full at its nearest place
        ahead = []
        for branch, depth in level:
            node = story.nodes.get(branch.ref)
            if node is None or branch.is_again:
                continue
            for label, amounts, ref in _ways(node):
                child = _branch(story, ref, label, amounts, shown, depth + 1)
                shown.add(ref)
                branch.children.append(child)
                ahead.append((child, depth + 1))
        level = ahead
    return top


def _ways(node: Explanation) -> list[tuple[str, tuple[Money, ...], str]]:
    ways = [(part.label, (part.amount,), part.ref) for part in node.parts if part.is_followed]
    caused: list[tuple[str, tuple[Money, ...], str]] = [
        (cause.label, (), cause.ref) for cause in node.causes if cause.ref
    ]
    return ways + caused


def _branch(
    story: Story, ref: str, label: str, amounts: tuple[Money, ...], shown: set[str], depth: int
) -> Branch:
    node = story.nodes.get(ref)
    own_page = address_of(ref)
    if node is None:
        return Branch(label, _moneys(amounts), ref, "further on", ref=ref, own_page=own_page, is_again=True)
    verdict = story.verdicts[ref]
    branch = Branch(
        label=label, amounts=_moneys(amounts), title=node.title, kind=node.kind, ref=ref, anchor=ref,
        own_page=own_page, is_bad=not verdict.is_explained,
    )  # fmt: skip
    if ref in shown:
        branch.is_again = True
        return branch
    branch.row_page = _row_page(node)
    branch.seal = formats.badge(_SEALS[node.seal.seal], str(node.seal)) if node.seal.seal in _SEALS else ""
    branch.reasons = list(verdict.reasons)
    branch.ends = [(cause.label, cause.text, cause.is_outside) for cause in node.causes if not cause.ref]
    branch.lines = [(part.label, _money(part.amount)) for part in node.parts if not part.is_followed]
    branch.evidence = list(node.evidence)
    branch.is_open = depth < OPEN_DEPTH or branch.is_bad
    return branch


def _row_page(node: Explanation) -> str:
    page, key = node.page
    try:
        return reverse(f"admin:{page}_change", args=[key]) if page else ""
    except NoReverseMatch:
        return ""


def _moneys(amounts: tuple[Money, ...]) -> SafeString | str:
    if len(amounts) > 1 and not any(money.minor for money in amounts):
        return "0 in every currency"
    return format_html("".join("{} " for _ in amounts), *map(_money, amounts)) if amounts else ""


def _money(money: Money) -> SafeString:
    return formats.money(money.minor, money.currency)
