"""Small deposits meet their lines on the bank statement: booked once; a lie on the statement is a break."""

import pytest

from ledger import balances, chart, clock
from ledger.chart import Code
from ledger.ids import uuid7
from payments.models import ProviderOperation
from payments.services.methods import verifying_methods
from settlements import selectors
from settlements.models import FundedOperation, Match
from settlements.models.reconciliation import BreakReason
from tests.factories import vendors as factory
from tests.kit import settling
from tests.kit.books import assert_all_invariants_hold
from tests.kit.settling import Forgery
from tests.services.payments.cast import KEY

pytestmark = pytest.mark.django_db


@pytest.fixture
def deposits(northwind, rails) -> list[ProviderOperation]:
    """Two small deposits that are on their way to a customer's account."""
    return sent(northwind, rails)


def sent(merchant, rails) -> list[ProviderOperation]:
    method = rails.method(merchant, "sepa")
    verifying_methods.deposit(
        merchant_id=merchant.pk, method_id=method.pk, effect_id=uuid7(), actor=KEY, at=clock.now()
    )
    made = list(ProviderOperation.objects.filter(subject_id=method.pk, kind="deposit").order_by("leg"))
    assert [one.outcome for one in made] == ["approved", "approved"]
    return made


def in_transit(merchant) -> int:
    return balances.balance(chart.account(Code.PAYOUT_IN_TRANSIT, merchant.pk, "EUR")).minor


def test_each_deposit_is_one_line(northwind, deposits, own_network):
    assert in_transit(northwind) == -sum(one.amount_minor for one in deposits)
    assert_all_invariants_hold()
    at = clock.now()
    own_network.close_day(at.date().isoformat())
    settling.fetch(northwind, at)
    assert not selectors.open_breaks(northwind.pk).exists()
    assert in_transit(northwind) == 0
    matches = Match.objects.filter(merchant=northwind, kind="operation")
    assert sorted(match.amount_minor for match in matches) == sorted(-one.amount_minor for one in deposits)
    funded = FundedOperation.objects.filter(match__merchant=northwind)
    assert {row.operation_id for row in funded} == {one.pk for one in deposits}
    assert_all_invariants_hold()


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (lambda paper, one: paper.amount(one.public_id, "7.77"), BreakReason.AMOUNT_DIFFERS),
        (lambda paper, one: paper.repeat(one.public_id), BreakReason.LINE_DUPLICATE),
    ],
)
def test_a_lie_on_the_statement_is_a_break(lie, reason, northwind, deposits, own_network):
    at = clock.now()
    paper = Forgery(settling.statement_file(own_network, at))
    lie(paper, deposits[0])
    settling.take_in(northwind, paper.content(), at)
    open_ones = selectors.open_breaks(northwind.pk)
    assert reason in {row.reason for row in open_ones}
    assert_all_invariants_hold()


def test_a_deposit_of_another_merchant_explains_nothing(northwind, rails, own_network):
    stranger = factory.create_merchant("Stranger")
    foreign = sent(stranger, rails)
    at = clock.now()
    own_network.close_day(at.date().isoformat())
    settling.fetch(northwind, at)
    reasons = [row.reason for row in selectors.open_breaks(northwind.pk)]
    assert reasons == [BreakReason.LINE_UNEXPLAINED] * len(foreign)
    assert not FundedOperation.objects.filter(operation__in=[one.pk for one in foreign]).exists()


def test_a_deposit_that_is_on_no_statement_is_missed(northwind, deposits, own_network):
    at = clock.now()
    paper = Forgery(settling.statement_file(own_network, at)).drop(deposits[0].public_id)
    settling.take_in(northwind, paper.content(), at)
    [missing] = selectors.open_breaks(northwind.pk).filter(reason=BreakReason.OPERATIONS_NOT_FUNDED)
    assert missing.amount_minor == -deposits[0].amount_minor
    assert missing.detail["deposited"] == deposits[0].amount_minor
