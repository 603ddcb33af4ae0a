"""A legal hold covers what belongs to what it names, whatever the record calls it."""

import pytest

from ledger import clock, retention
from ledger.actors import staff_actor
from ledger.chart import Code
from ledger.models import Account, JournalEntry, LegalHold, Posting
from ledger.record_classes import JOURNAL
from payments.models import ProviderOperation, ProviderWebhook
from payments.record_classes import PROVIDER_WEBHOOKS
from tests.factories import disputes as told
from tests.factories import payments as rows
from tests.kit import settling

pytestmark = pytest.mark.django_db
IRENE = staff_actor(7, "irene")


def hold(subject: str) -> LegalHold:
    return retention.place_hold(subject=subject, reason="the court asks", actor=IRENE, at=clock.now())


def keeps(found: LegalHold, table: str = "ledger_posting") -> bool:
    """Whether a hold covers any row of the books."""
    return found in retention.holds_on_month(JOURNAL, table, clock.EPOCH, clock.now())


@pytest.fixture
def payment(northwind, ada):
    return rows.captured_payment(northwind, shares=((ada, 6_000, 600),))


def test_an_account_by_its_public_id(payment):
    held = Account.objects.get(merchant_id=payment.merchant_id, code=Code.VENDOR_PENDING.value)
    assert keeps(hold(held.public_id))


def test_a_vendor_by_the_accounts_it_owns_and_by_its_settlements(payment, ada, network):
    assert keeps(hold(ada.public_id))
    assert not keeps(hold(ada.public_id), "ledger_entry")
    settling.settle(ada, "USD", clock.now())
    assert keeps(hold(ada.public_id), "ledger_entry")


def test_a_payment_with_its_disputes(payment):
    found = hold(payment.public_id)
    dispute = told.chargeback(payment)
    assert JournalEntry.objects.filter(source_type="dispute", source_id=dispute.pk).exists()
    assert dispute.pk in retention.keys_covered(found.subject)[1]


def test_a_payment_with_the_callbacks_of_its_operations(payment):
    webhook = rows.webhook_about(payment)
    assert retention.held(PROVIDER_WEBHOOKS) is None
    hold(payment.public_id)
    assert type(webhook).objects.filter(retention.held(PROVIDER_WEBHOOKS), pk=webhook.pk).exists()


def test_a_dispute_with_the_callbacks_of_its_movements_and_no_others(payment):
    of_the_payment = rows.webhook_about(payment)
    dispute = told.chargeback(payment)
    told_of = ProviderOperation.objects.filter(subject_id=dispute.pk)
    assert told_of.exists()
    hold(dispute.public_id)
    of_the_dispute = rows.webhook_about(payment, operation=told_of.latest("created_at"))
    covered = ProviderWebhook.objects.filter(retention.held(PROVIDER_WEBHOOKS))
    assert set(covered.filter(pk__in=[of_the_payment.pk, of_the_dispute.pk])) == {of_the_dispute}


@pytest.mark.parametrize("subject", ["pay_nobody", "acc_01m80m8arbejssf570m0wfnwpg", "1", "x" * 80])
def test_what_is_not_there_covers_nothing(payment, subject):
    assert Posting.objects.exists()
    assert not keeps(hold(subject))
