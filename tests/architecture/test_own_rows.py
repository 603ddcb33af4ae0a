"""A test asks for its own rows: others leave theirs, and before it or beside it may come any of them."""

import ast
from collections.abc import Iterator

from django.apps import apps
from django.db.models import ForeignKey, Model

from tests.kit.source import Source, sources

ONE = ("get", "first", "last", "latest", "earliest")


def test_one_row_of_a_merchants_is_sought_by_something_of_the_tests_own():
    """By what was just made, that is: `get(kind="refund")` finds another test's refund, or two of them."""
    owned = {model.__name__ for model in apps.get_models() if is_a_merchants(model)}
    assert {"Payment", "ProviderOperation", "IdempotencyKey", "BankFileEntry"} <= owned
    found = [
        f"{source.path}:{line}"
        for source in sources("tests")
        for line, model in sought_by_constants(source)
        if model in owned
    ]
    assert not found


def test_the_rule_tells_constants_from_what_was_made():
    text = """
Refund.objects.get(kind="refund")
Refund.objects.filter(kind=KIND).order_by("-pk").first()
Refund.objects.get(kind="refund", payment=payment)
Refund.objects.filter(pk=made["id"]).latest("pk")
payment.operations.get()
"""
    assert [line for line, _ in sought_by_constants(Source("x.py", text, ast.parse(text)))] == [2, 3]


def is_a_merchants(model: type[Model], *seen: type[Model]) -> bool:
    """Say whether every row of a model is of one merchant, itself or by a row that it cannot be without."""
    for field in model._meta.concrete_fields:
        if field.null:
            continue
        other = field.related_model if isinstance(field, ForeignKey) else model
        is_further = other not in (model, *seen) and is_a_merchants(other, model, *seen)
        if field.attname == "merchant_id" or is_further:
            return True
    return False


def sought_by_constants(source: Source) -> Iterator[tuple[int, str]]:
    """Yield where one row is taken of a model's whole table, or of those with some constant values."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ONE:
            told: list[ast.AST] = []
            looked: ast.expr = node
            while isinstance(looked, ast.Call) and isinstance(looked.func, ast.Attribute):
                told += [*looked.args, *looked.keywords]
                looked = looked.func.value
            if (
                isinstance(looked, ast.Attribute)
                and looked.attr == "objects"
                and not any(map(_is_made, told))
            ):
                yield node.lineno, ast.unparse(looked.value)


def _is_made(told: ast.AST) -> bool:
    """Say whether something in an argument is not the same for every test."""
    return any(isinstance(part, ast.Name) and not part.id.isupper() for part in ast.walk(told))
