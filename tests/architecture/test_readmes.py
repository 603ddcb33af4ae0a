"""What READMEs say is compared where it can be: drawings with the machines, files with what there is."""

import ast
import re
from collections import Counter
from functools import cache

import pytest
from django.core.management import call_command

from tests.kit.shared import ROOT
from tests.kit.source import APPS

READMES = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("*/README.md"), ROOT / "README.md", *ROOT.glob("docs/*.md")]
)
NAMED = re.compile(
    r"`((?:tests|docs|deploy|config|ledger|vendors|fraud|payments|settlements|subscriptions)/[\w./-]+)`"
)
OWN = re.compile(r"`((?:[a-z_]+/)*[a-z_]+\.py)`")
NAMES = {path.name for folder in (*APPS, "tests") for path in (ROOT / folder).rglob("*.py")}
INVARIANT = re.compile(r"^\| (I-\d+) \|", re.MULTILINE)
DECISION = re.compile(r"^- \*\*(D-\d+) ", re.MULTILINE)
TESTS = re.compile(r"`(tests/[\w/]+\.py)((?:::\w+)+)`")


def test_machines_are_drawn_as_they_are(capsys):
    call_command("draw_states", check=True)
    assert "nothing changed" in capsys.readouterr().out


@pytest.mark.parametrize("readme", READMES)
def test_files_that_are_named_are_there(readme):
    text = _text(readme)
    missing = [name for name in NAMED.findall(text) if not (ROOT / name).exists()]
    assert not missing


@pytest.mark.parametrize("readme", [name for name in READMES if name.split("/")[0] in APPS])
def test_files_of_the_house_itself_are_there(readme):
    """An app's README names its own files from its own door on, others from the house's, or by name."""
    text = _text(readme)
    doors = (ROOT / readme.split("/")[0], ROOT)
    missing = [
        name
        for name in OWN.findall(text)
        if not any((door / name).exists() for door in doors) and name not in NAMES
    ]
    assert not missing


@pytest.mark.parametrize("readme", READMES)
def test_tests_that_are_named_are_there(readme):
    """What a README says a test shows, that test shows: renamed or deleted, it is missed here."""
    text = _text(readme)
    missing = [
        f"{path}{name}" for path, name in TESTS.findall(text) if not _defines(path, name.split("::")[1:])
    ]
    assert not missing


def test_a_number_names_one_invariant_of_the_house():
    named = [number for app in APPS for number in INVARIANT.findall(_text(f"{app}/README.md"))]
    assert [number for number, times in Counter(named).items() if times > 1] == []


@pytest.mark.parametrize("app", APPS)
def test_a_number_names_one_decision_of_an_app(app):
    named = DECISION.findall(_text(f"{app}/README.md"))
    assert [number for number, times in Counter(named).items() if times > 1] == []


def _text(readme: str) -> str:
    return (ROOT / readme).read_text(encoding="utf-8")


@cache
def _body(path: str) -> list[ast.stmt]:
    file = ROOT / path
    return ast.parse(file.read_text(encoding="utf-8")).body if file.exists() else []


def _defines(path: str, names: list[str]) -> bool:
    body = _body(path)
    for name in names:
        found = [one for one in body if isinstance(one, ast.ClassDef | ast.FunctionDef) and one.name == name]
        if not found:
            return False
        body = found[0].body
    return True
