"""Python in texts, for other processes to run, imports what there is: no other tool reads it."""

import ast
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

import pytest

from tests.kit.shared import ROOT
from tests.kit.source import APPS

FILES = sorted(path for folder in (*APPS, "tests") for path in (ROOT / folder).rglob("*.py"))


def imported(text: str) -> Iterator[tuple[str, str]]:
    """Yield module and name of what a text imports from the house; nothing when it is no Python."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return
    for node in body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in (*APPS, "tests"):
            yield from ((str(node.module), alias.name) for alias in node.names)


def is_there(module: str, name: str) -> bool:
    """Say whether a name can be imported from a module."""
    try:
        return hasattr(import_module(module), name) or find_spec(f"{module}.{name}") is not None
    except ModuleNotFoundError:
        return False


def test_what_code_in_texts_imports_is_there():
    wanted = {
        (str(path.relative_to(ROOT)), module, name)
        for path in FILES
        if '"""' in (source := path.read_text(encoding="utf-8")) and "\nimport " in source
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "import " in node.value
        for module, name in imported(node.value)
    }
    assert wanted
    assert [one for one in sorted(wanted) if not is_there(*one[1:])] == []


@pytest.mark.parametrize(("name", "there"), [("operations", True), ("nothing_of_the_kind", False)])
def test_it_would_be_seen(name, there):
    [(module, what)] = imported(f"import sys\nfrom payments.services.calls import {name}\n")
    assert is_there(module, what) is there
