"""Badly signed callbacks: evidence up to a limit, then a count; whoever sends them pays, not we."""

import hashlib
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from ledger import clock, retention
from payments.models import ProviderWebhook, RefusedCallbacks
from payments.providers.errors import BadSignature
from payments.services.webhooks import refusing
from tests.kit.callbacks import Callback, send
from tests.kit.queries import statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed")]


@pytest.fixture
def provider() -> str:
    """A provider of the test's own, so that what others left does not count."""
    return f"velo-{uuid4().hex[:12]}"


def refuse(provider: str, source: str = "203.0.113.0/24", body: bytes = b"{}") -> ProviderWebhook | None:
    return refusing.keep(
        provider=provider,
        source=source,
        headers={"webhook-id": "evt_1"},
        raw_body=body,
        error=BadSignature("no signature is right"),
        at=clock.now(),
    )


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::7", "2001:db8:1::/48"),
        (None, "unknown"),
        ("not an address", "unknown"),
    ],
)
def test_a_source_is_a_network(address: str | None, source: str) -> None:
    assert refusing.source_of(address) == source


class TestKeeping:
    def test_the_first_of_a_source_are_whole_and_the_others_counted(self, provider: str) -> None:
        kept = [refuse(provider, body=b"%d" % number) for number in range(refusing.KEPT_OF_A_SOURCE + 5)]
        assert [row is not None for row in kept].count(True) == refusing.KEPT_OF_A_SOURCE
        counted = RefusedCallbacks.objects.get(provider=provider)
        assert (counted.seen, counted.kept) == (refusing.KEPT_OF_A_SOURCE + 5, refusing.KEPT_OF_A_SOURCE)
        assert ProviderWebhook.objects.filter(provider=provider).count() == refusing.KEPT_OF_A_SOURCE

    def test_the_digest_is_over_all_in_their_order(self, provider: str) -> None:
        expected = b""
        for body in (b"one", b"two", b"three"):
            refuse(provider, body=body)
            message = hashlib.sha256(repr([("webhook-id", "evt_1")]).encode() + body).digest()
            expected = hashlib.sha256(expected + message).digest() if expected else message
        assert bytes(RefusedCallbacks.objects.get(provider=provider).digest) == expected

    def test_many_sources_keep_no_more_than_a_provider_may(
        self, provider: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(refusing, "KEPT_OF_A_PROVIDER", 4)
        monkeypatch.setattr(refusing, "SOURCES_OF_A_PROVIDER", 6)
        for number in range(12):
            refuse(provider, source=f"198.51.{number}.0/24")
        assert ProviderWebhook.objects.filter(provider=provider).count() == 4
        counted = RefusedCallbacks.objects.filter(provider=provider)
        assert (counted.count(), counted.get(source=refusing.OTHERS).seen) == (7, 6)

    def test_what_the_door_turned_away_is_added_to_the_next(self, provider: str) -> None:
        for _ in range(41):
            refusing.count(provider, "203.0.113.0/24")
        refuse(provider)
        assert RefusedCallbacks.objects.get(provider=provider).seen == 42

    def test_the_memory_of_the_door_is_bounded(self, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(refusing, "COUNTED_AT_MOST", len(refusing._turned_away) + 3)
        for number in range(50):
            refusing.count(provider, f"198.51.{number}.0/24")
        mine = {name: seen for name, seen in refusing._turned_away.items() if name[0] == provider}
        assert len(mine) <= 4
        assert sum(mine.values()) == 50

    def test_both_age_out(self, provider: str) -> None:
        row = refuse(provider)
        assert row is not None
        retention.erase("refused_callbacks", clock.now() + timedelta(days=31))
        assert not ProviderWebhook.objects.filter(pk=row.pk).exists()
        assert RefusedCallbacks.objects.filter(provider=provider).exists()
        retention.erase("refused_callback_counts", clock.now() + timedelta(days=401))
        assert not RefusedCallbacks.objects.filter(provider=provider).exists()


class TestTheDoor:
    def test_beyond_the_rate_nothing_is_written_and_a_good_one_still_passes(self, settings: Any) -> None:
        settings.REFUSED_CALLBACK_RATES = {
            "source": {"per_second": 0.05, "burst": 2},
            "provider": {"per_second": 1_000, "burst": 1_000},
        }
        source = f"203.0.{uuid4().int % 250}.{uuid4().int % 250}"
        bad = Callback(f"evt_{uuid4().hex}", b"{}")
        answers = [send(bad, bad.headers(at=1), source=source) for _ in range(3)]
        with statements() as sent:
            flood = [send(bad, bad.headers(at=1), source=source) for _ in range(20)]
        assert {answer.status_code for answer in answers[:2]} == {401}
        assert [answer.status_code for answer in flood].count(429) >= 18
        assert 1 <= int(flood[-1]["Retry-After"]) <= 20
        assert len(sent) <= 16  # at most two more were admitted meanwhile
        network = refusing.source_of(source)
        counted = RefusedCallbacks.objects.get(provider="velocitypay", source=network)
        assert counted.seen + refusing._turned_away["velocitypay", network] == 23  # none is forgotten

    def test_says_what_was_wrong(self) -> None:
        bad = Callback(f"evt_{uuid4().hex}", b"{}")
        answer = send(bad, bad.headers(at=1), source="203.0.113.9")
        assert (answer.status_code, answer.json()["fault"]) == (401, "too_old")
