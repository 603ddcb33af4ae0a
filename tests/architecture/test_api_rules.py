"""Every controller of the API keeps the desk's rules: a scope for each action, a key for each POST."""

import pytest

from config.api import ROUTES
from vendors.api.base import MerchantViewSet
from vendors.api.idempotency import Idempotency
from vendors.scopes import NAMED_ONLY, SCOPES

ACTIONS = sorted(
    {(route.view, action, method) for route in ROUTES for method, action in route.actions.items()},
    key=lambda row: (row[0].__name__, row[1]),
)


@pytest.mark.parametrize(
    ("view", "action"), [row[:2] for row in ACTIONS], ids=lambda v: getattr(v, "__name__", v)
)
def test_every_action_asks_for_a_scope(view, action):
    """Deny by default: an action without a scope of its own is refused, so it must have one."""
    assert issubclass(view, MerchantViewSet)
    assert view.scopes.get(action) in SCOPES, f"{view.__name__}.scopes names no scope for {action!r}"


@pytest.mark.parametrize(("view", "action", "method"), ACTIONS, ids=lambda v: getattr(v, "__name__", v))
def test_reads_ask_for_a_scope_to_read_and_writes_for_one_to_write(view, action, method):
    scope = view.scopes[action]
    assert scope in NAMED_ONLY or scope.endswith(":read" if method == "get" else ":write")


def test_every_post_takes_a_key():
    """A POST without a key cannot be repeated safely; the desk requires one unless a view says otherwise."""
    ignored = [
        f"{view.__name__}.{action}"
        for view, action, method in ACTIONS
        if method == "post" and view.idempotency.get(action) is Idempotency.IGNORED
    ]
    assert not ignored
