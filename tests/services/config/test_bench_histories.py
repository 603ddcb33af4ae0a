"""The measurement of rebuilding runs as a user runs it: on a server of its own, with both roles."""

import re
import subprocess
import sys

import pytest

from tests.kit.shared import ROOT


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_histories_are_made_by_the_owner_and_rebuilt_by_the_application():
    run = subprocess.run(
        [sys.executable, "-m", "config.bench.histories", "600"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert "600 payments made" in run.stdout
    assert re.search(r"payment: 600 rebuilt from 1,800 events .* 0 differ", run.stdout)
