"""Exchange as a merchant's server sees it: rates, quotes, conversions, exposure; and what is refused."""

from datetime import timedelta
from uuid import UUID

import pytest

from ledger import clock, ids
from ledger.actors import SYSTEM
from ledger.fx import rates, unwinding
from ledger.models import ExchangeRate, FxConversion, FxQuote
from ledger.models.fx_rates import FxSource
from ledger.money import Money
from tests.kit import fx
from tests.kit.api_cases import (
    AnonymousIsRefused,
    IdempotentReplay,
    OtherTenantIsHidden,
    WrongScopeIsRefused,
    code_of,
)
from tests.kit.bad_input import BAD_AMOUNTS, BAD_BODIES, BAD_CURRENCIES

pytestmark = pytest.mark.django_db
QUOTES, CONVERSIONS = "/api/v1/fx/quotes", "/api/v1/fx/conversions"
SELL = {"amount": 10_000, "currency": "USD"}
WISH = {"sell": SELL, "buy_currency": "EUR", "kind": "payout"}


@pytest.fixture(autouse=True)
def _world(northwind):
    """A euro is 1.10 dollars, and Northwind has 1,000 dollars."""
    rates.forget()
    fx.two_sources(clock.now())
    fx.fund(northwind.pk, Money(100_000, "USD"))
    yield
    rates.forget()


def quoted(client, **change):
    answer = client.post(QUOTES, {**WISH, **change})
    assert answer.status_code == 201, answer.content
    return answer.json()


class TestQuote(AnonymousIsRefused, WrongScopeIsRefused, IdempotentReplay):
    def request_of(self, client, **options):
        return client.post(QUOTES, WISH, **options)

    def effects(self):
        return FxQuote.objects.count()

    def test_shows_the_rate_the_spread_and_the_sources(self, merchant_client):
        body = quoted(merchant_client)
        assert body["id"].startswith("fxq_")
        assert {name: body[name] for name in ("object", "status", "kind", "sell", "buy", "spread")} == {
            "object": "fx_quote",
            "status": "open",
            "kind": "payout",
            "sell": SELL,
            "buy": {"amount": 9_000, "currency": "EUR"},
            "spread": {"amount": 91, "currency": "EUR"},
        }
        assert (body["house_rate"], body["customer_rate"]) == ("0.909090909091", "0.90000000000009")
        assert [one["source"] for one in body["sources"]["used"]][:2] == ["ecb", "feed"]
        assert merchant_client.get(f"{QUOTES}/{body['id']}").json() == body

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"buy_currency": "USD"}, (422, "fx_same_currency")),
            ({"buy_currency": "CHF"}, (503, "fx_rate_unavailable")),
            ({"buy_currency": "XAU"}, (400, "invalid_request")),
            ({"kind": "gift"}, (400, "invalid_request")),
            ({"kind": None}, (400, "invalid_request")),
            ({"rate": "1.5"}, (400, "unknown_field")),
            ({"sell": {"amount": 1, "currency": "JPY"}, "buy_currency": "EUR"}, (201, "")),
            ({"sell": {"amount": 1, "currency": "KWD"}, "buy_currency": "JPY"}, (422, "fx_amount_too_small")),
            ({"sell": {"amount": 10**12, "currency": "JPY"}, "buy_currency": "KWD"},
             (422, "fx_amount_too_large")),
        ],
    )  # fmt: skip
    def test_refuses_what_cannot_be(self, merchant_client, northwind, change, expected):
        answer = merchant_client.post(QUOTES, {**WISH, **change})
        if expected[0] == 201:
            assert answer.status_code == 201
            return
        assert code_of(answer) == expected
        assert not FxQuote.objects.filter(merchant_id=northwind.pk).exists()

    @pytest.mark.parametrize("amount", BAD_AMOUNTS)
    def test_refuses_bad_amounts(self, merchant_client, amount):
        body = f'{{"sell": {{"amount": {amount}, "currency": "USD"}}, "buy_currency": "EUR"}}'
        assert merchant_client.post(QUOTES, body.encode()).status_code == 400

    @pytest.mark.parametrize("currency", BAD_CURRENCIES)
    @pytest.mark.parametrize("place", ["sell", "buy"])
    def test_refuses_bad_currencies(self, merchant_client, currency, place):
        sell, buy = (currency, '"EUR"') if place == "sell" else ('"USD"', currency)
        body = f'{{"sell": {{"amount": 100, "currency": {sell}}}, "buy_currency": {buy}}}'
        assert merchant_client.post(QUOTES, body.encode()).status_code == 400

    @pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
    def test_refuses_bad_bodies(self, merchant_client, body):
        assert merchant_client.post(QUOTES, body).status_code in (400, 413, 422)

    def test_is_refused_and_may_be_asked_again_when_a_source_is_far_off(self, merchant_client):
        fx.say(FxSource.FEED, clock.now(), USD="2.2")
        answer = merchant_client.post(QUOTES, WISH)
        assert code_of(answer) == (503, "fx_rate_unavailable")
        assert answer.json()["retryable"] is True

    def test_is_cancelled(self, merchant_client):
        body = quoted(merchant_client)
        path = f"{QUOTES}/{body['id']}/cancel"
        assert merchant_client.post(path).json()["status"] == "cancelled"
        assert code_of(merchant_client.post(path)) == (409, "state_conflict")


class TestReadQuote(OtherTenantIsHidden):
    @pytest.fixture(autouse=True)
    def _quote(self, merchant_client):
        self.path = f"{QUOTES}/{quoted(merchant_client)['id']}"

    def request_of(self, client, **options):
        return client.get(self.path)

    @pytest.mark.parametrize(
        "id", ["fxq_", "fxq_01kagm3c8qf3p8w0t5y5r4d2ne", "fxc_01kagm3c8qf3p8w0t5y5r4d2ne", "x"]
    )
    def test_an_id_that_names_nothing_is_404(self, merchant_client, id):
        assert code_of(merchant_client.get(f"{QUOTES}/{id}")) == (404, "fx_quote_not_found")


class TestConvert(AnonymousIsRefused, WrongScopeIsRefused, OtherTenantIsHidden, IdempotentReplay):
    @pytest.fixture(autouse=True)
    def _quote(self, merchant_client, _world):
        self.quote = quoted(merchant_client)
        self.body = {
            "quote_id": self.quote["id"],
            "from_account": "merchant_balance",
            "to_account": "merchant_balance",
            "amount": SELL,
        }

    def request_of(self, client, **options):
        return client.post(CONVERSIONS, self.body, **options)

    def effects(self):
        return FxConversion.objects.count()

    def test_answers_with_what_was_done_and_why(self, merchant_client):
        answer = self.request_of(merchant_client)
        body = answer.json()
        assert (answer.status_code, body["status"], body["quote_id"]) == (201, "booked", self.quote["id"])
        assert (body["sell"], body["buy"]) == (SELL, {"amount": 9_000, "currency": "EUR"})
        assert "100 bps" in body["explanation"]
        assert merchant_client.get(f"{CONVERSIONS}/{body['id']}").json() == body
        assert merchant_client.get(CONVERSIONS).json()["data"] == [body]
        used = merchant_client.get(f"{QUOTES}/{self.quote['id']}").json()
        assert (used["status"], used["conversion_id"]) == ("used", body["id"])

    def test_a_used_quote_is_refused(self, merchant_client):
        self.request_of(merchant_client)
        assert code_of(self.request_of(merchant_client)) == (409, "fx_quote_used")
        assert self.effects() >= 1

    def test_an_expired_quote_is_refused(self, merchant_client, settings):
        settings.FX_QUOTE_SECONDS = 0
        lapsed = quoted(merchant_client)
        answer = merchant_client.post(CONVERSIONS, {"quote_id": lapsed["id"]})
        assert code_of(answer) == (409, "fx_quote_expired")

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"quote_id": "fxq_01kagm3c8qf3p8w0t5y5r4d2ne"}, (404, "fx_quote_not_found")),
            ({"quote_id": "pay_01kagm3c8qf3p8w0t5y5r4d2ne"}, (400, "invalid_request")),
            ({"quote_id": None}, (400, "invalid_request")),
            ({"from_account": "vendor_available"}, (400, "invalid_request")),
            ({"to_account": "bank"}, (400, "invalid_request")),
            ({"amount": {"amount": 9_999, "currency": "USD"}}, (422, "fx_quote_differs")),
            ({"amount": {"amount": 10_000, "currency": "EUR"}}, (422, "fx_quote_differs")),
            ({"amount": {"amount": 0, "currency": "USD"}}, (400, "invalid_request")),
            ({"amount": {"amount": -1, "currency": "USD"}}, (400, "invalid_request")),
            ({"rate": "2"}, (400, "unknown_field")),
        ],
    )
    def test_refuses_what_cannot_be(self, merchant_client, northwind, change, expected):
        assert code_of(merchant_client.post(CONVERSIONS, {**self.body, **change})) == expected
        assert not FxConversion.objects.filter(merchant_id=northwind.pk).exists()

    def test_more_than_the_balance_is_refused(self, merchant_client):
        large = quoted(merchant_client, sell={"amount": 100_001, "currency": "USD"})
        answer = merchant_client.post(CONVERSIONS, {"quote_id": large["id"]})
        assert code_of(answer) == (409, "insufficient_funds_in_account")

    def test_shows_what_was_turned_back(self, merchant_client, northwind):
        made = self.request_of(merchant_client).json()
        unwinding.unwind(
            merchant_id=northwind.pk, conversion_id=self.key(made), amount=Money(4_000, "USD"), actor=SYSTEM,
            at=clock.now(),
        )  # fmt: skip
        body = merchant_client.get(f"{CONVERSIONS}/{made['id']}").json()
        assert (body["status"], body["unwound"]) == ("partly_unwound", {"amount": 4_000, "currency": "USD"})
        assert body["unwinds"][0]["taken_back"] == {"amount": 3_600, "currency": "EUR"}
        assert "neither gain nor loss" in body["unwinds"][0]["explanation"]

    def key(self, made) -> UUID:
        return ids.parse("fxc", made["id"])


class TestRates(AnonymousIsRefused):
    def request_of(self, client, **options):
        return client.get("/api/v1/fx/rates?sell=EUR")

    def test_of_one_pair(self, merchant_client):
        body = merchant_client.get("/api/v1/fx/rates?sell=EUR&buy=USD").json()
        assert [(one["buy"], one["rate"]) for one in body["data"]] == [("USD", "1.1")]

    def test_of_all_say_which_have_none(self, merchant_client):
        fx.say(FxSource.ECB, clock.now() - timedelta(minutes=5), CHF="0.95")
        body = merchant_client.get("/api/v1/fx/rates?sell=USD").json()
        assert {"EUR", "JPY", "KWD", "GBP"} <= {one["buy"] for one in body["data"]}
        reasons = {one["buy"]: one["reason"] for one in body["unavailable"]}
        assert "1 of 2 sources" in reasons["CHF"]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", (400, "invalid_parameter")),
            ("sell=eur", (400, "invalid_parameter")),
            ("sell=EUR&buy=XAU", (400, "invalid_parameter")),
            ("sell=EUR&buy=EUR", (422, "fx_same_currency")),
            ("sell=EUR&buy=CHF", (503, "fx_rate_unavailable")),
            ("sell=EUR&at=now", (400, "unknown_field")),
            ("sell=EUR&sell=USD", (400, "unknown_field")),
        ],
    )
    def test_refuses_what_cannot_be(self, merchant_client, query, expected):
        status, code = code_of(merchant_client.get(f"/api/v1/fx/rates?{query}"))
        assert status == expected[0]
        assert code in (expected[1], "invalid_request")

    def test_are_none_when_everything_is_stale(self, merchant_client, settings):
        settings.FX_ECB_MAX_AGE_DAYS, settings.FX_FEED_MAX_AGE_SECONDS = 0, 1
        assert ExchangeRate.objects.exists()
        answer = merchant_client.get("/api/v1/fx/rates?sell=EUR&buy=USD")
        assert code_of(answer) == (503, "fx_rate_unavailable")
        assert "stale since" in answer.json()["detail"]


class TestExposure(AnonymousIsRefused, WrongScopeIsRefused):
    refused_scopes = ["payments:read"]

    def request_of(self, client, **options):
        return client.get("/api/v1/fx/exposure")

    def test_is_the_merchant_s_own(self, merchant_client):
        assert self.request_of(merchant_client).json()["positions"] == []
        merchant_client.post(CONVERSIONS, {"quote_id": quoted(merchant_client)["id"]})
        body = self.request_of(merchant_client).json()
        (found,) = body["positions"]
        assert (found["pair"], found["base"]["amount"], found["counter"]["amount"]) == (
            "EUR/USD",
            -9_091,
            10_000,
        )
        assert (found["rate"], found["unrealised_gain"]["amount"]) == ("1.1", 0)
        assert body["earned"] == [
            {"spread": {"amount": 91, "currency": "EUR"}, "realised_gain": {"amount": 0, "currency": "EUR"}}
        ]
