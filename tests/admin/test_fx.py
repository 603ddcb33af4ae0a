"""The desk of exchange: rates by source, exposure, and what finance sets."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.urls import reverse

from ledger import clock
from ledger.actors import SYSTEM
from ledger.fx import rates, unwinding
from ledger.models import AuditRecord, FxSpread, FxTableRate
from ledger.models.fx_rates import FxSource
from ledger.money import Money
from tests.kit import fx
from tests.kit.queries import statements

pytestmark = pytest.mark.django_db
RATES, EXPOSURE = "/admin/exchange/rates/", "/admin/exchange/exposure/"
RATE = {"base": "EUR", "quote": "USD", "rate": "1.12", "reason": "the market is closed"}


@pytest.fixture(autouse=True)
def _world():
    rates.forget()
    fx.two_sources(clock.now())
    yield
    rates.forget()


@pytest.fixture
def conversion(northwind):
    at = clock.now()
    fx.fund(northwind.pk, Money(100_000, "USD"))
    made = fx.convert(fx.quote(northwind.pk, Money(10_000, "USD"), "EUR", at), at)
    unwinding.unwind(
        merchant_id=northwind.pk, conversion_id=made.pk, amount=Money(1_000, "USD"), actor=SYSTEM, at=at
    )
    return made


class TestRates:
    def test_are_shown_by_source_with_who_is_too_far_off(self, sign_in):
        fx.say(FxSource.FEED, clock.now(), JPY="1650")
        page = sign_in("finance").get(RATES).content.decode()
        for text in (
            "European Central Bank",
            "Rate feed",
            "fresh",
            "1650 is too far off",
            "EUR/JPY",
            "0.8400"[:4],
        ):
            assert text in page

    def test_of_another_base_or_none(self, root):
        assert "One USD" in root.get(f"{RATES}?base=USD").content.decode()
        assert root.get(f"{RATES}?base=GOLD").status_code == 404

    @pytest.mark.parametrize(
        ("role", "status"), [("finance", 200), ("auditor", 200), ("support", 403), ("risk", 403)]
    )
    def test_are_for_those_who_keep_the_books(self, sign_in, role, status):
        client = sign_in(role)
        assert [client.get(page).status_code for page in (RATES, EXPOSURE)] == [status] * 2

    def test_cost_the_same_however_many_currencies_there_are(self, root):
        root.get(RATES)
        with statements() as few:
            root.get(RATES)
        fx.say(FxSource.FEED, clock.now(), CHF="0.95", SEK="11", NOK="10", DKK="7.4")
        with statements() as many:
            root.get(RATES)
        assert len(many.sent) == len(few.sent) <= 12


class TestTable:
    def test_a_rate_is_set_with_a_reason_and_audited(self, sign_in):
        finance = sign_in("finance")
        assert "so much, as a decimal" in finance.get("/admin/exchange/set/rate/").content.decode()
        assert finance.post("/admin/exchange/set/rate/", RATE).status_code == 302
        row = FxTableRate.objects.get(set_by="finance", reason="the market is closed")
        assert (row.base, row.quote, row.rate, row.valid_to) == ("EUR", "USD", Decimal("1.12"), None)
        kept = AuditRecord.objects.get(object_id=str(row.pk))
        assert (kept.action, kept.role, kept.reason) == ("fx_rate.set", "finance", "the market is closed")
        address = reverse("admin:ledger_fxtablerate_act_end", args=[row.pk])
        assert finance.post(address, {"reason": "it opened"}).status_code == 302
        row.refresh_from_db()
        assert row.valid_to is not None

    @pytest.mark.parametrize(
        "change",
        [{"quote": "EUR"}, {"quote": "XXX"}, {"rate": "0"}, {"rate": "1,12"}, {"rate": "-1"}, {"rate": "1e5"},
         {"reason": ""}, {"valid_from": "2020-01-01 00:00"}, {"valid_to": "2020-01-01 00:00"}, {"base": ""}],
    )  # fmt: skip
    def test_refuses_what_cannot_be_in_words(self, sign_in, change):
        answer = sign_in("finance").post("/admin/exchange/set/rate/", {**RATE, **change})
        assert answer.status_code == 422
        assert "house-error" in answer.content.decode()
        assert not FxTableRate.objects.filter(set_by="finance").exists()

    @pytest.mark.parametrize("role", ["support", "risk", "auditor", "admin"])
    def test_is_finance_s_alone(self, sign_in, role):
        client = sign_in(role)
        for act in ("rate", "spread"):
            assert client.get(f"/admin/exchange/set/{act}/").status_code == 403
            assert client.post(f"/admin/exchange/set/{act}/", RATE).status_code == 403

    def test_there_is_no_other_act(self, root):
        assert root.get("/admin/exchange/set/money/").status_code == 404


class TestSpread:
    def test_is_set_for_one_merchant(self, sign_in, northwind):
        values = {"kind": "payout", "bps": "30", "merchant": northwind.public_id, "reason": "large customer"}
        assert sign_in("finance").post("/admin/exchange/set/spread/", values).status_code == 302
        row = FxSpread.objects.get(merchant_id=northwind.pk)
        assert (row.kind, row.bps, row.set_by) == ("payout", 30, "finance")

    @pytest.mark.parametrize(
        "change", [{"bps": "-1"}, {"bps": "2001"}, {"kind": "gift"}, {"merchant": "mer_x"}]
    )
    def test_refuses_what_cannot_be(self, sign_in, change):
        values = {"kind": "payout", "bps": "30", "reason": f"test {uuid4()}", **change}
        assert sign_in("finance").post("/admin/exchange/set/spread/", values).status_code == 422
        assert not FxSpread.objects.filter(reason=values["reason"]).exists()


def test_a_conversion_s_page_explains_it(sign_in, conversion):
    page = (
        sign_in("finance")
        .get(reverse("admin:ledger_fxconversion_change", args=[conversion.pk]))
        .content.decode()
    )
    for text in (
        "Why these amounts",
        "150 bps",
        "a gain of 0.01 EUR",
        "90.91 EUR",
        "European Central Bank",
    ):
        assert text in page


def test_the_report_shows_the_open_position(sign_in, conversion):
    page = sign_in("finance").get(EXPOSURE).content.decode()
    assert "EUR/USD" in page
    assert "Long is positive" in page


@pytest.mark.parametrize(
    "model",
    ["exchangerate", "fxtablerate", "fxspread", "fxquote", "fxconversion", "fxunwind", "fxexposure"],
)
def test_every_list_opens(root, conversion, model):
    fx.set_table("EUR", "USD", "1.10", clock.now())
    assert root.get(reverse(f"admin:ledger_{model}_changelist")).status_code == 200
