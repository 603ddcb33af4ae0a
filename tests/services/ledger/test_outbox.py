"""The relay of the outbox: what it cannot deliver waits, then calls a person."""

from datetime import timedelta

import pytest

from ledger import clock, outbox
from ledger.models import Event, OutboxMessage
from vendors.models import Vendor

pytestmark = pytest.mark.django_db


@pytest.fixture
def message(ada: Vendor) -> OutboxMessage:
    """News for a handler that this release does not have: a newer one, side by side, wrote it."""
    event = Event.objects.filter(subject_id=ada.pk).latest("sequence")
    return OutboxMessage.objects.create(
        event=event, handler="later.handlers.hear", subject_id=ada.pk, sequence=event.sequence,
        due_at=clock.now(),
    )  # fmt: skip


class TestHandlerOfAnotherRelease:
    def test_its_news_waits_for_the_release_that_has_it(
        self, message: OutboxMessage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at = clock.now()
        outbox.relay(at)
        message.refresh_from_db()
        assert (message.sent_at, message.dead_at) == (None, None)
        heard = []
        monkeypatch.setitem(outbox._handlers, message.event.type, {message.handler: heard.append})
        outbox.relay(at + timedelta(seconds=10))
        assert heard == [message.event]

    def test_its_news_is_dead_when_nobody_ever_hears_it(self, message: OutboxMessage) -> None:
        at = clock.now()
        for hour in range(outbox.TRIES_MAX):
            outbox.relay(at + timedelta(hours=2 * hour))
        message.refresh_from_db()
        assert message.dead_at is not None
