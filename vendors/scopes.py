"""The scopes that an API key can hold: one resource, and whether it may read or write it.

`write` does not include `read`. A key has what it was issued with and nothing else. What hands out a card
number has a scope of its own.
"""

from typing import Final

from ledger.errors import Invalid

RESOURCES: Final = (
    "payments",
    "payment-methods",
    "refunds",
    "disputes",
    "subscriptions",
    "fraud",
    "escrow",
    "commissions",
    "settlements",
    "vendors",
    "webhooks",
    "books",
)
# Never part of "all": a key has one of these only when it was issued with it by name.
NAMED_ONLY: Final = frozenset({"vault:detokenize"})
ORDINARY: Final = frozenset(f"{resource}:{verb}" for resource in RESOURCES for verb in ("read", "write"))
SCOPES: Final = ORDINARY | NAMED_ONLY


class UnknownScope(Invalid):
    """A scope that no endpoint asks for."""

    code = "scope_unknown"
    advice = "Use scopes such as payments:write or refunds:read."


def check_scopes(scopes: list[str]) -> list[str]:
    """Return the scopes sorted, each once.

    :raises UnknownScope: one is not in the list of scopes.
    """
    for scope in scopes:
        if scope not in SCOPES:
            raise UnknownScope(f"there is no scope {scope!r}", param="scopes")
    return sorted(set(scopes))
