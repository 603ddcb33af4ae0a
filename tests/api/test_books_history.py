"""Balances of a moment, statements and the trial balance over the API."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from ledger import clock
from ledger.models import Account
from tests.kit.api_client import MerchantClient
from tests.kit.queries import statement_budget
from tests.kit.wallets import Purses
from vendors.models import Merchant

pytestmark = pytest.mark.django_db


@pytest.fixture
def carla(northwind: Merchant) -> Account:
    """A wallet into which 1.00, 2.00 and 3.00 were paid."""
    purses = Purses(northwind.pk)
    row = purses.open("carla")
    for minor in (100, 200, 300):
        purses.fund(row, minor)
    return row


def usd(minor: int) -> dict[str, Any]:
    return {"amount": minor, "currency": "USD"}


def url(row: Account, what: str) -> str:
    return f"/api/v1/accounts/{row.public_id}/{what}"


def moment(at: Any) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def ask(client: MerchantClient, path: str, status: int = 200, **parameters: Any) -> Any:
    answer = client.get(f"{path}?{urlencode(parameters)}")
    assert answer.status_code == status, answer.content
    return answer.json()


def test_a_statement_runs_from_opening_to_closing_over_pages(merchant_client, carla):
    first = ask(merchant_client, url(carla, "statement"), limit=2)
    assert [line["balance"] for line in first["lines"]] == [usd(100), usd(300)]
    assert (first["opening"], first["closing"], first["has_more"]) == (usd(0), usd(300), True)
    rest = ask(merchant_client, url(carla, "statement"), starting_after=first["lines"][-1]["id"])
    assert (rest["opening"], rest["closing"], rest["has_more"]) == (usd(300), usd(600), False)


def test_a_statement_of_an_account_that_keeps_no_balance_runs_too(merchant_client, carla):
    bank = Account.objects.get(merchant_id=carla.merchant_id, code="suspense")
    first = ask(merchant_client, url(bank, "statement"), limit=1)
    rest = ask(merchant_client, url(bank, "statement"), starting_after=first["lines"][0]["id"])
    assert [line["balance"]["amount"] for line in (*first["lines"], *rest["lines"])] == [100, 300, 600]
    assert rest["opening"] == usd(100)


def test_the_balance_of_a_moment_is_what_the_statement_says(merchant_client, carla):
    for line in ask(merchant_client, url(carla, "statement"))["lines"]:
        told = ask(merchant_client, url(carla, "balance"), as_of=line["recorded_at"])
        assert told["balance"] == line["balance"]
    now = ask(merchant_client, url(carla, "balance"), basis="effective")
    assert (now["balance"], now["basis"]) == (usd(600), "effective")
    before = ask(merchant_client, url(carla, "balance"), as_of=moment(clock.now() - timedelta(days=2)))
    assert before["balance"] == usd(0)


def test_the_trial_balance_agrees_now_and_then(merchant_client, carla):
    now = ask(merchant_client, "/api/v1/trial-balance")
    assert now["sums"] == [{"debit": usd(600), "credit": usd(600)}]
    assert {row["code"] for row in now["rows"]} == {"suspense", "wallet"}
    second = ask(merchant_client, url(carla, "statement"))["lines"][1]["recorded_at"]
    then = ask(merchant_client, "/api/v1/trial-balance", as_of=second)
    assert then["sums"] == [{"debit": usd(300), "credit": usd(300)}]


@pytest.mark.parametrize(
    ("what", "parameters", "name"),
    [
        ("balance", {"as_of": "yesterday"}, "as_of"),
        ("balance", {"as_of": "2026-11-21T10:00:00"}, "as_of"),
        ("balance", {"as_of": "0001-01-01T00:00:00Z"}, "as_of"),
        ("balance", {"as_of": "2026-13-41T10:00:00Z"}, "as_of"),
        ("balance", {"basis": "felt"}, "basis"),
        ("balance", {"at": "2026-11-21T10:00:00Z"}, "at"),
        ("statement", {"from": "x"}, "from"),
        ("statement", {"limit": "0"}, "limit"),
        ("statement", {"limit": "101"}, "limit"),
        ("statement", {"starting_after": "jnl_1"}, "starting_after"),
        ("statement", {"starting_after": "jnl_01kagm3c8qf3p8w0t5y5r4d2ne.-1"}, "starting_after"),
    ],
)
def test_bad_input_names_the_parameter(merchant_client, carla, what, parameters, name):
    assert ask(merchant_client, url(carla, what), 400, **parameters)["param"] == name


def test_a_period_that_ends_before_it_begins_and_a_line_of_elsewhere_are_refused(merchant_client, carla):
    period = {"from": "2026-11-21T10:00:00Z", "to": "2026-11-20T10:00:00Z"}
    assert ask(merchant_client, url(carla, "statement"), 422, **period)["code"] == "period_invalid"
    elsewhere = {"starting_after": "jnl_01kagm3c8qf3p8w0t5y5r4d2ne.1"}
    assert ask(merchant_client, url(carla, "statement"), 422, **elsewhere)["code"] == "cursor_invalid"


@pytest.mark.parametrize("what", ["balance", "statement"])
def test_another_merchant_s_account_is_not_there(merchant_client, what):
    theirs = Purses().wallet("bruno", 500)
    assert ask(merchant_client, url(theirs, what), 404)["code"] == "account_not_found"


def test_a_statement_takes_few_statements_whatever_its_length(merchant_client, carla):
    merchant_client.get(url(carla, "statement"))
    with statement_budget(5):
        merchant_client.get(url(carla, "statement"))
