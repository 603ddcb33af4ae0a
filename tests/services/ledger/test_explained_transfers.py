"""Transfers, holds and their reviews are explained: by the request, and by the person who looked."""

import pytest

from ledger.explain import walking
from ledger.explain.registry import Scope
from ledger.explain.walking import NotExplained
from ledger.models import Account, AmlAlert, Hold, Transfer
from ledger.money import Money
from tests.kit.wallets import Purses

pytestmark = pytest.mark.django_db
LIMIT = 1_000_000


@pytest.fixture
def purses():
    return Purses()


def everything(purses):
    whose = {"merchant_id": purses.merchant_id}
    return [
        *Transfer.objects.filter(**whose),
        *Hold.objects.filter(**whose),
        *Account.objects.filter(**whose),
    ]


def test_a_transfer_that_a_person_let_through_leads_to_him(purses):
    carla, dora = purses.wallet("carla", 3 * LIMIT), purses.wallet("dora")
    purses.move(carla, dora, 500)
    held = purses.hold(carla, dora, 900)
    purses.commit(held, 400)
    waiting = purses.move(carla, dora, LIMIT)
    (alert,) = AmlAlert.objects.filter(merchant_id=purses.merchant_id)
    story = walking.explain_all([*everything(purses), alert])
    assert story.is_explained, list(story.reasons())
    purses.decide(alert, clear=True)
    story = walking.explain_all([*everything(purses), alert])
    assert story.is_explained, list(story.reasons())
    assert story.nodes[waiting.public_id].amounts == (Money(LIMIT, "USD"),)
    people = [node for node in story.nodes.values() if node.kind == "audit record"]
    assert people
    assert any(cause.label == "person" and cause.is_outside for node in people for cause in node.causes)


def test_a_merchant_is_not_told_of_alerts_nor_who_looked(purses):
    carla, dora = purses.wallet("carla", 3 * LIMIT), purses.wallet("dora")
    purses.move(carla, dora, LIMIT)
    (alert,) = AmlAlert.objects.filter(merchant_id=purses.merchant_id)
    purses.decide(alert, clear=True)
    scope = Scope(purses.merchant_id)
    with pytest.raises(NotExplained):
        walking.explain(alert, scope=scope)
    story = walking.explain_all(everything(purses), scope=scope)
    assert story.is_explained, list(story.reasons())
    told = " ".join(cause.text for node in story.nodes.values() for cause in node.causes)
    assert "a member of the platform's staff" in told
    assert "irene" not in told.lower()
