"""The sandbox's callbacks: signed, repeated until accepted, and out of order when told."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.money import Money
from payments.providers import registry
from payments.providers.errors import BadSignature
from payments.providers.outcomes import Approved, Declined, Unknown
from payments.providers.requests import AuthorizeRequest
from payments.providers.velocitypay import webhooks
from tests.kit.inbox import Inbox
from tests.kit.network import WEBHOOK_SECRET, Network, eventually, point_adapter_at, started_network
from tests.services.payments.simulator.asking import authorize, key


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    with Inbox() as made:
        yield made


@pytest.fixture(scope="module")
def calling(inbox: Inbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with started_network(tmp_path_factory.mktemp("calling"), callback_url=inbox.url) as network:
        yield network


def about(inbox: Inbox, used: str, count: int = 1) -> list[Any]:
    needle = f'"idempotency_key":"{used}"'.encode()
    return eventually(
        lambda: (
            (found := [letter for letter in inbox.letters if needle in letter.body])[count - 1 :] and found
        ),
        f"{count} callbacks about {used}",
    )


class TestItsCallbacks:
    def test_are_signed_and_tell_the_same_as_asking(self, calling, inbox):
        used = key()
        answer = authorize(calling, idempotency_key=used).json()
        (letter,) = about(inbox, used)
        notice = webhooks.parse(letter.headers, letter.body, WEBHOOK_SECRET, datetime.now(UTC))
        assert (notice.type, notice.idempotency_key, notice.reference) == (
            "authorization.authorized",
            used,
            answer["id"],
        )
        assert isinstance(notice.outcome, Approved)
        with pytest.raises(BadSignature):
            webhooks.parse(letter.headers, letter.body + b" ", WEBHOOK_SECRET, datetime.now(UTC))

    def test_tell_the_end_of_what_was_pending(self, calling, inbox):
        used = key()
        assert authorize(calling, scenario="pending_fail", idempotency_key=used).json()["status"] == "pending"
        (letter,) = about(inbox, used)
        notice = webhooks.parse(letter.headers, letter.body, WEBHOOK_SECRET, datetime.now(UTC))
        assert notice.type == "authorization.declined"
        assert isinstance(notice.outcome, Declined)

    def test_come_again_until_they_are_accepted_with_the_same_id(self, calling, inbox):
        inbox.answer = 500
        used = key()
        authorize(calling, idempotency_key=used)
        about(inbox, used)
        inbox.answer = 200
        letters = about(inbox, used, 2)
        assert len({letter.headers["webhook-id"] for letter in letters}) == 1
        eventually(lambda: calling.callbacks()["waiting"] == 0, "nothing waits")

    def test_are_doubled_on_demand(self, calling, inbox):
        reference, used = key(), key()
        calling.script("dup_webhook:3", reference=reference)
        authorize(calling, reference=reference, idempotency_key=used)
        letters = about(inbox, used, 3)
        assert len({letter.headers["webhook-id"] for letter in letters}) == 1
        assert calling.faults()["dup_webhook"] == 1

    def test_overtake_each_other_on_demand(self, calling, inbox):
        reference, first, second = key(), key(), key()
        calling.script("reorder", reference=reference)
        authorize(calling, reference=reference, idempotency_key=first)
        authorize(calling, reference=reference, idempotency_key=second)
        about(inbox, first)
        bodies = b"|".join(letter.body for letter in inbox.letters)
        assert bodies.index(second.encode()) < bodies.index(first.encode())

    def test_come_before_the_answer_on_demand(self, calling, inbox):
        reference, used = key(), key()
        calling.script("webhook_first", reference=reference)
        authorize(calling, reference=reference, idempotency_key=used)
        assert any(used.encode() in letter.body for letter in inbox.letters)

    def test_stay_away_on_demand(self, calling, inbox):
        reference, quiet, loud = key(), key(), key()
        calling.script("no_webhook", reference=reference)
        authorize(calling, reference=reference, idempotency_key=quiet)
        authorize(calling, reference=reference, idempotency_key=loud)
        about(inbox, loud)
        assert not any(quiet.encode() in letter.body for letter in inbox.letters)
        assert calling.faults()["no_webhook"] == 1

    def test_tell_of_an_effect_whose_answer_was_lost(self, calling, inbox, settings):
        point_adapter_at(calling, settings)
        used = key()
        token = calling.card("lost_answer")["token"]
        outcome = registry.provider().authorize(AuthorizeRequest(used, Money(5, "EUR"), "pay_lost", token))
        assert isinstance(outcome, Unknown)
        (letter,) = about(inbox, used)
        notice = registry.provider().notice(letter.headers, letter.body, datetime.now(UTC))
        assert isinstance(notice.outcome, Approved)
