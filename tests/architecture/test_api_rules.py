"""Every controller of the API keeps the desk's rules: a scope for each action, a key for each POST."""

import pytest
from drf_spectacular.generators import SchemaGenerator

from config.api import PREFIX, ROUTES
from payments.api.payments import PaymentViewSet
from payments.api.transactions import PaymentTransactionViewSet
from vendors.api.base import MerchantViewSet
from vendors.api.idempotency import Idempotency
from vendors.scopes import NAMED_ONLY, SCOPES

MOVED_BY_THEIR_MACHINE = {PaymentViewSet, PaymentTransactionViewSet}
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


@pytest.mark.parametrize(
    ("view", "action", "method"),
    [row for row in ACTIONS if row[2] in {"put", "patch", "delete"}],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_a_change_of_an_object_that_stands_reads_if_match(view, action, method):
    """Else the later of two who saw one version writes over the other. Payments move by their machine."""
    assert action in view.conditional or view in MOVED_BY_THEIR_MACHINE


def test_what_reads_if_match_is_documented_to():
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    for route in ROUTES:
        for method, action in route.actions.items():
            described = paths[PREFIX + route.path][method]
            names = {parameter["name"] for parameter in described.get("parameters", ())}
            asks = action in route.view.conditional
            assert ("If-Match" in names, "412" in described["responses"]) == (asks, asks), route.path
            assert not asks or "ETag" in described["responses"]["200"]["headers"]


def test_every_post_takes_a_key():
    """A POST without a key cannot be repeated safely; the desk requires one unless a view says otherwise."""
    ignored = [
        f"{view.__name__}.{action}"
        for view, action, method in ACTIONS
        if method == "post" and view.idempotency.get(action) is Idempotency.IGNORED
    ]
    assert not ignored
