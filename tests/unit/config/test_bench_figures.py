"""The benchmark's arithmetic: medians of rounds, ratios round by round, targets on their right side."""

import json

import pytest

from config.bench.ledger import table
from config.bench.ledger.figures import Run, Section, Target, interleave, middle, percentile, ratio, run_of


def runs(*rates):
    return [Run(rate, 0.0, 0.0) for rate in rates]


def test_a_run_counts_each_call_as_many_pieces_of_work():
    run = run_of([3.0, 1.0, 2.0, 4.0], 2.0, each=1_000)
    assert (run.rate, run.p50_ms, run.p99_ms) == (2_000.0, 3.0, 4.0)


def test_the_percentile_of_nothing_is_zero():
    assert percentile([], 0.99) == 0.0


def test_the_middle_run_is_the_median_by_rate():
    assert middle(runs(30, 10, 20)).rate == 20
    assert middle(runs(40, 10)).rate == 10


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    """A round that was disturbed as a whole does not move it: both sides were slow."""
    assert ratio(runs(50, 5, 60), runs(100, 10, 100)) == 0.5


def test_a_ratio_needs_the_same_rounds_on_both_sides():
    with pytest.raises(ValueError, match="shorter"):
        ratio(runs(1, 2), runs(1))


def test_rounds_take_turns_and_begin_with_another_variant_each():
    order = []

    def variant(name):
        def run():
            order.append(name)
            return Run(1.0, 0.0, 0.0)

        return run

    found = interleave({name: variant(name) for name in "abc"}, 3)
    assert "".join(order) == "abcbcacab"
    assert {name: len(kept) for name, kept in found.items()} == {"a": 3, "b": 3, "c": 3}


@pytest.mark.parametrize(
    ("value", "at_most", "met"),
    [(0.65, False, True), (0.64, False, False), (0.25, True, True), (0.26, True, False)],
)
def test_a_target_is_met_on_its_side_of_the_limit(value, at_most, met):
    limit = 0.25 if at_most else 0.65
    assert Target("share", value, limit, at_most=at_most).is_met is met


def test_the_table_says_plainly_what_is_not_met(tmp_path):
    section = Section("Posting", {"ours": runs(10, 30, 20)}, [Target("share of raw", 0.5, 0.65)])
    lines = []
    table.show(section, lines.append)
    table.show_targets([section], lines.append)
    assert any("ours" in line and "20/s" in line for line in lines)
    assert any("share of raw" in line and line.endswith("NOT MET") for line in lines)
    table.write_json(tmp_path / "bench.json", {"cores": 2}, [section])
    kept = json.loads((tmp_path / "bench.json").read_text())
    assert kept["sections"][0]["targets"][0]["met"] is False
    assert [run["rate"] for run in kept["sections"][0]["runs"]["ours"]] == [10, 30, 20]
