"""Every controller of the API keeps the desk's rules: a scope for each action, a key for each POST."""

import pytest

from config.api import ROUTES
from vendors.api.base import MerchantViewSet
from vendors.api.idempotency import Idempotency

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
    assert view.scopes.get(action), f"{view.__name__}.scopes has no {action!r}"


def test_every_post_takes_a_key():
    """A POST without a key cannot be repeated safely; the desk requires one unless a view says otherwise."""
    ignored = [
        f"{view.__name__}.{action}"
        for view, action, method in ACTIONS
        if method == "post" and view.idempotency.get(action) is Idempotency.IGNORED
    ]
    assert not ignored
