"""Disputes over the API: lists, evidence with type and size checked, challenge and acceptance."""

import base64
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse

from ledger.ids import parse
from payments.models import Dispute, DisputeEvidence, Payment, ProviderOperation
from payments.services.disputes.answering_disputes import FILE_BYTES_MAX
from tests.factories import disputes as told
from tests.factories import payments as rows
from tests.kit import disputes as kit
from tests.kit.api_cases import AnonymousIsRefused, IdempotentReplay, WrongScopeIsRefused, problem
from tests.kit.api_client import MerchantClient
from tests.kit.callbacks import send
from tests.kit.queries import statements
from tests.kit.shop import Shop, good, run_jobs
from vendors.models import Merchant

pytestmark = pytest.mark.django_db
DISPUTES = "/api/v1/disputes/"
PDF = base64.b64encode(b"%PDF-1.7\n%%EOF").decode()


@pytest.fixture
def here(northwind: Merchant, ada) -> Dispute:
    """A chargeback that nobody at the network knows."""
    return told.chargeback(rows.captured_payment(northwind, shares=((ada, 6_000, 600),)))


@pytest.fixture
def there(shop: Shop) -> dict[str, Any]:
    """A chargeback of the network's, as the API shows it."""
    paid = shop.captured("dispute_not_received")
    (dispute,) = kit.standing(shop.network, authorization=paid["provider_reference"])
    send(kit.callback_about(dispute))
    run_jobs()
    listed = good(shop.client.get(f"{DISPUTES}payment/{paid['id']}"), 200)["data"]
    assert len(listed) == 1
    return listed[0]


def evidence(shown: dict[str, Any] | Dispute, client: MerchantClient, **body: Any) -> HttpResponse:
    key = shown.public_id if isinstance(shown, Dispute) else shown["id"]
    options = {"key": body.pop("key")} if "key" in body else {}
    return client.post(
        f"{DISPUTES}{key}/evidence", {"kind": "explanation", "text": "Signed.", **body}, **options
    )


class TestReads:
    def test_shows_what_is_withheld_and_what_is_missing(self, here: Dispute, merchant_client) -> None:
        shown = good(merchant_client.get(f"{DISPUTES}{here.public_id}"), 200)
        assert (shown["status"], shown["response"], shown["reason"]) == (
            "chargeback", "none", "Other fraud, card absent",
        )  # fmt: skip
        assert shown["withheld"] == shown["amount"] == {"amount": 10_000, "currency": "USD"}
        assert [need["code"] for need in shown["missing"]] == [
            "payer_identified",
            "handed_over",
            "explanation",
        ]
        assert shown["vendor_split"][0]["amount"] == {"amount": 6_000, "currency": "USD"}
        assert shown["due_at"] == "2026-02-19T12:00:00.000Z"

    def test_lists_by_page_status_and_payment(self, here: Dispute, merchant_client, northwind) -> None:
        second = told.follow(told.notice(rows.captured_payment(northwind), stage="inquiry"))
        first = good(merchant_client.get(f"{DISPUTES}?limit=1"), 200)
        assert ([row["id"] for row in first["data"]], first["has_more"]) == ([second.public_id], True)
        listed = good(merchant_client.get(f"{DISPUTES}status/chargeback"), 200)["data"]
        assert [row["id"] for row in listed] == [here.public_id]
        paid = here.payment.public_id
        assert len(good(merchant_client.get(f"{DISPUTES}payment/{paid}"), 200)["data"]) == 1
        problem(merchant_client.get(f"{DISPUTES}status/angry"), 400, "invalid_request")

    def test_lists_are_narrowed_by_time_and_currency(self, here: Dispute, merchant_client, northwind) -> None:
        def found(**asked: str) -> list[str]:
            listed = good(merchant_client.get(f"{DISPUTES}?{urlencode(asked)}"), 200)["data"]
            return [row["id"] for row in listed]

        assert found(created_from="2026-01-20T12:00:00Z", currency="USD") == [here.public_id]
        assert found(created_to="2026-01-20T12:00:00Z") == []
        assert found(currency="EUR") == []
        problem(merchant_client.get(f"{DISPUTES}?currency=dollars"), 400, "invalid_request")
        problem(merchant_client.get(f"{DISPUTES}?colour=red"), 400, "unknown_field")

    def test_a_list_asks_as_much_for_five_rows_as_for_one(self, here, merchant_client, northwind) -> None:
        def asked() -> int:
            with statements() as found:
                good(merchant_client.get(DISPUTES), 200)
            return len(found.sent)

        asked()
        one = asked()
        for _ in range(4):
            told.chargeback(rows.captured_payment(northwind))
        assert asked() == one


class TestEvidence:
    def test_keeps_a_file_and_tells_what_is_still_missing(self, there, shop: Shop) -> None:
        body = {"kind": "delivery_proof", "filename": "proof.pdf", "content": PDF}
        answer = shop.client.post(f"{DISPUTES}{there['id']}/evidence", body)
        shown = good(answer, 201)
        assert [need["code"] for need in shown["missing"]] == ["told", "explanation"]
        assert shown["evidence"][0]["media_type"] == "application/pdf"

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            ({"text": None, "content": PDF, "filename": "a.pdf"}, 400, "invalid_request"),
            ({"content": PDF, "filename": "a.pdf"}, 400, "invalid_request"),
            ({"kind": "gossip"}, 400, "invalid_request"),
            ({"kind": "receipt", "text": ""}, 400, "invalid_request"),
        ],
        ids=["text null", "text and file", "unknown kind", "empty text"],
    )
    def test_refuses_bad_input(self, here, merchant_client, body, status, code) -> None:
        problem(evidence(here, merchant_client, **body), status, code)
        assert not DisputeEvidence.objects.filter(dispute=here).exists()

    @pytest.mark.parametrize(
        ("content", "status", "code"),
        [
            (base64.b64encode(b"MZ").decode(), 422, "evidence_type_refused"),
            (base64.b64encode(b"%PDF-" + b"0" * FILE_BYTES_MAX).decode(), 400, "invalid_request"),
            ("not base64!", 400, "invalid_request"),
            ("", 400, "invalid_request"),
        ],
        ids=["a program", "too large", "no base64", "empty"],
    )
    def test_refuses_bad_files(self, here, merchant_client, content, status, code) -> None:
        body = {"kind": "receipt", "filename": "a.pdf", "content": content}
        problem(merchant_client.post(f"{DISPUTES}{here.public_id}/evidence", body), status, code)
        assert not DisputeEvidence.objects.filter(dispute=here).exists()

    def test_takes_the_largest_file(self, here, merchant_client) -> None:
        content = base64.b64encode(b"%PDF-".ljust(FILE_BYTES_MAX, b"0")).decode()
        body = {"kind": "receipt", "filename": "a.pdf", "content": content}
        good(merchant_client.post(f"{DISPUTES}{here.public_id}/evidence", body), 201)
        refused = merchant_client.post(f"{DISPUTES}{here.public_id}/challenge", {"reason": content[:300_000]})
        problem(refused, 413, "body_too_large")


class TestAnswers:
    def test_challenges_once(self, there, shop: Shop) -> None:
        good(evidence(there, shop.client), 201)
        shown = good(shop.client.post(f"{DISPUTES}{there['id']}/challenge", {"reason": "He has it."}), 200)
        assert (shown["response"], shown["evidence"][0]["is_submitted"]) == ("challenged", True)
        problem(shop.client.post(f"{DISPUTES}{there['id']}/challenge", {}), 409, "dispute_not_answerable")

    def test_a_challenge_without_evidence_is_refused(self, there, shop: Shop) -> None:
        problem(shop.client.post(f"{DISPUTES}{there['id']}/challenge", {}), 409, "dispute_evidence_missing")

    def test_answers_202_while_it_is_not_known(self, there, shop: Shop) -> None:
        shop.network.script("timeout_after", operation="challenge", reference=there["id"])
        good(evidence(there, shop.client), 201)
        shown = good(shop.client.post(f"{DISPUTES}{there['id']}/challenge", {}), 202)
        assert shown["response"] == "challenging"

    def test_what_the_network_refuses_is_a_409_with_the_dispute(self, there, shop: Shop) -> None:
        kit.moved(shop.network, there["provider_reference"], "lost")
        refusal = problem(
            shop.client.post(f"{DISPUTES}{there['id']}/accept", {}), 409, "dispute_answer_refused"
        )
        assert refusal["dispute"]["id"] == there["id"]

    def test_accepts(self, there, shop: Shop) -> None:
        shown = good(shop.client.post(f"{DISPUTES}{there['id']}/accept", {}), 200)
        assert (shown["status"], shown["response"], shown["missing"]) == ("accepted", "accepted", [])


class TestEvidenceAtTheDesk(AnonymousIsRefused, WrongScopeIsRefused, IdempotentReplay):
    refused_scopes = ["disputes:read", "refunds:write"]

    @pytest.fixture(autouse=True)
    def _here(self, here: Dispute) -> None:
        self.here = here

    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return evidence(self.here, client, **options)

    def effects(self) -> int:
        return DisputeEvidence.objects.filter(dispute=self.here).count()


class TestAcceptAtTheDesk(AnonymousIsRefused, WrongScopeIsRefused, IdempotentReplay):
    refused_scopes = ["disputes:read"]

    @pytest.fixture(autouse=True)
    def _there(self, there: dict[str, Any]) -> None:
        self.there = there

    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.post(f"{DISPUTES}{self.there['id']}/accept", {}, **options)

    def effects(self) -> int:
        key = parse("dsp", self.there["id"])
        assert Payment.objects.filter(disputes__pk=key).exists()
        return ProviderOperation.objects.filter(subject_id=key, kind="accept").count()
