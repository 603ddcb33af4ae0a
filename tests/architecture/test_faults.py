"""docs/faults.md names a test for each fault that must hold: the rows are all there, the tests too."""

import ast
import re
from functools import cache

import pytest

from tests.kit.shared import ROOT

ROWS = (
    *(f"B{number:02}" for number in (1, 2, 3, 4, 6, 7, 8, 11, 13, 14, 15, 16, 17)),
    *(f"C{number:02}" for number in (2, 3, 4, 6, 7, 8, 10)),
    *(f"D{number:02}" for number in (1, 3, 4, 5, 7, 8, 9, 10, 11, 13, 14, 15, 16)),
    *(f"J{number:02}" for number in (1, 2, 3, 4, 5, 8, 9)),
)
_LINE = re.compile(r"^\| ([A-Z]\d\d) \|(.*)\|$", re.MULTILINE)
_TEST = re.compile(r"`([\w/]+\.py)::([\w:]+)`")
TABLE = _LINE.findall((ROOT / "docs/faults.md").read_text(encoding="utf-8"))


@cache
def named_in(path: str) -> frozenset[str]:
    """The names of a file's tests, with their class where they have one."""
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for group in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        found |= {f"{group.name}::{node.name}" for node in group.body if isinstance(node, ast.FunctionDef)}
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))


def test_each_fault_has_its_row_once():
    assert [row for row, _ in TABLE] == list(ROWS)


@pytest.mark.parametrize(("row", "cells"), TABLE, ids=[row for row, _ in TABLE])
def test_the_named_in_a_row_are_there(row, cells):
    named = _TEST.findall(cells)
    assert named, f"{row} names no test"
    assert [f"{path}::{name}" for path, name in named if name not in named_in(path)] == []
