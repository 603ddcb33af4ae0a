"""The benchmark of the books runs as a user runs it, and what it prints follows from what it measured."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[3]
PARTS = "sql,django,bulk,reading"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_quick_benchmark_measures_each_part_and_its_ratios_are_right(tmp_path):
    file = tmp_path / "bench.json"
    run = subprocess.run(
        [sys.executable, "-m", "config.bench.ledger", "--quick", "--only", PARTS, "--no-hordak",
         "--size", "4000", "--json", file],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    sections = json.loads(file.read_text())["sections"]
    assert len(sections) == len(PARTS.split(",")) + 1  # in SQL there is one for 1 and one for 4 clients
    single = sections[0]
    ours, raw = ([run["rate"] for run in single["runs"][name]] for name in ("ours", "raw"))
    assert single["targets"][0]["value"] == median(own / other for own, other in zip(ours, raw, strict=True))
    for section in sections:
        for run_of_variant in (one for runs in section["runs"].values() for one in runs):
            assert run_of_variant["rate"] > 0
            assert run_of_variant["p99_ms"] >= run_of_variant["p50_ms"]
        for target in section["targets"]:
            value, limit = target["value"], target["limit"]
            assert target["met"] is (value <= limit if target["at_most"] else value >= limit)
            assert target["name"] in run.stdout
