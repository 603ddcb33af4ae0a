"""Our source files as text and as syntax trees, for the tests that read the house itself."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ("ledger", "vendors", "fraud", "payments", "subscriptions", "settlements", "config")


@dataclass(frozen=True)
class Source:
    """One Python file of ours: its path below the checkout, its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    def calls(self, *names: str) -> Iterator[ast.Call]:
        """Yield the calls of any of the dotted names, as they are written."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and dotted(node.func) in names:
                yield node

    def method_calls(self, *names: str) -> Iterator[ast.Call]:
        """Yield the calls of a method of any of these names, on whatever object."""
        for node in ast.walk(self.tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in names
            ):
                yield node

    def imports(self) -> Iterator[tuple[int, str]]:
        """Yield line and full name of everything that is imported."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def sources(*folders: str) -> list[Source]:
    """Return our files in these folders (by default all apps), without migrations."""
    return [source for folder in folders or APPS for source in _read(folder)]


@cache
def _read(folder: str) -> tuple[Source, ...]:
    """Read a folder once for all rules."""
    texts = [
        (str(file.relative_to(ROOT)), file.read_text())
        for file in sorted((ROOT / folder).rglob("*.py"))
        if "migrations" not in file.parts
    ]
    return tuple(Source(name, text, ast.parse(text)) for name, text in texts)


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for a name or a chain of attributes, else an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        front = dotted(node.value)
        return f"{front}.{node.attr}" if front else ""
    return ""
