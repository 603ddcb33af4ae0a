"""The material beside the repository (`../shared`): real data that is not ours to commit.

Looked for beside the checkout and beside each folder above it. Where it is absent, the tests that need it say
so loudly, as a skip with the reason: never as a pass.
"""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def shared_file(name: str) -> Path:
    """Return a file of ../shared, or skip the test with the path that is missing."""
    for parent in ROOT.parents:
        if (parent / "shared" / name).is_file():
            return parent / "shared" / name
    pytest.skip(f"REAL DATA ABSENT: ../shared/{name} is not beside this checkout; nothing was tested")
