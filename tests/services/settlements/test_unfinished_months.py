"""What somebody has still to do with keeps its month in the journal, and its events, until it is done."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from fraud.models import FraudCheck
from fraud.services.screening import screen
from ledger import clock, ids, locks, outbox, partitions
from ledger.actors import staff_actor
from ledger.archives import archiving, open_ends
from ledger.chart import Code, account
from ledger.explain import walking
from ledger.journal import EntryDraft, credit, debit
from ledger.models import JournalEntry
from ledger.money import Money
from ledger.transfers.kinds import TransferType
from settlements import selectors
from settlements.models import BatchLine
from settlements.services import resolving
from settlements.services.batching import NothingToSettle
from tests.factories import disputes as told
from tests.factories import payments as rows
from tests.factories import settlements as make
from tests.factories.fraud import screening_request
from tests.kit import books, seals, settling
from tests.kit.months import OldTicks, archived, finish, key_at, month_of_its_own
from tests.kit.network import Network
from tests.kit.owner import OWNERS
from tests.kit.settling import Forgery
from tests.kit.wallets import Purses
from tests.services.payments import cast as payments

EUR, USD = "EUR", "USD"
FINN = staff_actor(7, "finn")
BANK_DAY = timedelta(days=1)


@pytest.fixture
def begins(db, monkeypatch):
    """A month long ago in which all of this test happens."""
    month = month_of_its_own()
    monkeypatch.setattr(ids, "_ticks", OldTicks(month))
    return month


def kept_by(begins) -> set[str]:
    outbox.relay_all(clock.now())
    following = (begins + timedelta(days=32)).replace(day=1)
    return {end.what for end in open_ends.of_month(begins, following)}


def stay(*subjects) -> bool:
    """Whether the events of all of these stay."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT subject_id FROM ({open_ends.unfinished_subjects()}) o")
        return {row.pk for row in subjects} <= {key for (key,) in cursor.fetchall()}


@pytest.mark.django_db
class TestWhatKeepsAMonth:
    def test_news_that_was_not_delivered(self, begins, northwind):
        payment = rows.captured_payment(northwind)
        following = (begins + timedelta(days=32)).replace(day=1)
        [news] = open_ends.of_month(begins, following)
        assert "events not delivered to their handlers: " in str(news)
        assert stay(payment)
        assert kept_by(begins) == set()
        assert not stay(payment)

    def test_a_posting_in_no_batch_until_it_is_settled_and_paid(self, begins, network, northwind, ada):
        rows.captured_payment(northwind, shares=((ada, 6_000, 600),))
        assert kept_by(begins) == {"entries with postings in no settlement batch"}
        batch = settling.settle(ada, USD, clock.now())
        assert kept_by(begins) == {"settlements not paid"}
        assert stay(batch)
        settling.pay(batch, clock.now())
        assert kept_by(begins) == set()

    def test_items_that_come_to_nothing_are_settled_with_a_batch_that_pays_nothing(self, begins, ada):
        make.sell(ada, Money(1_000, USD), commission_bps=0)
        make.refund(ada, Money(1_000, USD), from_pending=Money(1_000, USD))
        assert kept_by(begins) == {"entries with postings in no settlement batch"}
        batch = settling.settle(ada, USD, clock.now())
        assert (batch.state, batch.net_minor, batch.items, BatchLine.objects.filter(batch=batch).count()) == (
            "carried", 0, 2, 2,
        )  # fmt: skip
        told = walking.explain(batch.public_id).nodes[batch.public_id]
        assert {part.ref for part in told.parts} == {
            f"{batch.public_id}.{purpose}" for purpose in batch.lines.values_list("purpose", flat=True)
        }
        assert kept_by(begins) == set()
        partitions.make_ahead()
        books.assert_all_invariants_hold()
        with pytest.raises(NothingToSettle):
            settling.settle(ada, USD, clock.now())
        assert selectors.vendor_info(ada.merchant_id, ada.pk)[0].open.items == 0

    def test_a_dispute_that_is_open(self, begins, northwind):
        payment = rows.captured_payment(northwind)
        dispute = told.chargeback(payment)
        assert kept_by(begins) == {"open disputes"}
        assert stay(payment, dispute)
        told.follow(told.notice(payment, reference=dispute.provider_reference, version=2, standing="lost"))
        assert kept_by(begins) == set()

    def test_a_refund_that_nobody_decided(self, begins, shop, network):
        shop.refund_asked(shop.captured(), amount=2_500)
        assert kept_by(begins) == {"refunds under way"}

    def test_an_operation_of_which_nobody_knows(self, begins, northwind):
        payment = rows.captured_payment(northwind)
        assert kept_by(begins) == set()
        rows.create_operation(payment, "refund", "refund:x", outcome="unknown", concluded_at=None)
        assert kept_by(begins) == {"operations whose outcome is not known"}
        assert stay(payment)

    def test_a_callback_that_was_not_applied(self, begins, northwind):
        rows.webhook_about(rows.captured_payment(northwind))
        assert kept_by(begins) == {"callbacks not applied"}

    def test_a_hold_of_which_a_part_was_taken(self, begins):
        purses = Purses()
        carla, shop = purses.open("carla"), purses.open(code=Code.MERCHANT_BALANCE)
        bank = account(Code.BANK, purses.merchant_id, USD, "main")
        post(begins, bank, account(Code.WALLET, purses.merchant_id, USD, "carla"), 10_000)
        hold = purses.hold(carla, shop, 4_000, TransferType.PAYMENT)
        purses.commit(hold, 1_000)
        assert kept_by(begins) == {"open holds"}
        assert stay(hold)
        purses.void(hold)
        assert kept_by(begins) == set()

    def test_a_transfer_that_nobody_looked_at(self, begins):
        purses = Purses()
        carla, dora = purses.wallet("carla", 3_000_000), purses.wallet("dora")
        assert stay(purses.move(carla, dora, 1_000_000))

    def test_a_review_that_nobody_decided(self, begins, northwind):
        verdict = screen(screening_request(northwind.id, minor=1_000_001, at=clock.now()))
        assert stay(FraudCheck.objects.get(pk=verdict.check_id))

    @pytest.mark.parametrize("code", [Code.ESCROW, Code.RESERVE, Code.SUSPENSE])
    def test_money_that_was_not_released_first_in_first_out(self, begins, ada, code):
        kept = {"entries whose money is still in escrow, in reserve or unexplained"}
        owner = "" if code is Code.SUSPENSE else "order-1"
        held = account(code, ada.merchant_id, USD, owner)
        bank = account(Code.BANK, ada.merchant_id, USD, "main")
        post(begins, bank, held, 700)
        assert kept_by(begins) == kept
        post(clock.now(), held, bank, 500)
        assert kept_by(begins) == kept
        post(clock.now(), held, bank, 200)
        assert kept_by(begins) == set()
        post(clock.now(), bank, held, 50)  # of another month: the old ones were released before
        assert kept_by(begins) == set()


@pytest.fixture(params=["in three calls", "in one call"])
def sold(request, begins, own_network: Network, ada):
    """Ada sold for 100.00 EUR and was paid; the bank's statement of that day."""
    if request.param == "in one call":
        wanted = settling.wanted(own_network, ada, Money(10_000, EUR))
        payments.sold(ada.merchant, replace(wanted, capture_method="automatic", is_confirmed=True))
    else:
        settling.sell(own_network, ada, Money(10_000, EUR), clock.now())
    settling.pay(settling.settle(ada, EUR, clock.now()), clock.now())
    return settling.statement_file(own_network, clock.now(), EUR)


@pytest.mark.django_db
class TestReconciled:
    def test_a_true_statement_lets_the_month_go(self, begins, sold, northwind):
        assert kept_by(begins) == set()  # a bank that was never heard keeps nothing
        settling.take_in(northwind, sold, clock.now())
        assert kept_by(begins) == set()

    @pytest.mark.parametrize(
        ("lost", "kept"),
        [
            ("sr_", {"entries whose money no statement of the bank shows"}),
            ("po_", {"payouts that no statement of the bank shows", "open breaks"}),
        ],
    )
    def test_what_no_statement_shows_keeps_it_until_a_person_says_why(
        self, begins, sold, northwind, lost, kept
    ):
        settling.take_in(northwind, Forgery(sold).drop(lost).content(), clock.now())
        assert kept_by(begins) == kept
        for found in selectors.open_breaks(northwind.pk):
            resolving.resolve(
                merchant_id=northwind.pk, break_id=found.pk, reason="written off", actor=FINN, at=clock.now()
            )
        assert kept_by(begins) == set()

    def test_a_line_that_nothing_explains_keeps_its_statement(self, begins, sold, northwind):
        settling.take_in(northwind, Forgery(sold).add("po_", "RENT MARCH").content(), clock.now())
        assert stay(selectors.statements(northwind.pk).get())
        [found] = selectors.open_breaks(northwind.pk)
        resolving.resolve(
            merchant_id=northwind.pk, break_id=found.pk, reason="our rent", actor=FINN, at=clock.now()
        )
        assert not stay(selectors.statements(northwind.pk).get())


@pytest.mark.django_db(transaction=True, databases=OWNERS)
@pytest.mark.usefixtures("as_owner")
@pytest.mark.xdist_group("archives")
def test_the_month_is_refused_by_name_and_leaves_when_all_is_done(
    transactional_db, settings, tmp_path, monkeypatch, shop, ada, northwind
):
    settings.ARCHIVE_DIR, settings.SEAL_HEAD_FILE = tmp_path / "archive", tmp_path / "head.jsonl"
    begins = month_of_its_own()
    with monkeypatch.context() as then:
        then.setattr(ids, "_ticks", OldTicks(begins))
        made = shop.captured(vendor_split=[{"vendor_id": ada.public_id, "amount": 6_000}])
    partitions.make_ahead()
    outbox.relay_all(clock.now())
    every = archiving.due
    monkeypatch.setattr(
        archiving, "due",
        lambda at: [m for m in every(at) if m.kept.name == "journal" and m.begins == begins],
    )  # fmt: skip
    seals.unseal()
    try:
        seals.seal_everything()
        entry = JournalEntry.objects.get(source_id=ids.parse("pay", made["id"]))
        out = io.StringIO()
        call_command("archive", stdout=out)
        wanted = f"entries with postings in no settlement batch: 1 ({ids.show('jnl', entry.pk)})"
        assert f"not finished: {wanted}" in out.getvalue()
        with pytest.raises(CommandError, match="1 months were not archived"):
            call_command("archive", "run", stdout=out)
        assert f"the journal of {begins:%Y-%m} stays: {wanted}" in out.getvalue()
        assert not (tmp_path / "archive").exists()  # refused before a file was written
        assert JournalEntry.objects.filter(pk=entry.pk).exists()
        finish(ada)
        seals.seal_everything()
        assert len(archived("journal", begins)) == 2
        shop.captured(vendor_split=[{"vendor_id": ada.public_id, "amount": 4_000}])
        assert settling.settle(ada, USD, clock.now()).items == 2  # the sale and its commission, and no more
        books.assert_all_invariants_hold()
    finally:
        seals.unseal()


def post(at, debited, credited, minor: int) -> None:
    """Move money at a moment: the entry has an id of then."""
    draft = EntryDraft(
        id=key_at(at), merchant_id=debited.merchant_id, kind="funding", source_type="test",
        source_id=ids.uuid7(), step="funding", occurred_at=clock.now(),
        legs=[debit(debited, Money(minor, USD), "funding"), credit(credited, Money(minor, USD), "funding")],
    )  # fmt: skip
    with locks.phase():
        books.post([draft])
