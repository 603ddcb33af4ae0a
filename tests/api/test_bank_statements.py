"""Bank statements through the API: import, fetch, list, breaks."""

import re

import pytest

from ledger import clock
from ledger.money import Money
from payments.providers import registry
from settlements.models import BankStatement, StatementLine
from tests.kit import settling
from tests.kit.api_cases import AnonymousIsRefused, IdempotentReplay, WrongScopeIsRefused, code_of
from tests.kit.settling import Forgery

pytestmark = pytest.mark.django_db
STATEMENTS = "/api/v1/bank-statements/"


@pytest.fixture
def file(own_network, ada):
    at = clock.now()
    settling.sell(own_network, ada, Money(10_000, "EUR"), at)
    settling.pay(settling.settle(ada, "EUR", at), at)
    return settling.statement_file(own_network, at).decode()


class TestImport(AnonymousIsRefused, WrongScopeIsRefused, IdempotentReplay):
    refused_scopes = ["settlements:read"]

    @pytest.fixture(autouse=True)
    def _file(self, file):
        self.content = file

    def request_of(self, client, **options):
        return client.post(STATEMENTS, {"content": self.content}, **options)

    def effects(self):
        return StatementLine.objects.count()

    def test_says_what_was_explained_and_adds_nothing_twice(self, merchant_client):
        body = self.request_of(merchant_client).json()
        assert (body["new_lines"], body["matched"], body["breaks_opened"]) == (2, 2, 0)
        again = self.request_of(merchant_client)
        assert again.status_code == 201
        assert (again.json()["new_lines"], again.json()["statements"][0]["is_new"]) == (0, False)
        (listed,) = merchant_client.get(STATEMENTS).json()["data"]
        assert (listed["status"], listed["lines"]) == ("accepted", 2)

    def test_lists_a_break_with_its_reason(self, merchant_client, ada):
        forged = Forgery(self.content.encode()).amount("po_", "1.00").content()
        self.content = forged.decode()
        assert self.request_of(merchant_client).json()["breaks_opened"] == 1
        (listed,) = merchant_client.get(f"{STATEMENTS}breaks").json()["data"]
        assert (listed["reason"], listed["amount"]["amount"]) == ("amount_differs", -100)
        assert listed["payout_id"].startswith("po_")

    @pytest.mark.parametrize(
        ("found", "instead"),
        [
            ("<Ccy>EUR</Ccy>", "<Ccy>DOLLARS</Ccy>"),
            ("<Ccy>EUR</Ccy>", "<Ccy>eur</Ccy>"),
            (r'(<Amt Ccy="EUR">)[0-9.]+', r"\g<1>99999999999999999999.99"),
            (r'(<Amt Ccy="EUR">)[0-9.]+', r"\g<1>50000000000000000.00"),  # one alone would fit
        ],
    )
    def test_refuses_figures_that_cannot_be_kept(self, merchant_client, found, instead):
        self.content = re.sub(found, instead, self.content)
        assert code_of(self.request_of(merchant_client)) == (422, "statement_unreadable")

    @pytest.mark.parametrize("content", ["no xml", "<a>" * 5_000, '<!DOCTYPE a SYSTEM "x"><a/>', "<a/>"])
    def test_refuses_what_is_no_statement(self, merchant_client, content):
        response = merchant_client.post(STATEMENTS, {"content": content})
        assert code_of(response) == (422, "statement_unreadable")
        assert not BankStatement.objects.filter(merchant__name="nobody").exists()

    def test_reads_a_text_whose_declaration_names_another_encoding(self, merchant_client):
        self.content = self.content.replace("UTF-8", "UTF-16", 1)
        assert self.request_of(merchant_client).json()["new_lines"] == 2

    def test_refuses_a_missing_or_oversized_content(self, merchant_client):
        assert code_of(merchant_client.post(STATEMENTS, {})) == (400, "invalid_request")
        assert merchant_client.post(STATEMENTS, {"content": "x" * 260_000}).status_code in (400, 413)


class TestFetch:
    def test_takes_the_banks_day_in(self, merchant_client, file):
        day = clock.now().date().isoformat()
        response = merchant_client.post(f"{STATEMENTS}fetch", {"date": day})
        assert (response.status_code, response.json()["matched"]) == (201, 2)

    def test_a_day_without_statements_is_empty(self, merchant_client, own_network):
        body = merchant_client.post(f"{STATEMENTS}fetch", {"date": "2020-01-01"}).json()
        assert (body["statements"], body["new_lines"]) == ([], 0)

    def test_a_bank_that_does_not_answer_is_503(self, merchant_client, own_network, settings):
        settings.VELOCITYPAY_URL = "http://127.0.0.1:9"
        registry.reset()
        response = merchant_client.post(f"{STATEMENTS}fetch", {"date": "2026-03-02"})
        assert response.status_code == 503
