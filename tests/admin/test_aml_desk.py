"""The desk against money laundering, and accounts closed by staff: permission, reason, service, audit."""

import pytest
from django.urls import reverse

from ledger.chart import Code
from ledger.models import Account, AmlAlert, AuditRecord, Hold
from ledger.transfers.kinds import TransferType
from tests.kit.queries import statements
from tests.kit.wallets import Purses

LIMIT = 1_000_000


@pytest.fixture
def purses(northwind) -> Purses:
    return Purses(northwind.pk)


@pytest.fixture
def alert(purses) -> AmlAlert:
    carla, shop = purses.wallet("carla", 3 * LIMIT), purses.open(code=Code.MERCHANT_BALANCE)
    moved = purses.move(carla, shop, LIMIT, TransferType.PAYMENT)
    return AmlAlert.objects.get(transfer=moved)


def act(row, name: str) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_act_{name}", args=[row.pk])


def page(row) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


@pytest.mark.parametrize(
    ("name", "state", "became"), [("clear", "cleared", "completed"), ("uphold", "upheld", "rejected")]
)
def test_an_alert_is_decided_with_a_reason_and_audited(sign_in, alert, name, state, became):
    risk = sign_in("risk")
    assert act(alert, name) in risk.get(page(alert)).content.decode()
    answer = risk.post(act(alert, name), {"reason": "spoke with the bank"})
    assert (answer.status_code, answer.url) == (302, page(alert))
    alert.refresh_from_db()
    alert.transfer.refresh_from_db()
    assert (alert.state, alert.transfer.state) == (state, became)
    kept = AuditRecord.objects.get(object_id=alert.public_id)
    assert (kept.action, kept.reason, kept.actor_label) == (
        f"aml_alert.{state}", "spoke with the bank", "risk",
    )  # fmt: skip
    assert risk.post(act(alert, name), {"reason": "once more"}).status_code == 422


@pytest.mark.parametrize("role", ["support", "finance", "auditor", "admin"])
def test_deciding_is_for_risk_alone(sign_in, alert, role):
    answer = sign_in(role).post(act(alert, "clear"), {"reason": "looks fine to me"})
    assert answer.status_code == 403
    assert AmlAlert.objects.get(pk=alert.pk).state == "open"


def test_finance_closes_an_empty_account_and_opens_it_again(sign_in, purses):
    dora = purses.wallet("dora")
    finance = sign_in("finance")
    assert finance.post(act(dora, "close"), {"reason": "left us"}).status_code == 302
    assert Account.objects.get(pk=dora.pk).closed_at is not None
    assert act(dora, "reopen") in finance.get(page(dora)).content.decode()
    assert finance.post(act(dora, "reopen"), {"reason": "is back"}).status_code == 302
    assert Account.objects.get(pk=dora.pk).closed_at is None


def test_an_account_with_held_money_is_kept_in_words(sign_in, alert):
    answer = sign_in("finance").post(act(alert.account, "close"), {"reason": "left us"})
    assert answer.status_code == 422
    assert "of it held" in answer.content.decode()


def test_the_pages_ask_as_much_for_many_rows_as_for_few(root, purses, alert):
    carla, shop = purses.wallet("carla"), purses.open(code=Code.MERCHANT_BALANCE)
    lists = [reverse(f"admin:ledger_{model}_changelist") for model in ("transfer", "hold", "amlalert")]
    purses.hold(carla, shop, 1)
    pages = [*lists, page(alert), page(alert.transfer), page(Hold.objects.get(reviews=alert.transfer))]
    few = [_statements(root, address) for address in pages]
    for _ in range(5):
        purses.move(carla, shop, 1, TransferType.PAYMENT)
        purses.hold(carla, shop, 1)
    assert [_statements(root, address) for address in pages] == few


def _statements(client, address: str) -> int:
    client.get(address)
    with statements() as found:
        assert client.get(address).status_code == 200
    return len(found)
