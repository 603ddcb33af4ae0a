"""A row or a balance is set right by two people who are not the one who proposed it, once, and told."""

import pytest
from django.db import DatabaseError, connection, transaction

from ledger import balances as reading
from ledger import clock, events, partitions
from ledger.actors import staff_actor
from ledger.chart import Code, account
from ledger.history import balances, comparing, rebuilding, restoring
from ledger.models import Account, AuditRecord, Event, JournalEntry, Restoration
from ledger.models.restorations import TwoApprovers
from ledger.states import StateConflict
from payments.models import Payment
from tests.factories import payments as make
from tests.kit import tampering
from tests.kit.books import assert_all_invariants_hold
from tests.kit.owner import OWNERS
from tests.kit.race import errors, results, together

pytestmark = pytest.mark.django_db(transaction=True, databases=OWNERS)

PAULA, FRED, SUE = (staff_actor(number, name) for number, name in ((1, "paula"), (2, "fred"), (3, "sue")))


@pytest.fixture
def payment(northwind, ada):
    return make.captured_payment(northwind, shares=[(ada, 4_000, 400)])


@pytest.fixture
def damaged(payment):
    change = "state = 'authorized', captured_minor = 1, order_ref = 'another'"
    tampering.change("payments_payment", change, "id = %s", [payment.pk])
    yield payment
    if (
        not comparing.compare("payment", payment.pk).holds
        and not Restoration.objects.filter(
            subject_key=str(payment.pk), state__in=["proposed", "approved"]
        ).exists()
    ):
        approve(approve(propose(payment), FRED), SUE)


def propose(payment, actor=PAULA):
    return restoring.propose(
        subject_type="payment", subject_key=str(payment.pk), reason="it differs", actor=actor, at=clock.now()
    )


def approve(restoration, actor):
    return restoring.approve(restoration_id=restoration.pk, reason="I looked", actor=actor, at=clock.now())


def reject(restoration, actor=PAULA):
    return restoring.reject(restoration_id=restoration.pk, reason="not so", actor=actor, at=clock.now())


class TestRestore:
    def test_sets_the_row_right_and_tells_it(self, damaged):
        restoration = propose(damaged)
        assert [(one["name"], one["found"], one["told"]) for one in restoration.difference] == [
            ("captured_minor", 1, 10_000),
            ("order_ref", "another", "order-1"),
            ("state", "authorized", "captured"),
        ]
        assert approve(restoration, FRED).state == "approved"
        assert Payment.objects.get(pk=damaged.pk).captured_minor == 1
        assert approve(restoration, SUE).state == "applied"
        row = Payment.objects.get(pk=damaged.pk)
        assert (row.state, row.captured_minor, row.order_ref) == ("captured", 10_000, "order-1")
        assert comparing.compare("payment", damaged.pk).holds
        stream = list(events.stream("payment", damaged.pk))
        assert events.verify_chain(iter(stream)) is None
        told = stream[-1]
        assert (told.type, told.from_state, told.to_state) == ("payment.restored", "authorized", "captured")
        assert (told.cause_id, told.sequence, row.version) == (str(restoration.pk), row.version, len(stream))
        acts = AuditRecord.objects.filter(object_id=restoration.public_id).order_by("at")
        assert [act.action for act in acts] == [
            "restoration.proposed", "restoration.approved", "restoration.applied",
        ]  # fmt: skip
        assert [event.type for event in events.stream("restoration", restoration.pk)] == [
            "restoration.proposed", "restoration.approved", "restoration.applied",
        ]  # fmt: skip
        assert comparing.compare("restoration", restoration.pk).holds
        partitions.make_ahead()  # as the timetable does: what was written of a month gone by
        assert_all_invariants_hold()

    def test_brings_back_a_row_that_is_gone(self, northwind):
        lonely = make.create_payment(northwind, metadata={"a": [1.5, True]})
        before = Payment.objects.get(pk=lonely.pk)
        tampering.remove("payments_payment", "id = %s", [lonely.pk])
        approve(approve(propose(lonely), FRED), SUE)
        row = Payment.objects.get(pk=lonely.pk)
        columns = [
            f.attname for f in Payment._meta.concrete_fields if f.attname not in ("version", "event_hash")
        ]
        assert [getattr(row, name) for name in columns] == [getattr(before, name) for name in columns]
        assert comparing.compare("payment", lonely.pk).holds

    def test_a_restored_row_goes_on_as_any_other(self, damaged):
        approve(approve(propose(damaged), FRED), SUE)
        rebuilt = rebuilding.rebuild("payment", damaged.pk)
        assert rebuilt.values()["captured_minor"] == 10_000


class TestWhoAndWhen:
    def test_the_proposer_may_not_approve(self, damaged):
        restoration = propose(damaged)
        with pytest.raises(TwoApprovers):
            approve(restoration, PAULA)
        approve(restoration, FRED)
        with pytest.raises(TwoApprovers):
            approve(restoration, PAULA)
        reject(restoration)

    def test_the_same_person_may_not_approve_twice(self, damaged):
        restoration = propose(damaged)
        approve(restoration, FRED)
        with pytest.raises(TwoApprovers):
            approve(restoration, FRED)
        assert Payment.objects.get(pk=damaged.pk).captured_minor == 1
        reject(restoration)

    def test_an_approval_of_another_damage_is_refused(self, damaged):
        restoration = propose(damaged)
        approve(restoration, FRED)
        tampering.change("payments_payment", "captured_minor = 2", "id = %s", [damaged.pk])
        with pytest.raises(restoring.StaleDifference):
            approve(restoration, SUE)
        assert Restoration.objects.get(pk=restoration.pk).state == "approved"
        assert Payment.objects.get(pk=damaged.pk).captured_minor == 2
        reject(restoration)
        assert approve(approve(propose(damaged), FRED), SUE).state == "applied"

    def test_there_is_one_proposal_at_a_time(self, damaged):
        restoration = propose(damaged)
        with pytest.raises(restoring.AlreadyProposed):
            propose(damaged, FRED)
        reject(restoration, FRED)
        with pytest.raises(StateConflict):
            approve(restoration, SUE)

    def test_nothing_is_proposed_for_a_row_that_holds(self, payment):
        with pytest.raises(restoring.NothingToRestore):
            propose(payment)

    def test_nothing_is_restored_from_damaged_events(self, northwind):
        lonely = make.create_payment(northwind)
        event = Event.objects.get(subject_id=lonely.pk)
        kept = event.payload
        tampering.change("ledger_event", "payload = '{}'", "id = %s", [event.pk])
        try:
            with pytest.raises(restoring.NotRestorable):
                propose(lonely)
        finally:
            with tampering.law_off("ledger_event"):
                event.payload = kept
                event.save(update_fields=["payload"])

    def test_two_approvals_at_once_are_two_people(self, damaged):
        restoration = propose(damaged)
        outcomes = together(*[lambda who=who: approve(restoration, who).state for who in (FRED, FRED)])
        assert results(outcomes) == ["approved"]
        assert [type(error) for error in errors(outcomes)] == [TwoApprovers]
        outcomes = together(*[lambda who=who: approve(restoration, who).state for who in (SUE, PAULA, SUE)])
        assert results(outcomes) == ["applied"]
        assert Event.objects.filter(subject_id=damaged.pk, type="payment.restored").count() == 1


class TestInSql:
    def attack(self, sql, *values):
        with pytest.raises(DatabaseError) as refusal, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, values)
        return str(refusal.value)

    def test_nobody_else_may_jump(self, damaged):
        jump = "UPDATE payments_payment SET state = 'captured' WHERE id = %s"
        restoration = propose(damaged)
        tampering.change("payments_payment", "state = 'failed'", "id = %s", [damaged.pk])
        assert "no edge" in self.attack(jump, damaged.pk)
        approve(restoration, FRED)
        assert "no edge" in self.attack(jump, damaged.pk)
        tampering.change("payments_payment", "state = 'authorized'", "id = %s", [damaged.pk])
        approve(restoration, SUE)
        tampering.change("payments_payment", "state = 'failed'", "id = %s", [damaged.pk])
        assert "no edge" in self.attack(jump, damaged.pk)

    def test_a_restoration_is_not_applied_without_two_people(self, damaged):
        restoration = propose(damaged)
        table = "UPDATE ledger_restoration SET "
        assert "no edge" in self.attack(f"{table} state = 'applied' WHERE id = %s", restoration.pk)
        approve(restoration, FRED)
        for second in ("", "staff:2", "staff:1"):
            applied = f"{table} state = 'applied', second_approver = %s WHERE id = %s"
            assert "two_approvers" in self.attack(applied, second, restoration.pk)
        for change in ("difference = '[]'", "proposer = 'x'", "first_approver = 'y'"):
            assert "frozen" in self.attack(f"{table} {change} WHERE id = %s", restoration.pk)
        assert "stay" in self.attack("DELETE FROM ledger_restoration WHERE id = %s", restoration.pk)
        reject(restoration)
        assert "closed" in self.attack(f"{table} state = 'approved' WHERE id = %s", restoration.pk)


class TestBalances:
    def account(self, merchant, code="vendor_pending") -> Account:
        return Account.objects.get(merchant_id=merchant.pk, code=code)

    def propose(self, account):
        return restoring.propose(
            subject_type="account", subject_key=str(account.pk), reason="off", actor=PAULA, at=clock.now()
        )

    @pytest.mark.parametrize("code", ["vendor_pending", "commission"])
    def test_a_balance_is_rebuilt_from_its_postings(self, payment, northwind, ada, code):
        row = self.account(northwind, code)
        right = reading.balances(northwind.pk, code=Code(code))[0].balance
        tampering.change("ledger_account", "balance = balance - 7", "id = %s", [row.pk])
        restoration = self.propose(row)
        assert balances.offset_of(restoration.difference) == 7
        approve(restoration, FRED)
        make.captured_payment(northwind, shares=[(ada, 4_000, 400)])  # business goes on meanwhile
        approve(restoration, SUE)
        assert balances.compare_account(row.pk).holds
        posted = {"vendor_pending": -3_600, "commission": -400}[code]
        assert reading.balances(northwind.pk, code=Code(code))[0].balance.minor == right.minor + posted
        partitions.make_ahead()  # as the timetable does: what was written of a month gone by
        assert_all_invariants_hold()

    def test_the_function_refuses_without_a_restoration(self, payment, northwind):
        row = self.account(northwind)
        with pytest.raises(DatabaseError, match="two people"), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT ledger_restore_balance(%s)", [row.pk])

    def test_a_balance_is_not_rebuilt_from_damaged_postings(self, northwind):
        make.captured_payment(northwind)
        row = self.account(northwind, "merchant_balance")
        tampering.change("ledger_account", "balance = balance - 7", "id = %s", [row.pk])
        entry = JournalEntry.objects.get(merchant_id=northwind.pk)
        tampering.change(
            "ledger_posting", "purpose = 'gift'", "entry_id = %s AND purpose = 'sale'", [entry.pk]
        )
        with pytest.raises(restoring.NotRestorable):
            self.propose(row)
        tampering.change(
            "ledger_posting", "purpose = 'sale'", "entry_id = %s AND purpose = 'gift'", [entry.pk]
        )
        approve(approve(self.propose(row), FRED), SUE)

    def test_an_account_that_holds_or_is_not_there_is_refused(self, payment, northwind):
        with pytest.raises(restoring.NothingToRestore):
            self.propose(self.account(northwind))
        with pytest.raises(rebuilding.NoSuchSubject):
            self.propose(Account(pk=-1))
        with pytest.raises(rebuilding.NoSuchSubject):
            restoring.propose(
                subject_type="payment", subject_key="no id", reason="x", actor=PAULA, at=clock.now()
            )
        assert account(Code.COMMISSION, northwind.pk, "USD").currency == "USD"
