"""kill -9 at every crash point of transfers between accounts, holds and verdicts: all of a step, or nothing.

Before the commit nothing has happened and the step can be done; after it everything has, and doing it again
finds what it made or is refused by the machine. No money is held, moved or freed twice.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest

from ledger import clock
from ledger.crashpoints import registry
from ledger.ids import uuid7
from ledger.models import Account, AmlAlert, Event, Hold, JournalEntry, Transfer
from ledger.states import StateConflict
from ledger.transfers import holding
from tests.kit.books import assert_all_invariants_hold
from tests.kit.killed import killed_at
from tests.kit.wallets import Purses

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]

LARGE = 1_000_000
WEEKS = timedelta(weeks=5)
POINTS = sorted(point for point in registry if point.startswith("account_"))


@dataclass
class Carla:
    """Her wallet, Dora's, a hold out of hers, a large transfer that waits, and the id of what she does."""

    purses: Purses = field(default_factory=Purses)
    id: UUID = field(default_factory=uuid7)

    def __post_init__(self) -> None:
        while holding.expire_due(clock.now() + WEEKS):
            pass  # what other tests left: hers must be the only one that is due
        self.wallet = self.purses.wallet("carla", 3 * LARGE)
        self.dora = self.purses.wallet("dora")
        self.hold = self.purses.hold(self.wallet, self.dora, 500)
        self.waiting = self.purses.move(self.wallet, self.dora, LARGE)
        self.alert = AmlAlert.objects.get(transfer=self.waiting)

    def transfer(self) -> object:
        return self.purses.move(self.wallet, self.dora, 700, transfer_id=self.id)

    def place(self) -> object:
        return self.purses.hold(self.wallet, self.dora, 300, hold_id=self.id)

    def commit(self) -> object:
        return self.purses.commit(self.hold, 200, transfer_id=self.id)

    def void(self) -> object:
        return self.purses.void(self.hold)

    def expire(self) -> object:
        return holding.expire_due(clock.now() + WEEKS)

    def decide(self) -> object:
        return self.purses.decide(self.alert, clear=True)

    def figures(self) -> tuple[int, int, int]:
        """Carla's balance and what of it is held, and Dora's balance."""
        balance, held, _ = self.purses.figures(self.wallet)
        return balance, held, self.purses.figures(self.dora)[0]


@dataclass(frozen=True)
class Case:
    """A step, what it changes of the figures, and whether it may be done once only."""

    step: Callable[[Carla], object]
    changes: tuple[int, int, int]
    is_refused_again: bool = False


CASES = {
    "account_transfer": Case(Carla.transfer, (-700, 0, 700)),
    "account_hold": Case(Carla.place, (0, 300, 0)),
    "account_commit": Case(Carla.commit, (-200, -200, 200)),
    "account_void": Case(Carla.void, (0, -500, 0), is_refused_again=True),
    "account_expiry": Case(Carla.expire, (0, -500, 0)),
    "account_verdict": Case(Carla.decide, (-LARGE, -LARGE, LARGE), is_refused_again=True),
}


def rows(purses: Purses) -> tuple[int, ...]:
    """Count what the merchant has of everything that a step could write twice."""
    models = (Transfer, Hold, AmlAlert, Event, JournalEntry, Account)
    return tuple(model.objects.filter(merchant_id=purses.merchant_id).count() for model in models)


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_step_happened_whole_or_not_at_all(point: str, tmp_path):
    flow, _, moment = point.partition(".")
    case, carla = CASES[flow], Carla()
    figures, counted = carla.figures(), rows(carla.purses)
    expected = tuple(was + change for was, change in zip(figures, case.changes, strict=True))

    killed_at(point, tmp_path, lambda: case.step(carla))

    is_done = moment == "after_commit"
    assert carla.figures() == (expected if is_done else figures)
    if not is_done:
        assert rows(carla.purses) == counted
        case.step(carla)
    assert carla.figures() == expected
    done = rows(carla.purses)
    if case.is_refused_again:
        with pytest.raises(StateConflict):
            case.step(carla)
    else:
        case.step(carla)
    assert (carla.figures(), rows(carla.purses)) == (expected, done)
    assert_all_invariants_hold()


def test_every_step_has_its_two_points():
    assert sorted(f"{flow}.{when}" for flow in CASES for when in ("after_commit", "before_commit")) == POINTS


def test_a_step_without_an_armed_point_lives(tmp_path):
    """The control: the harness says so when nothing was killed."""
    carla = Carla()
    with pytest.raises(AssertionError, match="came past"):
        killed_at("account_transfer.nowhere", tmp_path, carla.transfer)
    assert carla.figures()[2] == 700
