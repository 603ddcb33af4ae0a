"""Who causes a change, and the request in which it happens.

Every event and audit record names its actor. The request context travels beside the call, not through it,
because it explains a change and never decides one.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody or something that acts: `kind` is api_key, staff, operator, system or provider.

    `role` is what it acts as, when the request does not say so.
    """

    kind: str
    id: str
    label: str = ""
    role: str = ""

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind, "id": self.id, "label": self.label}


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The request in which something happens; empty outside requests."""

    request_id: str = ""
    ip: str | None = None
    user_agent: str = ""
    role: str = ""


SYSTEM: Final = Actor("system", "everycent")

_NO_REQUEST: Final = RequestContext()
_request: ContextVar[RequestContext] = ContextVar("request", default=_NO_REQUEST)


def provider_actor(name: str) -> Actor:
    """Return a provider as the one who acts (its callbacks)."""
    return Actor("provider", name)


def staff_actor(user_id: int | str, username: str) -> Actor:
    """Return a member of staff as the one who acts."""
    return Actor("staff", str(user_id), username)


def operator_actor(account: str) -> Actor:
    """Return who runs a command on the machine, by the name of the account."""
    return Actor("operator", account[:80], account[:150])


def current_request() -> RequestContext:
    """Return the context of the request being served."""
    return _request.get()


def set_request(context: RequestContext) -> None:
    """Set the context for what follows in this thread; middleware calls it around each request."""
    _request.set(context)
