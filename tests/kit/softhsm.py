"""A PKCS#11 token for tests: SoftHSM (Debian: softhsm2), on a folder of the test run's own."""

import os
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest

LIBRARIES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so")
ABSENT = "SoftHSM is not here: NOTHING OF PKCS#11 WAS TESTED. Install it: apt-get install softhsm2"
LABEL, PIN = "everycent-tests", "4711"


def library() -> str:
    """The path of SoftHSM's library, or nothing."""
    return next((path for path in LIBRARIES if Path(path).exists()), "")


@pytest.fixture(scope="session")
def hsm(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """Library, label and PIN of a fresh token; the test says loudly when there can be none."""
    if not library() or not shutil.which("softhsm2-util"):
        warnings.warn(ABSENT, stacklevel=1)
        pytest.skip(ABSENT)
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "0815"],
        check=True, capture_output=True,
    )  # fmt: skip
    return library(), LABEL, PIN
