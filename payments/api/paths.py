"""Values that stand in paths: texts without what a database cannot hold, and words of a closed list."""

from collections.abc import Sequence
from typing import Final

from rest_framework.exceptions import ErrorDetail, ValidationError

from vendors.api.fields import TextField

LENGTH_MAX: Final = 100
_text: Final = TextField(LENGTH_MAX)


def text(name: str, value: str) -> str:
    """Return a text of a path, in the form in which texts are kept.

    :raises ValidationError: it is blank, too long, or has control characters.
    """
    try:
        return str(_text.run_validation(value))
    except ValidationError as error:
        raise ValidationError({name: error.detail}) from error


def public_status(value: str, allowed: Sequence[str]) -> str:
    """Return a status word of a path.

    :raises ValidationError: it is none of the `allowed`, which are named.
    """
    return public_word("status", value, allowed)


def public_word(name: str, value: str, allowed: Sequence[str]) -> str:
    """Return a word of a path, of a closed list.

    :raises ValidationError: it is none of the `allowed`, which are named.
    """
    if value not in allowed:
        detail = ErrorDetail(f"must be one of: {', '.join(allowed)}", code="invalid_parameter")
        raise ValidationError({name: [detail]})
    return value
