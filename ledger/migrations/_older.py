"""What older migrations said, for undoing what replaced it."""

from pathlib import Path


def statement(name: str, begins: str, ends: str = "END $$;") -> str:
    """Return the statement in a file of this folder from where it begins to the end of another line."""
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return text[text.index(begins) :].partition(ends)[0] + ends


def function(name: str, function_name: str) -> str:
    """Return the statement that makes a function what it was in a file of this folder."""
    for begins in ("CREATE OR REPLACE FUNCTION", "CREATE FUNCTION"):
        try:
            found = statement(name, f"{begins} {function_name}(")
        except ValueError:
            continue
        return found.replace(begins, "CREATE OR REPLACE FUNCTION", 1)
    raise LookupError(f"{name} makes no function {function_name}")
