"""Stored methods in the books and the upkeep: deposits are booked, old cards erased, all sentences hold."""

from datetime import timedelta
from typing import Any

import pytest

from ledger import clock, invariants
from ledger.models import JournalEntry
from payments.invariants import methods as method_invariants
from payments.models import PaymentMethod, ProviderOperation, VaultRecord
from payments.record_classes import VAULT_RECORDS
from tests.api.test_payment_methods import METHODS, Till
from tests.kit import cards
from tests.kit.api_client import MerchantClient
from tests.kit.network import Network
from tests.kit.shop import good
from vendors.models import Merchant

pytestmark = pytest.mark.django_db
OURS = ("I-100", "I-101", "I-102", "I-103")


@pytest.fixture
def till(merchant_client: MerchantClient, northwind: Merchant, network: Network) -> Till:
    return Till(merchant_client, northwind)


def violations() -> list[str]:
    return [said for number in OURS for said in invariants.registry[number].check()]


def test_two_deposits_are_two_balanced_entries(till: Till) -> None:
    made = till.account()
    path = f"{made['id']}/verification-status"
    good(till.put(path, {"status": "pending", "verification": "micro_deposits"}), 200)
    asked = ProviderOperation.objects.filter(merchant=till.merchant, kind="deposit").order_by("leg")
    entries = JournalEntry.objects.filter(
        merchant_id=till.merchant.pk, source_type="payment_method"
    ).order_by("step")
    assert [entry.step for entry in entries] == [operation.leg for operation in asked]
    assert all(operation.outcome == "approved" for operation in asked)
    assert violations() == []


def test_after_a_life_of_methods_every_sentence_holds(till: Till) -> None:
    first = till.card(verify=True)
    till.card(cards.card(number="4000000000000002"), verify=True)
    account = till.account()
    good(till.put(f"{account['id']}/set-default"), 200)
    good(till.client.send("DELETE", METHODS + account["id"], key=None), 200)
    assert till.get(f"customer/{till.customer}/default")["id"] == first["id"]
    assert violations() == []


def test_a_broken_sentence_is_told(till: Till) -> None:
    """The negative control: a record that no method has any more."""
    till.card()
    record = VaultRecord.objects.get(merchant=till.merchant)
    VaultRecord.objects.filter(pk=record.pk).update(token="tok_of_nobody")
    assert len(violations()) == 2
    assert method_invariants.__doc__


def test_the_number_of_a_card_past_its_date_is_erased(till: Till) -> None:
    made = till.card(cards.card(exp_month=12, exp_year=2026))
    kept = till.card()
    assert VAULT_RECORDS.rows is not None
    rows: Any = VAULT_RECORDS.rows(clock.now() + timedelta(days=365))
    assert VAULT_RECORDS.erase(rows) == 1
    assert VaultRecord.objects.get(token=made["token"]).ciphertext is None
    assert VaultRecord.objects.get(token=kept["token"]).ciphertext is not None
    assert PaymentMethod.objects.get(vault_token=made["token"]).last4 == made["last4"]
