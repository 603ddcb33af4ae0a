"""Three witnesses, one of them damaged as only the database's owner can: the right one is named."""

import pytest
from django.db import connection

from ledger.history import balances, comparing, rebuilding
from ledger.history.comparing import EVENTS, LEDGER, TABLE
from ledger.history.rebuilding import Until
from ledger.models import Account, Event, JournalEntry, OutboxMessage
from payments.models import Payment
from tests.factories import payments as make
from tests.kit import tampering
from tests.kit.owner import OWNERS

# Whoever tampers owns the tables, and sees what its own transaction wrote.
pytestmark = [pytest.mark.django_db(databases=OWNERS), pytest.mark.usefixtures("as_owner")]


@pytest.fixture
def payment(northwind, ada):
    return make.captured_payment(northwind, shares=[(ada, 4_000, 400)])


def verdict(payment):
    return comparing.compare("payment", payment.pk)


def last(payment) -> Event:
    return Event.objects.filter(subject_id=payment.pk).latest("sequence")


class TestRebuild:
    def test_gives_the_row(self, payment):
        rebuilt = rebuilding.rebuild("payment", payment.pk)
        row = Payment.objects.get(pk=payment.pk)
        assert rebuilt.values() == {f.attname: getattr(row, f.attname) for f in Payment._meta.concrete_fields}
        assert rebuilt.row() == row

    def test_gives_the_row_at_a_sequence_and_at_an_instant(self, payment):
        stream = list(Event.objects.filter(subject_id=payment.pk).order_by("sequence"))
        for event in stream:
            then = rebuilding.rebuild("payment", payment.pk, Until(sequence=event.sequence))
            assert (then.state, then.sequence) == (event.to_state, event.sequence)
        first = rebuilding.rebuild("payment", payment.pk, Until(sequence=1)).values()
        assert (first["captured_minor"], first["amount_minor"]) == (0, 10_000)
        at = stream[0].recorded_at
        assert rebuilding.rebuild("payment", payment.pk, Until(recorded_at=at)).sequence >= 1

    def test_finds_nothing_before_the_first_event(self, payment):
        before = Until(occurred_at=make.AT.replace(year=2000))
        with pytest.raises(rebuilding.NoSuchSubject):
            rebuilding.rebuild("payment", payment.pk, before)

    def test_refuses_a_kind_that_has_no_history(self, payment):
        with pytest.raises(rebuilding.NoSuchSubject):
            comparing.compare("sandwich", payment.pk)

    def test_a_vendors_account_number_is_not_in_the_history(self, ada):
        rebuilt = rebuilding.rebuild("vendor", ada.pk)
        assert rebuilt.hidden == ["payout_destination"]
        assert "payout_destination" not in rebuilt.values()
        assert "DE89" not in str(rebuilt.said)
        assert comparing.compare("vendor", ada.pk).holds


class TestCompare:
    def test_finds_nothing_wrong_with_what_was_only_recorded(self, payment):
        assert verdict(payment).holds
        for share in payment.share_rows:
            assert comparing.compare("payment_transaction", share.pk).holds

    @pytest.mark.parametrize(
        ("assignment", "column"),
        [
            ("captured_minor = captured_minor - 1", "captured_minor"),
            ("state = 'authorized'", "state"),
            ("metadata = '{\"a\": true}'", "metadata"),
            ("order_ref = 'another'", "order_ref"),
            ("version = version - 1", "version"),
            ("event_hash = '\\x00'", "event_hash"),
            ("captured_at = captured_at + interval '1 microsecond'", "captured_at"),
        ],
    )
    def test_names_the_table(self, payment, assignment, column):
        tampering.change("payments_payment", assignment, "id = %s", [payment.pk])
        found = verdict(payment)
        assert found.corrupted == [TABLE], str(found)
        assert column in [difference.name for difference in found.differences]

    def test_names_the_table_when_a_hidden_column_changed(self, ada):
        destination = '{"holder": "Eve", "iban": "DE02120300000000202051", "country": "DE"}'
        tampering.change("vendors_vendor", "payout_destination = %s", "id = %s", [destination, ada.pk])
        found = comparing.compare("vendor", ada.pk)
        assert found.corrupted == [TABLE]
        assert "DE02" not in str([found.differences, found.reasons])

    def test_names_the_table_when_the_row_is_gone(self, northwind):
        lonely = make.create_payment(northwind)
        tampering.remove("payments_payment", "id = %s", [lonely.pk])
        found = verdict(lonely)
        assert (found.corrupted, found.is_missing) == ([TABLE], True)

    def test_names_the_table_when_a_row_was_put_beside_the_recorder(self, payment):
        ghost = Payment.objects.get(pk=payment.pk)
        ghost.pk, ghost.version, ghost.number, ghost.event_hash = JournalEntry().pk, 0, "PAY-0", b""
        with tampering.law_off("payments_payment"):
            Payment._base_manager.bulk_create([ghost])
        assert verdict(ghost).corrupted == [TABLE]

    @pytest.mark.parametrize(
        "assignment",
        [
            "changes = jsonb_set(changes, '{captured_minor}', '1')",
            "changes = NULL",
            "payload = '{}'",
            "to_state = 'completed'",
            "occurred_at = occurred_at + interval '1 second'",
            "key_id = 'lost'",
        ],
    )
    def test_names_the_events(self, payment, assignment):
        tampering.change("ledger_event", assignment, "id = %s", [last(payment).pk])
        assert verdict(payment).corrupted == [EVENTS]

    @pytest.mark.parametrize("which", ["first", "last", "all"])
    def test_names_the_events_when_they_are_gone(self, payment, which):
        sequences = {"first": [1], "last": [last(payment).sequence], "all": list(range(1, 9))}[which]
        where = "subject_id = %s AND sequence = ANY (%s)"
        OutboxMessage.objects.filter(subject_id=payment.pk).delete()
        tampering.remove("ledger_event", where, [payment.pk, sequences])
        assert verdict(payment).corrupted == [EVENTS]

    @pytest.mark.parametrize(
        ("assignment", "reason"),
        [
            ("amount = amount + 1", "does not balance"),
            ("purpose = 'gift'", "not as it was written"),
            ("account_id = account_id + 1", "not as it was written"),
        ],
    )
    def test_names_the_ledger(self, payment, assignment, reason):
        entry = JournalEntry.objects.get(source_id=payment.pk)
        tampering.change("ledger_posting", assignment, "entry_id = %s AND line = 1", [entry.pk])
        found = verdict(payment)
        assert found.corrupted == [LEDGER]
        assert reason in found.reasons[0]

    def test_names_the_ledger_when_an_entry_is_gone(self, payment):
        entry = JournalEntry.objects.get(source_id=payment.pk)
        tampering.remove("ledger_posting", "entry_id = %s", [entry.pk])
        tampering.remove("ledger_entry", "id = %s", [entry.pk])
        assert verdict(payment).corrupted == [LEDGER]

    def test_names_both_when_both_are_damaged(self, payment):
        entry = JournalEntry.objects.get(source_id=payment.pk)
        tampering.change("ledger_posting", "amount = amount + 1", "entry_id = %s AND line = 1", [entry.pk])
        tampering.change("payments_payment", "captured_minor = 1", "id = %s", [payment.pk])
        assert sorted(verdict(payment).corrupted) == [LEDGER, TABLE]

    def test_an_event_older_than_the_telling_of_changes_still_verifies(self, payment):
        event = last(payment)
        event.changes = None
        from ledger import events

        tampering.change(
            "ledger_event", "changes = NULL, hash = %s", "id = %s", [events.signature(event), event.pk]
        )
        tampering.change(
            "payments_payment", "event_hash = %s", "id = %s", [events.signature(event), payment.pk]
        )
        assert verdict(payment).holds
        with pytest.raises(rebuilding.NotTold):
            rebuilding.rebuild("payment", payment.pk).values()

    def test_compares_all_as_one_by_one(self, payment, ada):
        lonely = make.create_payment(payment.merchant)
        tampering.change("payments_payment", "order_ref = 'x'", "id = %s", [lonely.pk])
        found = {one.subject_id: one.holds for one in comparing.compare_all("payment")}
        assert (found[payment.pk], found[lonely.pk]) == (True, False)
        assert comparing.compare("vendor", ada.pk).holds


class TestBalances:
    def account(self, northwind) -> Account:
        return Account.objects.get(merchant_id=northwind.pk, code="vendor_pending")

    def test_a_tampered_figure_is_the_tables_fault(self, payment, northwind):
        account = self.account(northwind)
        assert balances.compare_account(account.pk).holds
        tampering.change("ledger_account", "balance = balance - 5", "id = %s", [account.pk])
        found = balances.compare_account(account.pk)
        assert found.corrupted == [TABLE]
        assert found.difference[0]["told"] - found.difference[0]["found"] == 5
        assert account.pk in [one.account_id for one in balances.compare_accounts()]

    def test_a_tampered_posting_is_the_ledgers_fault(self, payment, northwind):
        account = self.account(northwind)
        where = "account_id = %s"
        tampering.change("ledger_posting", "amount = amount - 5", where, [account.pk])
        assert balances.compare_account(account.pk).corrupted == [LEDGER]


def test_the_law_is_on_again_after_tampering(payment):
    tampering.change("ledger_posting", "purpose = purpose", "amount <> 0", [])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgenabled = 'D' AND NOT tgisinternal")
        assert cursor.fetchone() == (0,)
