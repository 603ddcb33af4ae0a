"""What READMEs say is compared where it can be: drawings with the machines, files with what there is."""

import re

import pytest
from django.core.management import call_command

from tests.kit.shared import ROOT

READMES = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("*/README.md"), ROOT / "README.md", *ROOT.glob("docs/*.md")]
)
NAMED = re.compile(
    r"`((?:tests|docs|deploy|config|ledger|vendors|fraud|payments|settlements|subscriptions)/[\w./-]+)`"
)


def test_machines_are_drawn_as_they_are(capsys):
    call_command("draw_states", check=True)
    assert "nothing changed" in capsys.readouterr().out


@pytest.mark.parametrize("readme", READMES)
def test_files_that_are_named_are_there(readme):
    text = (ROOT / readme).read_text(encoding="utf-8")
    missing = [name for name in NAMED.findall(text) if not (ROOT / name).exists()]
    assert not missing
