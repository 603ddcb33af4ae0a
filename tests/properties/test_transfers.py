"""Whatever is moved, held, committed, voided and expired: nothing is overdrawn, every currency sums to zero,
and what is held is what the open holds keep, by a model that knows no database."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import balances, clock
from ledger.errors import DomainError
from ledger.models import Hold
from ledger.models.transfers import HoldTooSmall
from ledger.states import StateConflict
from ledger.transfers import holding
from ledger.transfers.holding import HoldExpired
from ledger.transfers.kinds import TransferType
from ledger.transfers.movements import InsufficientFunds
from tests.kit.wallets import Purses

pytestmark = pytest.mark.django_db

START = 1_000
WALLETS = 3
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(0, 2), st.integers(1, 2), st.integers(1, 1_500)),
        st.tuples(st.just("hold"), st.integers(0, 2), st.integers(1, 2), st.integers(1, 1_500)),
        st.tuples(st.just("commit"), st.integers(0, 5), st.integers(0, 1_200)),
        st.tuples(st.just("void"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.integers(1, 90)),
    ),
    min_size=1,
    max_size=25,
)


class Model:
    """What should be, in plain numbers: balances, and the holds with what they keep."""

    def __init__(self) -> None:
        self.balance = [START] * WALLETS
        self.holds: list[dict] = []
        self.at = clock.now()

    def held(self, who: int) -> int:
        return sum(hold["keeps"] for hold in self.holds if hold["who"] == who and hold["is_open"])

    def available(self, who: int) -> int:
        return self.balance[who] - self.held(who)


class World:
    """The books beside the model: each act is done to both, and both agree on whether it may be."""

    def __init__(self) -> None:
        self.model = Model()
        self.purses = Purses()
        self.wallets = [self.purses.wallet(f"w{number}", START) for number in range(WALLETS)]
        self.rows: list[Hold] = []

    def move(self, who: int, step: int, minor: int) -> None:
        to = (who + step) % WALLETS
        wants = None if minor <= self.model.available(who) else InsufficientFunds
        if self._done(wants, self.purses.move, self.wallets[who], self.wallets[to], minor):
            self.model.balance[who] -= minor
            self.model.balance[to] += minor

    def hold(self, who: int, step: int, minor: int) -> None:
        to = (who + step) % WALLETS
        wants = None if minor <= self.model.available(who) else InsufficientFunds
        ends = (self.wallets[who], self.wallets[to], minor, TransferType.TRANSFER)
        if self._done(wants, self.purses.hold, *ends, seconds=60):
            until = self.model.at + timedelta(seconds=60)
            self.model.holds.append({"who": who, "to": to, "keeps": minor, "is_open": True, "until": until})

    def commit(self, which: int, minor: int) -> None:
        if which >= len(self.rows):
            return
        hold = self.model.holds[which]
        amount = minor or hold["keeps"]
        wants: type[DomainError] | None = None
        if not hold["is_open"]:
            wants = StateConflict
        elif hold["until"] <= self.model.at:
            wants = HoldExpired
        elif amount > hold["keeps"]:
            wants = HoldTooSmall
        if self._done(wants, self.purses.commit, self.rows[which], minor or None):
            hold["keeps"] -= amount
            hold["is_open"] = hold["keeps"] > 0
            self.model.balance[hold["who"]] -= amount
            self.model.balance[hold["to"]] += amount

    def void(self, which: int) -> None:
        if which >= len(self.rows):
            return
        hold = self.model.holds[which]
        try:
            self.purses.void(self.rows[which])
        except StateConflict:
            assert not hold["is_open"]
        else:
            assert hold["is_open"]
            hold["is_open"] = False

    def wait(self, seconds: int) -> None:
        self.model.at += timedelta(seconds=seconds)
        holding.expire_due(self.model.at)
        for hold in self.model.holds:
            hold["is_open"] = hold["is_open"] and hold["until"] > self.model.at

    def check(self) -> None:
        for who, wallet in enumerate(self.wallets):
            expected = (self.model.balance[who], self.model.held(who), self.model.available(who))
            assert self.purses.figures(wallet) == expected
            assert min(expected) >= 0
        assert balances.trial_balance(self.purses.merchant_id) == {"USD": 0}

    def _done(self, wants, act, *args, **kwargs) -> bool:
        if wants is not None:
            with pytest.raises(wants):
                act(*args, at=self.model.at, **kwargs)
            return False
        made = act(*args, at=self.model.at, **kwargs)
        if isinstance(made, Hold):
            self.rows.append(made)
        return True


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=ACTS)
def test_books_and_model_agree_whatever_is_done(acts):
    world = World()
    for name, *arguments in acts:
        getattr(world, name)(*arguments)
        world.check()
