"""The anticipated failures of the house: kinds with a stable code, and no HTTP.

A failure that a caller can foresee is a subclass of one of the six kinds, defined in the module that
raises it. Anything else is a defect and may crash. The one map from kind to HTTP status is
`vendors.api.errors`.
"""

from enum import StrEnum
from typing import Any, ClassVar


class Kind(StrEnum):
    """What sort of refusal it is."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    STALE = "stale"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"


class DomainError(Exception):
    """A refusal that the caller can act on.

    `code` is stable and public; `advice` says what to do; `param` names the field; `facts` are for logs and
    tests.
    """

    kind: ClassVar[Kind]
    code: ClassVar[str]
    advice: ClassVar[str] = ""
    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, param: str | None = None, advice: str | None = None, **facts: Any
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.advice_given = advice if advice is not None else self.advice
        self.facts = facts


class Invalid(DomainError):
    """The request is well formed but asks for what may not be."""

    kind = Kind.INVALID
    code = "invalid"


class NotFound(DomainError):
    """No such object for this caller."""

    kind = Kind.NOT_FOUND
    code = "not_found"


class Conflict(DomainError):
    """The object's present state does not allow it."""

    kind = Kind.CONFLICT
    code = "conflict"


class Stale(DomainError):
    """The object is not any more as the caller says that he saw it."""

    kind = Kind.STALE
    code = "stale"


class Forbidden(DomainError):
    """This caller may not do it."""

    kind = Kind.FORBIDDEN
    code = "forbidden"


class Unavailable(DomainError):
    """It cannot be done now; the same request may be sent again."""

    kind = Kind.UNAVAILABLE
    code = "unavailable"
    retryable = True
