"""Every cent of a marketplace's night is explained, from payout, bank line, fee and balance to the outside.

The law at every node: the amount is the sum of its parts, a part is the amount of what it names, and every
end lies outside the house. Each negative control takes one link away, and the figure says so.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from ledger.explain import shown, totals, walking
from ledger.explain.registry import Scope
from ledger.explain.walking import NotExplained
from ledger.models import Account, AuditRecord, Event, JournalEntry
from ledger.money import Money
from payments.models import PaymentTransaction, ProviderOperation
from settlements import bank_explanations, selectors
from settlements.models import BankStatement, FundedOperation, Match, Payout, SettlementBatch, StatementLine
from tests.factories import vendors as factory
from tests.kit import settling
from tests.kit.settling import Forgery

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 3, 2, 18, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
WEDNESDAY = TUESDAY + timedelta(days=1)


@pytest.fixture
def night(northwind, ada, bruno, own_network):
    """A night with sales of two vendors, a refund, two payouts and the bank's statement."""
    kept = settling.sell(own_network, ada, Money(10_000, "EUR"), MONDAY, own=500)
    settling.refund(kept, MONDAY, 2_100)
    settling.sell(own_network, bruno, Money(333, "EUR"), MONDAY)
    for vendor in (ada, bruno):
        settling.pay(settling.settle(vendor, "EUR", MONDAY), MONDAY)
    own_network.close_day("2026-03-02")
    settling.fetch(northwind, MONDAY)
    return northwind


def tamper(sql, key):
    """Change a row behind the back of the house."""
    with connection.cursor() as cursor:
        cursor.execute(sql, [key])
        assert cursor.rowcount == 1


def everything(merchant):
    """Return all that a person may ask about."""
    return [
        merchant,
        *Payout.objects.filter(merchant=merchant),
        *SettlementBatch.objects.filter(merchant=merchant),
        *StatementLine.objects.filter(merchant=merchant),
        *BankStatement.objects.filter(merchant=merchant),
        *Match.objects.filter(merchant=merchant),
        *Account.objects.filter(merchant_id=merchant.pk),
        *PaymentTransaction.objects.filter(merchant=merchant),
        *ProviderOperation.objects.filter(merchant=merchant),
        *JournalEntry.objects.filter(merchant_id=merchant.pk),
        *Event.objects.filter(merchant_id=merchant.pk),
        *AuditRecord.objects.filter(merchant_id=merchant.pk),
        *merchant.vendors.all(),
        *merchant.commission_rules.all(),
    ]


def assert_every_cent_is_explained(story):
    """Check the law at every node, without the engine's own verdicts."""
    assert story.is_complete
    assert list(story.reasons()) == []
    for ref, node in story.nodes.items():
        assert all(money.is_zero for money in node.footing), ref
        assert all(money.is_zero for money in story.unexplained(ref)), ref
        ends = [cause for cause in node.causes if not cause.ref]
        assert all(cause.is_outside for cause in ends), ref
        assert list(node.refs()) or ends, ref
        for part in node.parts:
            if part.is_followed:
                amounts = {money.currency: abs(money.minor) for money in story.nodes[part.ref].amounts}
                assert amounts[part.amount.currency] == abs(part.amount.minor), (ref, part.ref)


def test_every_payout_bank_line_fee_and_balance_is_explained(night):
    things = everything(night)
    charged = ProviderOperation.objects.filter(merchant=night, fee_minor__gt=0)
    fees = [f"{row.public_id}.fee" for row in charged]
    assert len(fees) == 2
    story = walking.explain_all([*things, *fees])
    assert_every_cent_is_explained(story)
    assert story.is_explained
    kinds = Counter(node.kind for node in story.nodes.values())
    assert kinds["payout"] == 2
    assert kinds["bank line"] == 3
    assert kinds["balance"] == Account.objects.filter(merchant_id=night.pk).count()
    assert kinds["journal entry"] == JournalEntry.objects.filter(merchant_id=night.pk).count()
    payout = next(node for node in story.nodes.values() if node.kind == "payout")
    assert payout.amounts == (Payout.objects.get(pk=payout.page[1]).amount,)


def test_a_payout_leads_to_each_sale_and_its_ends_outside(night, ada):
    payout = Payout.objects.get(batch__vendor=ada)
    story = walking.explain(payout)
    assert_every_cent_is_explained(story)
    assert story.root.amounts == (Money(7_200, "EUR"),)
    batch = story.nodes[payout.batch.public_id]
    assert {part.label: part.amount.minor for part in batch.parts} == {
        "sale": 10_000, "commission": -1_000, "refund": -2_000, "commission back": 200,
    }  # fmt: skip
    ends = {cause.label for node in story.nodes.values() for cause in node.causes if cause.is_outside}
    assert {"provider's answer", "asked for by schedule", "agreed"} <= ends


def test_what_was_recovered_leads_to_the_refunds_that_were_owed(northwind, ada, own_network):
    kept = settling.sell(own_network, ada, Money(10_000, "EUR"), MONDAY)
    settling.pay(settling.settle(ada, "EUR", MONDAY), MONDAY)
    settling.refund(kept, TUESDAY, 4_200)  # the money is gone: Ada owes it
    settling.sell(own_network, ada, Money(9_000, "EUR"), TUESDAY)
    second = settling.settle(ada, "EUR", TUESDAY)
    assert second.recovered_minor == 3_780
    settling.refund(kept, WEDNESDAY, 1_000)
    settling.sell(own_network, ada, Money(2_000, "EUR"), WEDNESDAY)
    third = settling.settle(ada, "EUR", WEDNESDAY)
    assert third.recovered_minor == 900
    assert_every_cent_is_explained(walking.explain_all(everything(northwind)))
    story = walking.explain(third)
    parts = {part.label: part.amount.minor for part in story.root.parts}
    assert parts["recovered of what was owed"] == -900


def test_every_figure_of_a_vendor_at_a_glance_is_explained(night, ada, own_network):
    settling.sell(own_network, ada, Money(5_000, "EUR"), TUESDAY)
    (info,) = selectors.vendor_info(night.pk, ada.pk)
    said = {
        "gross": info.open.gross, "commission": -info.open.commission, "refunds": -info.open.refunds,
        "other": info.open.other, "available": info.available, "in_transit": info.in_transit,
        "paid": info.paid, "receivable": info.receivable,
    }  # fmt: skip
    assert said["gross"] == Money(5_000, "EUR")
    assert said["paid"] == Money(7_200, "EUR")
    for figure, amount in said.items():
        ref = totals.cell_ref("info", totals.short("vnd", ada.pk), "EUR", figure)
        story = walking.explain(ref, scope=Scope(night.pk))
        assert_every_cent_is_explained(story)
        assert story.root.amounts == (amount,), figure
        with pytest.raises(NotExplained):
            walking.explain(ref, scope=Scope(ada.pk))


def test_an_object_is_looked_at_once_whatever_its_number_of_ways(night):
    things = everything(night)
    alone = walking.explain_all(things)
    assert len(alone.nodes) == len(set(alone.nodes))
    assert walking.explain_all([*things, *things]).nodes.keys() == alone.nodes.keys()


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_what_lies_beyond_the_depth_is_named_and_never_called_explained_or_not(night, ada, depth):
    story = walking.explain(Payout.objects.get(batch__vendor=ada), depth=depth)
    assert not story.is_complete
    assert story.not_followed.isdisjoint(story.nodes)
    assert list(story.reasons()) == []
    whole = walking.explain(Payout.objects.get(batch__vendor=ada))
    assert story.nodes.keys() < whole.nodes.keys()


@pytest.mark.damages
class TestWhatIsNotExplained:
    """Negative controls: take one thing away, and exactly that money is unexplained, with the reason."""

    def left_of(self, thing):
        story = walking.explain(thing)
        root = story.roots[0]
        return sum(money.minor for money in story.unexplained(root)), [why for _, why in story.reasons()]

    def test_a_bank_line_without_its_match(self, night, ada):
        payout = Payout.objects.get(batch__vendor=ada)
        line = payout.match.line
        tamper("DELETE FROM settlements_match WHERE id = %s", payout.match.pk)
        owed, reasons = self.left_of(line)
        assert (owed, reasons) == (7_200, ["nothing explains this line (no break is open)"])
        bank = Account.objects.get(merchant_id=night.pk, code="bank", currency="EUR")
        owed, reasons = self.left_of(bank)
        assert owed == 7_200
        assert reasons == ["line of the bank's statement: nothing is behind it"]

    def test_a_report_that_lacks_an_operation(self, night, monkeypatch):
        sales = FundedOperation.objects.filter(match__merchant=night, amount_minor__gt=0)
        funded = sales.order_by("id").first()
        line, whole = funded.match.line, bank_explanations._funded
        monkeypatch.setattr(
            bank_explanations,
            "_funded",
            lambda matches: {
                key: [row for row in rows if row.pk != funded.pk] for key, rows in whole(matches).items()
            },
        )
        owed, reasons = self.left_of(line)
        off = Money(funded.amount_minor - funded.fee_minor, "EUR")
        assert owed == off.minor
        assert reasons == [f"its parts are {off.display()} off"]

    def test_an_operation_without_the_provider_s_reference(self, night, ada):
        capture = ProviderOperation.objects.filter(merchant=night, kind="capture").order_by("id").first()
        ProviderOperation.objects.filter(pk=capture.pk).update(provider_reference="")
        owed, reasons = self.left_of(Payout.objects.get(batch__vendor=ada))
        assert owed == 10_000 + 1_000  # the sale and the commission on it are behind this operation
        assert reasons == ["it is approved, but the provider gave no reference for it"]

    def test_an_operation_of_another_amount_than_the_books(self, night, ada):
        capture = ProviderOperation.objects.filter(merchant=night, kind="capture").order_by("id").first()
        ProviderOperation.objects.filter(pk=capture.pk).update(amount_minor=capture.amount_minor + 1)
        story = walking.explain(capture)
        assert story.unexplained(capture.public_id) == (Money(1, "EUR"),)
        assert not walking.explain(Payout.objects.get(batch__vendor=ada)).is_explained

    def test_a_commission_that_the_rule_does_not_give(self, night, ada):
        share = PaymentTransaction.objects.get(vendor=ada)
        tamper("UPDATE payments_paymenttransaction SET commission_rate_bps = 999 WHERE id = %s", share.pk)
        owed, reasons = self.left_of(f"{share.public_id}.terms")
        assert (owed, reasons) == (1_000, ["9.99 % of 100.00 EUR is 9.99 EUR"])

    def test_an_event_that_was_not_signed_by_us(self, night, ada, settings):
        settings.EVENT_SIGNING_KEYS = {key: f"not {key}" for key in settings.EVENT_SIGNING_KEYS}
        event = Event.objects.filter(merchant_id=night.pk, type="settlement.closed").first()
        story = walking.explain(event)
        assert str(story.root.seal.seal) == "broken"
        assert "its content is not what was written and signed" in [why for _, why in story.reasons()]

    def test_a_line_of_the_bank_that_is_a_break(self, northwind, ada, own_network):
        settling.sell(own_network, ada, Money(5_000, "EUR"), MONDAY)
        settling.pay(settling.settle(ada, "EUR", MONDAY), MONDAY)
        file = settling.statement_file(own_network, MONDAY)
        settling.take_in(northwind, Forgery(file).add("po_", "TELEPHONE").content(), MONDAY)
        line = StatementLine.objects.get(merchant=northwind, end_to_end_id="TELEPHONE")
        owed, reasons = self.left_of(line)
        assert owed == 4_500
        assert "No payout and no provider report explains the line" in reasons[0]
        others = StatementLine.objects.filter(merchant=northwind).exclude(pk=line.pk)
        assert_every_cent_is_explained(walking.explain_all(others))


class TestTenancy:
    def test_a_merchant_finds_its_own_and_nothing_of_another(self, night):
        other = factory.create_merchant("Southwind")
        currency = "EUR"
        cell = totals.cell_ref("trial", totals.short("mer", night.pk), currency, "bank")
        for thing in [*everything(night), cell]:
            walking.explain(thing, scope=Scope(night.pk), depth=1)
            with pytest.raises(NotExplained):
                walking.explain(thing, scope=Scope(other.pk))

    def test_in_its_own_scope_everything_is_explained_too(self, night):
        assert_every_cent_is_explained(walking.explain_all(everything(night), scope=Scope(night.pk)))


class TestCommand:
    def test_prints_a_tree_and_the_verdict(self, night, ada, capsys):
        payout = Payout.objects.get(batch__vendor=ada)
        call_command("explain", payout.public_id)
        text = capsys.readouterr().out
        assert f"{payout.public_id}: explained, footing 0.00 EUR, unexplained 0.00 EUR" in text
        assert "[outside]" in text
        call_command("explain", payout.public_id, "--json", "--depth", "1")
        assert '"is_complete": false' in capsys.readouterr().out

    @pytest.mark.damages
    def test_fails_when_something_is_unexplained_and_when_nothing_is_there(self, night, ada, capsys):
        payout = Payout.objects.get(batch__vendor=ada)
        line = payout.match.line_id
        tamper("DELETE FROM settlements_match WHERE payout_id = %s", payout.pk)
        with pytest.raises(CommandError, match="is not explained"):
            call_command("explain", f"bln_{line}")
        assert "UNEXPLAINED: nothing explains this line" in capsys.readouterr().out
        for nothing in (
            "bln_0",
            "po_nonsense",
            "what",
            "zzz_1",
            "acc_99999999999999",
            "cell_trial.x.EUR.bank",
        ):
            with pytest.raises(CommandError, match="nothing is known"):
                call_command("explain", nothing)


def test_text_shows_each_node_once_and_names_it_again(night):
    story = walking.explain_all(everything(night))
    lines = list(shown.as_text(story))
    assert len(lines) > len(story.nodes)
    assert any("(see above)" in line for line in lines)
