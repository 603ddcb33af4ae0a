"""Files and functions are small enough to be read in one go (style B4, 4) and say what they are (8)."""

import ast

from tests.kit.source import sources

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70


def test_no_file_passes_400_lines():
    long = {s.path: s.text.count("\n") for s in sources() if s.text.count("\n") > FILE_LINES_MAX}
    assert not long, "split by use-case or by format, never into a second part"


def test_no_function_passes_70_lines():
    long = [
        f"{source.path}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for source in sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert not long


def test_every_module_says_what_it_is():
    silent = [
        s.path
        for s in sources()
        if s.text.strip() and not s.path.endswith("/apps.py") and not ast.get_docstring(s.tree)
    ]
    assert not silent
