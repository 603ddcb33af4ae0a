"""The rate feed over HTTP: taken in when it is right, left alone when it is not, stale when it is silent."""

from datetime import timedelta
from decimal import Decimal

import pytest

from ledger import clock
from ledger.fx import sources
from ledger.models import ExchangeRate
from ledger.models.fx_rates import FxSource
from ledger.money import check_currency
from payments.providers.errors import Unanswered
from payments.providers.ratefeed.client import read
from payments.services.calls import fetching_rates

pytestmark = pytest.mark.django_db


def fetched(at) -> dict[str, Decimal]:
    """What is known of the feed that was fetched at this instant."""
    return {row.quote: row.rate for row in ExchangeRate.objects.filter(source="feed", fetched_at=at)}


@pytest.fixture
def at():
    return clock.now() + timedelta(seconds=1)


def test_rates_are_taken_in_with_the_feed_s_own_time(network, at):
    assert fetching_rates.fetch(at) == len(fetched(at)) > 30
    assert fetched(at)["EUR"] == Decimal("0.8950948801")
    assert all(check_currency(code) for code in fetched(at))
    as_of = ExchangeRate.objects.filter(fetched_at=at).values_list("as_of", flat=True).distinct().get()
    assert abs(as_of - at) < timedelta(seconds=10)
    known = {(one.base, one.quote) for one in sources.fresh(FxSource.FEED, at)}
    assert ("USD", "JPY") in known


def test_old_rates_are_taken_in_and_are_stale(network, at):
    network.feed(stale_seconds=86_400)
    assert fetching_rates.fetch(at) > 30
    rows = ExchangeRate.objects.filter(fetched_at=at)
    assert all(sources.fresh_until(FxSource.FEED, row.as_of) < at for row in rows)


def test_a_missing_currency_is_missing_and_an_odd_one_is_odd(network, at):
    network.feed(missing=["JPY"], factors={"GBP": "2"})
    fetching_rates.fetch(at)
    assert "JPY" not in fetched(at)
    assert fetched(at)["GBP"] == Decimal("1.492660222")


def test_a_feed_that_is_down_changes_nothing(network, at):
    network.feed(down=True)
    assert fetching_rates.fetch(at) == 0
    assert fetched(at) == {}


@pytest.mark.parametrize(
    "fault",
    ["500_before", "timeout_before", "429:1", "html_200", "truncated_json", "reset_after", "huge",
     "gzip_bomb", "trickle", "timeout_after"],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_changes_nothing_and_the_next_is_taken(network, settings, at, fault):
    settings.PROVIDER_TOTAL_TIMEOUT_SECONDS = 2.0
    script = network.script(fault, operation="fx_rates")
    assert fetching_rates.fetch(at) == 0
    assert fetched(at) == {}
    assert network.faults()[f"script:{script}"] == 1
    assert fetching_rates.fetch(at) > 30


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"base": "EUR", "as_of": "2026-01-01T00:00:00+00:00", "rates": {}},
        {"base": "USD", "as_of": "2026-01-01T00:00:00", "rates": {"EUR": "0.9"}},
        {"base": "USD", "as_of": 1, "rates": {"EUR": "0.9"}},
        {"base": "USD", "as_of": "now", "rates": {"EUR": "0.9"}},
        {"base": "USD", "as_of": "2026-01-01T00:00:00+00:00", "rates": {"EUR": 0.9}},
        {"base": "USD", "as_of": "2026-01-01T00:00:00+00:00", "rates": {"EUR": "-0.9"}},
        {"base": "USD", "as_of": "2026-01-01T00:00:00+00:00", "rates": {"EUR": "1e5"}},
        {"base": "USD", "as_of": "2026-01-01T00:00:00+00:00", "rates": [["EUR", "0.9"]]},
        {"base": "USD", "as_of": "2026-01-01T00:00:00+00:00", "rates": {str(n): "1" for n in range(301)}},
    ],
)
def test_an_answer_to_another_question_is_none(body):
    with pytest.raises(Unanswered):
        read(body, "USD")


def test_what_is_no_currency_of_ours_is_left_out():
    body = {"base": "USD", "as_of": "2026-01-01T00:00:00+00:00", "rates": {"EUR": "0.9", "XAU": "0.0003"}}
    assert [rate.quote for rate in read(body, "USD")] == ["EUR"]
