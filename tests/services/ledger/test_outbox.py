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


class TestHeardTogether:
    @pytest.fixture
    def news(self, ada: Vendor, bruno: Vendor) -> list[OutboxMessage]:
        """News of two subjects for one handler."""
        made = []
        for vendor in (ada, bruno):
            event = Event.objects.filter(subject_id=vendor.pk).latest("sequence")
            made.append(
                OutboxMessage.objects.create(
                    event=event,
                    handler="some.hear",
                    subject_id=vendor.pk,
                    sequence=event.sequence,
                    due_at=clock.now(),
                )
            )
        return made

    def listen(
        self, monkeypatch: pytest.MonkeyPatch, news: list[OutboxMessage], broken: object
    ) -> list[object]:
        """Hear the news, alone or together; what touches `broken` fails."""
        heard: list[object] = []

        def hear(event: Event) -> None:
            if event == broken:
                raise ValueError("not this one")
            heard.append(event)

        def hear_all(events: list[Event]) -> None:
            if broken in events:
                raise ValueError("not all of these")
            heard.append(tuple(events))

        types = {message.event.type for message in news}
        monkeypatch.setattr(outbox, "_handlers", {kind: {"some.hear": hear} for kind in types})
        monkeypatch.setitem(outbox._together, hear, hear_all)
        return heard

    def test_news_of_several_subjects_are_heard_at_once(
        self, news: list[OutboxMessage], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        heard, at = self.listen(monkeypatch, news, None), clock.now()
        outbox.relay_all(at)
        assert {event for events in heard for event in events} >= {message.event for message in news}
        assert len(heard) == 1
        assert {row.sent_at for row in OutboxMessage.objects.filter(handler="some.hear")} == {at}

    def test_trouble_with_one_is_no_trouble_for_the_other(
        self, news: list[OutboxMessage], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        heard = self.listen(monkeypatch, news, news[0].event)
        outbox.relay_all(clock.now())
        assert heard == [news[1].event]
        for message in news:
            message.refresh_from_db()
        assert (news[0].sent_at, news[1].sent_at is not None) == (None, True)
        assert "not this one" in news[0].last_error
