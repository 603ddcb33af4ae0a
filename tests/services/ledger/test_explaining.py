"""The walk itself, on explainers made for the test: amounts that disagree, circles, ends that are none."""

import itertools

import pytest

from ledger.explain import registry, walking
from ledger.explain.registry import HOUSE
from ledger.explain.types import Explanation, Link, Part, one
from ledger.explain.walking import NotExplained
from ledger.money import Money
from tests.kit.queries import statements

pytestmark = pytest.mark.django_db
NOWHERE = "01kagm3c8qf3p8w0t5y5r4d2ne"
OUTSIDE = Link("request", "API request req_1", is_outside=True)


def eur(minor):
    return Money(minor, "EUR")


def node(name, minor, *parts, causes=(), **more):
    """Describe a node of the test: `parts` are (name, minor units)."""
    refs = tuple(Part(part, eur(amount), f"x_{part}") for part, amount in parts)
    ends = causes if causes or parts else (OUTSIDE,)
    return Explanation(f"x_{name}", "test", name, one(eur(minor)), refs, tuple(ends), **more)


@pytest.fixture
def explained(monkeypatch):
    """Return a function that explains `x_a`, given the nodes that there are."""
    asked = []

    def explain(*nodes, **limits):
        there = {found.title: found for found in nodes}

        def explainer(tails, scope):
            assert scope is HOUSE
            asked.append(sorted(tails))
            return {tail: there[tail] for tail in tails if tail in there}

        monkeypatch.setitem(registry.explainers, "x", explainer)
        return walking.explain("x_a", **limits)

    explain.asked = asked
    return explain


def owed(story, ref="x_a"):
    return sum(money.minor for money in story.unexplained(ref))


class TestWhatIsExplained:
    def test_a_sum_of_parts_that_end_outside(self, explained):
        story = explained(node("a", 5, ("b", 7), ("c", -2)), node("b", 7), node("c", 2))
        assert story.is_explained
        assert story.root.footing == (eur(0),)
        assert owed(story) == 0

    def test_a_level_is_asked_for_at_once_and_nothing_twice(self, explained):
        explained(
            node("a", 5, ("b", 2), ("c", 3)), node("b", 2, ("d", 2)), node("c", 3, ("d", 3)), node("d", 3)
        )
        assert explained.asked == [["a"], ["b", "c"], ["d"]]


class TestWhatIsNot:
    def test_parts_that_do_not_come_to_the_amount(self, explained):
        story = explained(node("a", 5, ("b", 3)), node("b", 3))
        assert (owed(story), list(story.reasons())) == (2, [("x_a", "its parts are 0.02 EUR off")])

    def test_a_part_of_another_amount_than_what_it_names(self, explained):
        story = explained(node("a", 5, ("b", 5)), node("b", 4))
        assert owed(story) == 1
        assert list(story.reasons()) == [("x_a", "b: 0.05 EUR here, 0.04 EUR in x_b")]

    def test_a_part_that_is_not_there(self, explained):
        story = explained(node("a", 5, ("b", 5)))
        assert (owed(story), list(story.reasons())) == (5, [("x_b", "x_b is not there")])

    def test_an_end_inside_the_house(self, explained):
        inside = Link("actor", "nobody")
        story = explained(node("a", 5, ("b", 5)), node("b", 5, causes=(inside,)))
        assert (owed(story), list(story.reasons())) == (5, [("x_b", "actor: nothing is behind it")])

    def test_a_node_that_leads_nowhere(self, explained):
        bare = Explanation("x_b", "test", "b", one(eur(5)))
        story = explained(node("a", 5, ("b", 5)), bare)
        assert list(story.reasons()) == [("x_b", "it leads nowhere")]

    def test_a_cause_that_is_not_explained_leaves_the_whole_amount(self, explained):
        cause = Link("event", "", "x_b")
        story = explained(node("a", 5, causes=(OUTSIDE, cause)), node("b", 1, problems=("it was changed",)))
        assert (owed(story), list(story.reasons())) == (5, [("x_b", "it was changed")])

    @pytest.mark.parametrize("is_part", [True, False])
    def test_a_circle_explains_nothing(self, explained, is_part):
        def leads(name, to):
            return node(name, 5, (to, 5)) if is_part else node(name, 5, causes=(Link("by", "", f"x_{to}"),))

        story = explained(leads("a", "b"), leads("b", "a"))
        assert not story.is_explained
        assert owed(story) == 5
        assert any("circle" in why for _, why in story.reasons())

    def test_only_what_is_unexplained_counts(self, explained):
        story = explained(
            node("a", 9, ("b", 4), ("c", 5)), node("b", 4), node("c", 5, ("d", 2), ("e", 3)), node("d", 2),
        )  # fmt: skip
        assert (owed(story), owed(story, "x_b"), owed(story, "x_c")) == (3, 0, 3)


class TestLimits:
    def chain(self, length):
        names = [chr(ord("a") + n) for n in range(length)]
        return [node(name, 5, (after, 5)) for name, after in itertools.pairwise(names)] + [node(names[-1], 5)]

    def test_what_lies_beyond_the_depth_is_not_judged(self, explained):
        story = explained(*self.chain(6), depth=2)
        assert list(story.nodes) == ["x_a", "x_b", "x_c"]
        assert story.not_followed == {"x_d"}
        assert not story.is_complete
        assert story.is_explained

    def test_a_level_that_would_be_too_large_is_not_followed(self, explained):
        parts = [(f"n{n}", 1) for n in range(10)]
        story = explained(node("a", 10, *parts), *(node(name, 1) for name, _ in parts), nodes_max=10)
        assert list(story.nodes) == ["x_a"]
        assert len(story.not_followed) == 10

    def test_a_chain_of_a_thousand_is_no_trouble(self, explained):
        nodes = [Explanation("x_a", "test", "a", one(eur(1)), (Part("", eur(1), "x_1"),))]
        nodes += [
            Explanation(f"x_{n}", "test", str(n), one(eur(1)), (Part("", eur(1), f"x_{n + 1}"),))
            for n in range(1, 900)
        ]
        story = explained(*nodes, Explanation("x_900", "test", "900", one(eur(1)), causes=(OUTSIDE,)))
        assert story.is_explained
        assert len(story.nodes) == 901


def test_what_nobody_knows_is_not_found():
    for unknown in ("x_1", "", "po_", "jnl_1.2", f"evt_{NOWHERE}", "bal_1@now", "mov_1@..", "cell_"):
        with statements() as sent, pytest.raises(NotExplained):
            walking.explain(unknown)
        assert len(sent) < 8
    with pytest.raises(LookupError):
        walking.explain(object())
