"""Controller 2 over HTTP: every row of the contract, with the sandbox network behind it."""

from typing import Any

import pytest
from django.http import HttpResponse

from ledger import remembering
from payments.models import PaymentMethod, ProviderToken, VaultRecord
from tests.factories import vendors as factory
from tests.kit import cards
from tests.kit.api_cases import (
    AnonymousIsRefused,
    IdempotentReplay,
    OtherTenantIsHidden,
    WrongScopeIsRefused,
    problem,
)
from tests.kit.api_client import MerchantClient
from tests.kit.checkout import METHODS, Till
from tests.kit.network import Network
from tests.kit.queries import statements
from tests.kit.shop import good
from vendors.models import IdempotencyKey, Merchant

pytestmark = pytest.mark.django_db


@pytest.fixture
def till(merchant_client: MerchantClient, northwind: Merchant, network: Network) -> Till:
    return Till(merchant_client, northwind)


class TestAdding:
    def test_a_card_comes_encrypted_and_shows_what_it_may(self, till: Till) -> None:
        typed = cards.card()
        made = till.card(typed)
        assert made["status"] == "unverified"
        assert made["default"] is True
        assert (made["brand"], made["last4"], made["bin"]) == (
            "visa",
            typed["number"][-4:],
            typed["number"][:8],
        )
        assert made["expiry"] == {"month": 12, "year": 2040}
        assert made["token"].startswith("tok_")
        assert typed["number"] not in str(made)
        assert (
            ProviderToken.objects.filter(
                method__id=PaymentMethod.objects.get(merchant=till.merchant).pk
            ).count()
            == 1
        )

    def test_the_same_card_has_the_same_fingerprint_at_one_merchant_only(self, till: Till) -> None:
        typed = cards.card()
        first, second = till.card(typed), till.card({**typed, "exp_year": 2039})
        assert first["fingerprint"] == second["fingerprint"]
        assert first["token"] != second["token"]
        southwind = factory.create_merchant("Southwind")
        other = Till(MerchantClient(factory.create_api_key(southwind)[1]), southwind).card(typed)
        assert other["fingerprint"] != first["fingerprint"]
        digests = {
            bytes(row.fingerprint)
            for row in VaultRecord.objects.filter(merchant__in=[till.merchant, southwind])
        }
        assert len(digests) == 1  # the house sees that they are one

    def test_a_card_in_clear_is_refused(self, till: Till) -> None:
        typed = cards.card()
        body = till.body(details={"holder": "C", "account_number": typed["number"]})
        till.refused(body, 400, "card_number_not_accepted")
        till.refused(till.body(details={"holder": "C"}), 422, "card_details_must_be_encrypted")
        till.refused(till.body(number=typed["number"]), 400, "card_number_not_accepted")
        assert not PaymentMethod.objects.filter(merchant=till.merchant).exists()

    @pytest.mark.parametrize(
        ("changes", "code", "param"),
        [
            ({"number": "4242424242424241"}, "card_number_invalid", "number"),
            ({"number": "42424242424242"}, "card_number_invalid", "number"),
            ({"number": "4000 0000 0000 ten!"}, "card_number_invalid", "number"),
            ({"number": "9999999999999995"}, "card_brand_unknown", "number"),
            ({"number": 4242424242424242}, "payment_method_detail_invalid", "number"),
            ({"exp_month": 13}, "card_expiry_invalid", "exp_month"),
            ({"exp_month": "x"}, "payment_method_detail_invalid", "exp_month"),
            ({"exp_year": 2020}, "card_expired", "exp_month"),
            ({"exp_year": 2999}, "card_expiry_invalid", "exp_year"),
            ({"exp_year": True}, "payment_method_detail_invalid", "exp_year"),
            ({"cvc": "12"}, "card_security_code_invalid", "cvc"),
            ({"cvc": "1234"}, "card_security_code_invalid", "cvc"),
            ({"holder": "C" * 151}, "payment_method_detail_invalid", "holder"),
            ({"holder": "Carla\u202eJung"}, "payment_method_detail_invalid", "holder"),
        ],
    )
    def test_a_bad_card_is_refused_by_name(
        self, till: Till, changes: dict[str, Any], code: str, param: str
    ) -> None:
        refused = till.refused(till.body(encrypted=till.encrypted(cards.card(**changes))), 422, code)
        assert refused["param"] == f"encrypted.{param}"
        assert not [value for value in changes.values() if len(str(value)) > 5 and str(value) in str(refused)]
        assert not PaymentMethod.objects.filter(merchant=till.merchant).exists()
        assert not VaultRecord.objects.filter(merchant=till.merchant).exists()

    def test_an_unknown_detail_is_refused_without_repeating_it(self, till: Till) -> None:
        typed = cards.card()
        refused = till.refused(
            till.body(encrypted=till.encrypted({**typed, typed["number"]: 1})),
            422,
            "payment_method_detail_invalid",
        )
        assert typed["number"] not in str(refused)

    def test_amex_has_four_digits_on_its_face(self, till: Till) -> None:
        made = till.card(cards.card(number=cards.number("3782", 15), cvc="1234"))
        assert (made["brand"], len(made["bin"])) == ("amex", 6)

    @pytest.mark.parametrize(
        ("kind", "details", "code", "param"),
        [
            ("sepa", {"iban": "DE89370400440532013001"}, "iban_invalid", "iban"),
            ("sepa", {"iban": "BR1500000000000010932840814P2"}, "iban_not_sepa", "iban"),
            ("bank_transfer", {"iban": "GB00WEST12345698765432"}, "iban_invalid", "iban"),
            ("bank_transfer", {}, "payment_method_detail_invalid", "iban"),
            ("ach", {"routing_number": "110000001", "account_number": "12345678"},
             "routing_number_invalid", "routing_number"),
            ("ach", {"routing_number": "110000000", "account_number": "12"},
             "account_number_invalid", "account_number"),
            ("wire", {"bic": "NOTABIC", "account_number": "12345678"}, "bic_invalid", "bic"),
            ("check", {"routing_number": "110000000", "account_number": "12_45"},
             "account_number_invalid", "account_number"),
            ("crypto", {"network": "bitcoin", "address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"},
             "crypto_address_invalid", "address"),
            ("sepa", {"iban": "DE89370400440532013000", "bic": "COBADEFF"},
             "payment_method_detail_invalid", None),
        ],
    )  # fmt: skip
    def test_a_bad_account_is_refused_by_name(
        self, till: Till, kind: str, details: dict[str, str], code: str, param: str | None
    ) -> None:
        if kind != "crypto":
            details = {"holder": "Carla Jung", **details}
        refused = till.refused(till.body(type=kind, details=details), 422, code)
        assert refused["param"] == (f"details.{param}" if param else "details")
        assert not PaymentMethod.objects.filter(merchant=till.merchant).exists()

    @pytest.mark.parametrize(
        ("kind", "details", "shown"),
        [
            ("sepa", {"iban": "DE89 3704 0044 0532 0130 00", "mandate_reference": "M-1"},
             {"last4": "3000", "country": "DE", "details": {"mandate_reference": "M-1"}}),
            ("bank_transfer", {"iban": "FR1420041010050500013M02606"}, {"last4": "2606", "country": "FR"}),
            ("ach", {"routing_number": "110000000", "account_number": "000123456789",
                     "account_type": "savings"},
             {"last4": "6789", "institution": "110000000", "details": {"account_type": "savings"}}),
            ("wire", {"bic": "COBADEFFXXX", "account_number": "532013000"},
             {"last4": "3000", "institution": "COBADEFFXXX", "country": "DE"}),
            ("check", {"routing_number": "021000021", "account_number": "12345678"}, {"last4": "5678"}),
            ("crypto", {"network": "bitcoin", "address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"},
             {"institution": "bitcoin"}),
        ],
    )  # fmt: skip
    def test_every_kind_of_account(
        self, till: Till, kind: str, details: dict[str, str], shown: dict[str, Any]
    ) -> None:
        if kind != "crypto":
            details = {"holder": "Carla Jung", **details}
        made = good(till.client.post(METHODS, till.body(type=kind, details=details)), 201)
        assert {name: made[name] for name in shown} == shown
        # The same, encrypted: the same account.
        sealed = cards.encrypt(details, till.merchant.public_id)
        again = good(till.client.post(METHODS, till.body(type=kind, encrypted=sealed)), 201)
        assert again["fingerprint"] == made["fingerprint"]

    @pytest.mark.parametrize(
        ("kind", "token", "code", "param"),
        [
            ("digital_wallet", {}, "payment_method_detail_invalid", "provider_token.wallet"),
            ("digital_wallet", {"wallet": "other_pay"}, "invalid_request", None),
            ("bnpl", {"plan": "klarna"}, "payment_method_detail_invalid", "provider_token.instalments"),
            ("bnpl", {"plan": "klarna", "instalments": 1}, "invalid_request", None),
            ("card", {"wallet": "apple_pay"}, "payment_method_detail_invalid", "provider_token.wallet"),
            ("check", {}, "payment_method_detail_invalid", "provider_token"),
            ("card", {"provider": "nobody"}, "provider_not_known", None),
        ],
    )
    def test_a_bad_token_is_refused_by_name(
        self, till: Till, kind: str, token: dict[str, Any], code: str, param: str | None
    ) -> None:
        body = till.body(type=kind, provider_token={"provider": "velocitypay", "token": "vpt_1", **token})
        answer = till.client.post(METHODS, body)
        assert answer.status_code in (400, 404, 422)
        assert answer.json()["code"] == code, answer.content
        assert param is None or answer.json()["param"] == param

    def test_wallets_and_plans_are_tokens_of_providers(self, till: Till) -> None:
        told = {"provider": "velocitypay", "token": "vpt_w", "wallet": "apple_pay", "last4": "4242"}
        wallet = good(till.client.post(METHODS, till.body(type="digital_wallet", provider_token=told)), 201)
        assert (wallet["institution"], wallet["token"], wallet["fingerprint"]) == ("apple_pay", None, None)
        told = {"provider": "velocitypay", "token": "vpt_b", "plan": "klarna", "instalments": 4}
        plan = good(till.client.post(METHODS, till.body(type="bnpl", provider_token=told)), 201)
        assert plan["details"] == {"plan": "klarna", "instalments": "4"}
        assert not VaultRecord.objects.filter(merchant=till.merchant).exists()

    def test_a_method_is_given_in_exactly_one_way(self, till: Till) -> None:
        till.refused(till.body(), 422, "payment_method_given_twice_or_not")
        both = till.body(encrypted=till.encrypted(), details={"holder": "C"})
        till.refused(both, 422, "payment_method_given_twice_or_not")

    def test_a_published_test_card_is_refused_in_live_mode(self, network: Network) -> None:
        live = factory.create_merchant("Liveworks", mode="live")
        client = MerchantClient(factory.create_api_key(live, mode="live")[1])
        till = Till(client, live)
        body = till.body(encrypted=till.encrypted(cards.card(number="4242424242424242")))
        till.refused(body, 422, "live_mode_test_card")

    def test_without_its_provider_a_card_is_added_all_the_same(self, till: Till, network: Network) -> None:
        network.down()
        made = till.card(verify=True)
        assert made["status"] == "unverified"
        assert not ProviderToken.objects.filter(merchant=till.merchant).exists()

    def test_what_was_sent_is_not_kept_with_the_key(self, till: Till) -> None:
        till.card()
        kept = IdempotencyKey.objects.filter(merchant=till.merchant)
        assert set(kept.values_list("request_body", flat=True)) == {None}

    def test_a_request_that_died_is_driven_on_by_its_sender_only(self, till: Till, monkeypatch: Any) -> None:
        from datetime import timedelta

        from ledger import clock
        from payments.services.methods import adding_methods
        from vendors.services import completing

        def broken(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError("the worker dies here")

        body = till.body(encrypted=till.encrypted())
        with monkeypatch.context() as patched:
            patched.setattr(adding_methods, "_read", broken)
            assert till.client.post(METHODS, body, key="one-card").status_code == 500
        kept = IdempotencyKey.objects.get(merchant=till.merchant, key="one-card")
        assert kept.request_body is None
        assert completing.complete_unfinished(clock.now() + timedelta(hours=1)) == 0
        again = till.client.post(METHODS, body, key="one-card")
        assert good(again, 201)["status"] == "unverified"
        assert PaymentMethod.objects.filter(merchant=till.merchant).count() == 1


class TestReading:
    def test_lists_of_a_customer(self, till: Till) -> None:
        card, account = till.card(verify=True), till.account()
        assert till.listed() == [account["id"], card["id"]]
        assert till.listed("/active") == [card["id"]]
        assert till.listed("/type/card") == [card["id"]]
        assert till.listed("/type/bank") == [account["id"]]
        assert till.listed("/type/wallet") == []
        assert till.get(f"customer/{till.customer}/default")["id"] == card["id"]
        assert till.get(card["id"])["id"] == card["id"]
        problem(till.client.get(f"{METHODS}customer/{till.customer}/type/gold"), 400, "invalid_request")
        problem(till.client.get(f"{METHODS}customer/nobody/default"), 404, "payment_method_no_default")

    def test_pages(self, till: Till) -> None:
        made = [till.account()["id"] for _ in range(3)]
        first = till.get(f"customer/{till.customer}?limit=2")
        assert [row["id"] for row in first["data"]] == made[:0:-1]
        rest = good(till.client.get(first["next"]), 200)
        assert [row["id"] for row in rest["data"]] == made[:1]

    def test_a_card_past_its_date_is_not_active(self, till: Till) -> None:
        import time_machine

        made = till.card(cards.card(exp_month=12, exp_year=2026), verify=True)
        assert till.listed("/active") == [made["id"]]
        with time_machine.travel("2027-01-02T00:00:00Z"):
            assert till.listed("/active") == []
            assert till.get(made["id"])["expired"] is True


class TestDefault:
    def test_one_gives_way_to_the_other(self, till: Till) -> None:
        first, second = till.card(), till.account()
        assert (first["default"], second["default"]) == (True, False)
        assert good(till.put(f"{second['id']}/set-default"), 200)["default"] is True
        assert till.get(first["id"])["default"] is False
        third = till.card(default=True)
        assert till.get(f"customer/{till.customer}/default")["id"] == third["id"]
        assert PaymentMethod.objects.filter(merchant=till.merchant, is_default=True).count() == 1

    def test_a_failed_one_cannot_be_it(self, till: Till) -> None:
        till.card()
        made = till.account()
        good(till.put(f"{made['id']}/verification-status", {"status": "failed", "reason": "unknown"}), 200)
        problem(till.put(f"{made['id']}/set-default"), 409, "state_conflict")


class TestRemoving:
    def test_erases_what_opens_it_and_keeps_what_may_be_shown(self, till: Till) -> None:
        first, second = till.card(), till.card()
        gone = good(till.client.send("DELETE", METHODS + first["id"], key=None), 200)
        assert (gone["status"], gone["token"], gone["holder"], gone["default"]) == (
            "removed",
            None,
            None,
            False,
        )
        assert gone["last4"] == first["last4"]
        record = VaultRecord.objects.get(token=first["token"])
        assert (record.wrapped_key, record.nonce, record.ciphertext) == (None, None, None)
        assert not ProviderToken.objects.filter(merchant=till.merchant, method__vault_token="").exists()
        assert till.listed() == [second["id"]]
        assert till.get(second["id"])["default"] is True
        again = good(till.client.send("DELETE", METHODS + first["id"], key=None), 200)
        assert again == gone
        problem(till.put(f"{first['id']}/set-default"), 409, "state_conflict")


class AddingCase:
    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        details = {"holder": "Carla", "iban": "DE89370400440532013000"}
        body = {"customer_id": "carla", "type": "bank_transfer", "details": details}
        return client.post(METHODS, body, **options)


class TestAddingAnonymously(AddingCase, AnonymousIsRefused):
    pass


class TestAddingWithoutScope(AddingCase, WrongScopeIsRefused):
    pass


@pytest.mark.usefixtures("network")
class TestAddingTwice(AddingCase, IdempotentReplay):
    def effects(self) -> int:
        return PaymentMethod.objects.count()


class TestReadingAnothers(OtherTenantIsHidden):
    @pytest.fixture(autouse=True)
    def _made(self, till: Till) -> None:
        self.method = till.account()

    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.get(METHODS + self.method["id"])


class TestRemovingAnothers(OtherTenantIsHidden):
    @pytest.fixture(autouse=True)
    def _made(self, till: Till) -> None:
        self.method = till.account()

    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.send("DELETE", METHODS + self.method["id"], key=None)


class TestRemembered:
    """Reads come from memory, and a change is seen at once, by every process."""

    def test_a_customers_methods_are_read_once(self, till: Till, merchant_client: MerchantClient) -> None:
        made = till.account()
        path = f"{METHODS}customer/{made['customer_id']}"
        first = good(merchant_client.get(path), 200)
        with statements() as asked:
            assert good(merchant_client.get(path), 200) == first
            assert good(merchant_client.get(f"{path}/default"), 200) == first["data"][0]
            assert good(merchant_client.get(f"{path}/active"), 200)["data"] == []
        assert not [sql for sql in asked.sent if "payments_paymentmethod" in sql]

    def test_a_change_is_seen_at_once_here_and_elsewhere(
        self, till: Till, merchant_client: MerchantClient
    ) -> None:
        one, other = till.account(), till.account()
        path = f"{METHODS}customer/{one['customer_id']}"
        assert good(merchant_client.get(f"{path}/default"), 200)["id"] == one["id"]
        good(merchant_client.put(f"{METHODS}{other['id']}/set-default"), 200)
        assert good(merchant_client.get(f"{path}/default"), 200)["id"] == other["id"]
        good(merchant_client.send("DELETE", METHODS + other["id"], key=None), 200)
        remembering.forget_near()  # as another process, which has only what is far
        assert [row["id"] for row in good(merchant_client.get(path), 200)["data"]] == [one["id"]]
        remembering.forget_near()
        assert good(merchant_client.get(path), 200)["data"] == [
            good(merchant_client.get(f"{METHODS}{one['id']}"), 200)
        ]

    def test_pages_go_on_where_memory_ends(self, till: Till, merchant_client: MerchantClient) -> None:
        made = [till.account() for _ in range(3)]
        first = good(merchant_client.get(f"{METHODS}customer/{made[0]['customer_id']}?limit=2"), 200)
        rest = good(merchant_client.get(first["next"]), 200)
        shown = [row["id"] for row in (*first["data"], *rest["data"])]
        assert shown == [row["id"] for row in made[::-1]]
        assert (first["has_more"], rest["has_more"]) == (True, False)
