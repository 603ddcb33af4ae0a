"""Accounts, transfers and holds over the API: what is opened, moved, held and answered; what is refused."""

import json
from typing import Any

import pytest
from django.http import HttpResponse

from ledger.chart import Code
from ledger.models import Account, AmlAlert, Hold, Transfer
from ledger.transfers.kinds import TransferType
from tests.kit.api_cases import (
    AnonymousIsRefused,
    IdempotentReplay,
    OtherTenantIsHidden,
    WrongScopeIsRefused,
    code_of,
    problem,
)
from tests.kit.api_client import MerchantClient
from tests.kit.bad_input import BAD_AMOUNTS, BAD_BODIES, BAD_CURRENCIES
from tests.kit.queries import statement_budget
from tests.kit.wallets import Purses
from vendors.models import Merchant

pytestmark = pytest.mark.django_db
NO_TRANSFER = "tra_01kagm3c8qf3p8w0t5y5r4d2ne"
ACCOUNTS, TRANSFERS, HOLDS = "/api/v1/accounts/", "/api/v1/transfers/", "/api/v1/holds/"


@pytest.fixture
def purses(northwind: Merchant) -> Purses:
    return Purses(northwind.pk)


@pytest.fixture
def carla(purses: Purses) -> Account:
    return purses.wallet("carla", 10_000)


@pytest.fixture
def shop(purses: Purses) -> Account:
    return purses.open(code=Code.MERCHANT_BALANCE)


def usd(minor: int) -> dict[str, Any]:
    return {"amount": minor, "currency": "USD"}


def move(source: Account, target: Account, minor: int = 1_500, **more: Any) -> dict[str, Any]:
    """Return the body of a transfer."""
    return {
        "type": "payment",
        "from_account": source.public_id,
        "to_account": target.public_id,
        "amount": usd(minor),
        **more,
    }


def keep(source: Account, target: Account, minor: int = 4_000, **more: Any) -> dict[str, Any]:
    """Return the body of a hold."""
    return {
        "type": "payment",
        "account": source.public_id,
        "to_account": target.public_id,
        "amount": usd(minor),
        **more,
    }


class TestOpening:
    def test_opens_a_wallet_and_shows_it(self, merchant_client, northwind):
        made = merchant_client.post(ACCOUNTS, {"code": "wallet", "holder": "carla", "currency": "USD"})
        assert made.status_code == 201, made.content
        body = made.json()
        assert (body["object"], body["code"], body["holder"], body["status"]) == (
            "account", "wallet", "carla", "open",
        )  # fmt: skip
        assert (body["balance"], body["held"], body["available"], body["version"]) == (
            usd(0), usd(0), usd(0), 0,
        )  # fmt: skip
        assert merchant_client.get(ACCOUNTS + body["id"]).json() == body

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            ({"code": "wallet", "holder": "carla", "currency": "USD"}, 409, "account_exists"),
            ({"code": "wallet", "currency": "USD"}, 422, "account_kind_not_openable"),
            ({"code": "platform_fee", "holder": "x", "currency": "USD"}, 422, "account_kind_not_openable"),
            ({"code": "bank", "holder": "x", "currency": "USD"}, 400, "invalid_request"),
            ({"code": "purse", "holder": "x", "currency": "USD"}, 400, "invalid_request"),
            ({"code": "wallet", "holder": "two words", "currency": "USD"}, 400, "invalid_request"),
            ({"code": "wallet", "holder": "x" * 81, "currency": "USD"}, 400, "invalid_request"),
            ({"code": "wallet", "holder": "x", "currency": "XXX"}, 400, "invalid_request"),
            ({"code": "wallet", "holder": "x"}, 400, "invalid_request"),
        ],
    )  # fmt: skip
    def test_refuses_what_is_none(self, merchant_client, carla, body, status, code):
        before = Account.objects.filter(merchant_id=carla.merchant_id).count()
        assert code_of(merchant_client.post(ACCOUNTS, body)) == (status, code)
        assert Account.objects.filter(merchant_id=carla.merchant_id).count() == before

    def test_lists_by_cursor_and_filters(self, merchant_client, purses, carla, shop):
        rows = [carla, shop, *(purses.wallet(f"w{number}") for number in range(3))]
        first = merchant_client.get(ACCOUNTS + "?limit=3&currency=USD").json()
        second = merchant_client.get(first["next"]).json()
        shown = [row["id"] for page in (first, second) for row in page["data"]]
        assert len(shown) == len(set(shown)) == len(rows) + 1  # and the bank's
        assert {row.public_id for row in rows} < set(shown)
        found = merchant_client.get(ACCOUNTS + "?code=wallet&holder=carla").json()["data"]
        assert [row["id"] for row in found] == [carla.public_id]
        assert found[0]["balance"] == usd(10_000)

    @pytest.mark.parametrize("query", ["code=purse", "currency=XXX", "holder=", "colour=red", "limit=0"])
    def test_refuses_bad_filters(self, merchant_client, query):
        assert merchant_client.get(f"{ACCOUNTS}?{query}").status_code == 400

    def test_closes_and_reopens_with_a_reason(self, merchant_client, purses):
        dora = purses.wallet("dora")
        path = ACCOUNTS + dora.public_id
        assert code_of(merchant_client.post(f"{path}/close", {})) == (400, "invalid_request")
        assert merchant_client.post(f"{path}/close", {"reason": "left"}).json()["status"] == "closed"
        assert code_of(merchant_client.post(f"{path}/close", {"reason": "left"})) == (409, "account_closed")
        assert merchant_client.post(f"{path}/reopen", {"reason": "back"}).json()["status"] == "open"
        assert code_of(merchant_client.post(f"{path}/reopen", {"reason": "x"})) == (409, "account_not_closed")

    def test_keeps_an_account_that_is_not_empty_or_not_the_holders(self, merchant_client, carla, shop):
        for row, code in ((carla, "account_not_empty"), (shop, "account_not_closable")):
            answer = merchant_client.post(f"{ACCOUNTS}{row.public_id}/close", {"reason": "left"})
            assert code_of(answer) == (409, code)

    def test_a_rolled_up_account_shows_its_exact_balance_and_no_version(self, merchant_client, purses, carla):
        fees = purses.open(code=Code.PLATFORM_FEE)
        purses.move(carla, fees, 30, TransferType.FEE)
        body = merchant_client.get(ACCOUNTS + fees.public_id).json()
        assert (body["balance"], body["available"], body["version"]) == (usd(30), None, None)

    @pytest.mark.parametrize("rows", [1, 5])
    def test_a_list_asks_as_much_for_one_as_for_five(self, merchant_client, purses, rows):
        for number in range(rows):
            purses.wallet(f"w{number}")
        with statement_budget(exactly=2):  # who is calling; the rows
            merchant_client.get(ACCOUNTS)


class TestTransfer:
    def test_moves_money_and_shows_it(self, merchant_client, purses, carla, shop):
        made = merchant_client.post(TRANSFERS, move(carla, shop, metadata={"order": "1"}, description="Tea"))
        assert made.status_code == 201, made.content
        body = made.json()
        assert (body["status"], body["type"], body["amount"], body["from_account"]) == (
            "completed", "payment", usd(1_500), carla.public_id,
        )  # fmt: skip
        assert purses.figures(carla) == (8_500, 0, 8_500)
        assert merchant_client.get(TRANSFERS + body["id"]).json() == body
        listed = merchant_client.get(TRANSFERS + "?status=completed").json()["data"]
        assert listed == [body]

    def test_refunds_a_payment(self, merchant_client, purses, carla, shop):
        paid = merchant_client.post(TRANSFERS, move(carla, shop)).json()
        back = merchant_client.post(TRANSFERS, move(shop, carla, 500, type="refund", refunds=paid["id"]))
        assert (back.status_code, back.json()["refunds"]) == (201, paid["id"])
        assert merchant_client.get(TRANSFERS + paid["id"]).json()["refunded"] == usd(500)

    def test_a_stale_version_is_told_with_the_present_one(self, merchant_client, purses, carla, shop):
        version = merchant_client.get(ACCOUNTS + carla.public_id).json()["version"]
        assert merchant_client.post(TRANSFERS, move(carla, shop, expected_version=version)).status_code == 201
        answer = merchant_client.post(TRANSFERS, move(carla, shop, expected_version=version))
        body = problem(answer, 409, "account_version_mismatch")
        assert body["param"] == "expected_version"
        assert str(version + 1) in body["detail"]

    def test_a_large_one_is_under_review(self, merchant_client, purses, carla, shop):
        purses.fund(carla, 2_000_000)
        body = merchant_client.post(TRANSFERS, move(carla, shop, 1_000_000)).json()
        assert (body["status"], body["closed_at"]) == ("under_review", None)
        kept = merchant_client.get(f"{HOLDS}?account={carla.public_id}").json()["data"]
        assert [(row["reviews"], row["remaining"]) for row in kept] == [(body["id"], usd(1_000_000))]
        for verb in ("commit", "void"):
            answer = merchant_client.post(f"{HOLDS}{kept[0]['id']}/{verb}", {})
            assert code_of(answer) == (409, "hold_for_review")

    @pytest.mark.parametrize(
        ("change", "status", "code", "param"),
        [
            ({"amount": usd(10_001)}, 409, "insufficient_funds", "amount"),
            ({"amount": {"amount": 5, "currency": "EUR"}}, 422, "currency_mismatch", "from_account"),
            ({"type": "loan_payment"}, 422, "transfer_accounts_wrong", "to_account"),
            ({"type": "loan_disbursement"}, 422, "transfer_accounts_wrong", "from_account"),
            ({"type": "refund"}, 422, "transfer_refund_wrong", "refunds"),
            ({"interest": 1}, 422, "transfer_interest_wrong", "interest"),
            ({"expected_version": 99}, 409, "account_version_mismatch", "expected_version"),
            ({"type": "gift"}, 400, "invalid_request", "type"),
            ({"interest": -1}, 400, "invalid_request", "interest"),
            ({"expected_version": True}, 400, "invalid_request", "expected_version"),
            ({"expected_version": 2**63}, 400, "invalid_request", "expected_version"),
            ({"refunds": "pay_01kagm3c8qf3p8w0t5y5r4d2ne"}, 400, "invalid_request", "refunds"),
            ({"to_account": "main"}, 400, "invalid_request", "to_account"),
            ({"to_account": "acc_01kagm3c8qf3p8w0t5y5r4d2ne"}, 404, "account_not_found", "to_account"),
            ({"type": "refund", "refunds": NO_TRANSFER}, 404, "transfer_not_found", None),
            ({"description": "a\u0000b"}, 400, "json_text", None),
        ],
    )  # fmt: skip
    def test_refuses_by_name(self, merchant_client, purses, carla, shop, change, status, code, param):
        answer = merchant_client.post(TRANSFERS, {**move(carla, shop), **change})
        assert answer.status_code == status, answer.content
        body = answer.json()
        assert (body["code"], body["param"]) == (code, param)
        assert purses.figures(carla) == (10_000, 0, 10_000)
        assert not Transfer.objects.filter(merchant_id=purses.merchant_id).exists()

    def test_refuses_a_closed_account(self, merchant_client, purses, carla):
        dora = purses.wallet("dora")
        merchant_client.post(f"{ACCOUNTS}{dora.public_id}/close", {"reason": "left"})
        answer = merchant_client.post(TRANSFERS, move(carla, dora, type="transfer"))
        assert code_of(answer) == (409, "account_closed")
        assert purses.figures(carla) == (10_000, 0, 10_000)
        assert not Transfer.objects.filter(merchant_id=purses.merchant_id).exists()

    def test_one_key_moves_money_once(self, merchant_client, purses, carla, shop):
        body = move(carla, shop)
        first = merchant_client.post(TRANSFERS, body, key="only-once")
        again = merchant_client.post(TRANSFERS, body, key="only-once")
        assert (first.status_code, again.json()) == (201, first.json())
        other = merchant_client.post(TRANSFERS, {**body, "amount": usd(7)}, key="only-once")
        assert code_of(other) == (422, "idempotency_key_reused")
        assert purses.figures(carla) == (8_500, 0, 8_500)

    def test_refuses_one_account_twice(self, merchant_client, carla):
        body = problem(merchant_client.post(TRANSFERS, move(carla, carla)), 422, "transfer_same_account")
        assert body["param"] == "to_account"

    def test_interest_of_the_house_is_not_a_merchants_to_pay(self, merchant_client, purses, carla):
        expense = purses.open(code=Code.INTEREST_EXPENSE)
        answer = merchant_client.post(TRANSFERS, move(expense, carla, 5, type="interest"))
        assert code_of(answer) == (403, "transfer_for_the_house_only")

    @pytest.mark.parametrize("amount", BAD_AMOUNTS)
    def test_refuses_bad_amounts(self, merchant_client, carla, shop, amount):
        body = json.dumps(move(carla, shop)).replace('"amount": 1500', f'"amount": {amount}').encode()
        assert merchant_client.post(TRANSFERS, body).status_code == 400

    @pytest.mark.parametrize("currency", BAD_CURRENCIES)
    def test_refuses_bad_currencies(self, merchant_client, carla, shop, currency):
        body = json.dumps(move(carla, shop)).replace('"USD"', currency).encode()
        assert merchant_client.post(TRANSFERS, body).status_code == 400

    @pytest.mark.parametrize("path", [ACCOUNTS, TRANSFERS, HOLDS])
    @pytest.mark.parametrize("name", BAD_BODIES)
    def test_refuses_bad_bodies(self, merchant_client, path, name):
        assert merchant_client.post(path, BAD_BODIES[name]).status_code in {400, 413}

    def test_costs_so_many_statements(self, merchant_client, carla, shop):
        merchant_client.post(TRANSFERS, move(carla, shop))
        with statement_budget(exactly=8):
            # who is calling; the key's claim; five of the transfer; the kept answer
            merchant_client.post(TRANSFERS, move(carla, shop))


class TestHold:
    def test_is_placed_committed_in_part_and_voided(self, merchant_client, purses, carla, shop):
        made = merchant_client.post(HOLDS, keep(carla, shop, expires_in_seconds=60))
        assert made.status_code == 201, made.content
        path = HOLDS + made.json()["id"]
        account = merchant_client.get(ACCOUNTS + carla.public_id).json()
        assert (account["balance"], account["held"], account["available"]) == (
            usd(10_000), usd(4_000), usd(6_000),
        )  # fmt: skip
        done = merchant_client.post(f"{path}/commit", {"amount": 1_500})
        assert done.status_code == 200, done.content
        body = done.json()
        assert (body["hold"]["status"], body["hold"]["remaining"]) == ("partly_committed", usd(2_500))
        assert (body["transfer"]["amount"], body["transfer"]["hold_id"]) == (usd(1_500), body["hold"]["id"])
        assert merchant_client.get(path).json() == body["hold"]
        listed = merchant_client.get(f"{TRANSFERS}?hold={body['hold']['id']}").json()["data"]
        assert listed == [body["transfer"]]
        assert merchant_client.post(f"{path}/void", {}).json()["status"] == "voided"
        assert purses.figures(carla) == (8_500, 0, 8_500)
        for verb in ("commit", "void"):
            assert code_of(merchant_client.post(f"{path}/{verb}", {})) == (409, "state_conflict")

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"amount": usd(10_001)}, 409, "insufficient_funds"),
            ({"type": "refund"}, 400, "invalid_request"),
            ({"type": "fee"}, 201, ""),
            ({"type": "transfer"}, 201, ""),
            ({"expires_in_seconds": 0}, 400, "invalid_request"),
            ({"expires_in_seconds": 31 * 86_400 + 1}, 400, "invalid_request"),
            ({"to_account": "acc_01kagm3c8qf3p8w0t5y5r4d2ne"}, 404, "account_not_found"),
        ],
    )  # fmt: skip
    def test_refuses_by_name(self, merchant_client, purses, carla, shop, change, status, code):
        answer = merchant_client.post(HOLDS, {**keep(carla, shop), **change})
        assert (answer.status_code, answer.json().get("code") if code else "") == (status, code)

    def test_commits_at_most_what_remains(self, merchant_client, carla, shop):
        path = HOLDS + merchant_client.post(HOLDS, keep(carla, shop)).json()["id"]
        answer = merchant_client.post(f"{path}/commit", {"amount": 4_001})
        assert code_of(answer) == (422, "hold_too_small")

    @pytest.mark.parametrize("amount", BAD_AMOUNTS)
    def test_refuses_bad_amounts(self, merchant_client, carla, shop, amount):
        path = HOLDS + merchant_client.post(HOLDS, keep(carla, shop)).json()["id"]
        assert merchant_client.post(f"{path}/commit", f'{{"amount": {amount}}}'.encode()).status_code == 400


class _Case:
    """A payment of Northwind's Carla to the shop."""

    @pytest.fixture(autouse=True)
    def _world(self, northwind: Merchant) -> None:
        self.purses = Purses(northwind.pk)
        self.carla = self.purses.wallet("carla", 10_000)
        self.shop = self.purses.open(code=Code.MERCHANT_BALANCE)
        self.hold = self.purses.hold(self.carla, self.shop, 100)


class TestTransfersAtTheDesk(
    _Case, AnonymousIsRefused, WrongScopeIsRefused, OtherTenantIsHidden, IdempotentReplay
):
    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.post(TRANSFERS, move(self.carla, self.shop), **options)

    def effects(self) -> int:
        return Transfer.objects.filter(merchant_id=self.purses.merchant_id).count()


class TestHoldsAtTheDesk(
    _Case, AnonymousIsRefused, WrongScopeIsRefused, OtherTenantIsHidden, IdempotentReplay
):
    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.post(HOLDS, keep(self.carla, self.shop), **options)

    def effects(self) -> int:
        return Hold.objects.filter(merchant_id=self.purses.merchant_id).count()


class TestCommitsAtTheDesk(
    _Case, AnonymousIsRefused, WrongScopeIsRefused, OtherTenantIsHidden, IdempotentReplay
):
    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.post(f"{HOLDS}{self.hold.public_id}/commit", {"amount": 10}, **options)

    def effects(self) -> int:
        return Transfer.objects.filter(merchant_id=self.purses.merchant_id).count()


class TestAccountsAtTheDesk(_Case, AnonymousIsRefused, WrongScopeIsRefused, IdempotentReplay):
    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.post(ACCOUNTS, {"code": "wallet", "holder": "new", "currency": "USD"}, **options)

    def effects(self) -> int:
        return Account.objects.filter(merchant_id=self.purses.merchant_id).count()


def test_no_alert_is_shown_to_merchants(merchant_client: MerchantClient, purses: Purses) -> None:
    """Telling a customer that he is suspected is forbidden nearly everywhere (tipping off)."""
    carla, shop = purses.wallet("carla", 2_000_000), purses.open(code=Code.MERCHANT_BALANCE)
    answer = merchant_client.post(TRANSFERS, move(carla, shop, 1_000_000))
    assert AmlAlert.objects.filter(merchant_id=purses.merchant_id).exists()
    assert "alert" not in answer.content.decode()
    assert "aml" not in answer.content.decode()
