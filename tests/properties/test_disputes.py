"""Whatever providers tell and merchants refund, in whatever order: every law of the house holds after it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from ledger.actors import SYSTEM
from ledger.ids import uuid7
from payments.models import Dispute, Payment
from payments.rules.refund_division import RefundTooLarge
from payments.services.refunds import requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from tests.factories import disputes as told
from tests.factories import payments as rows
from tests.factories import vendors as factory
from tests.kit.books import assert_all_invariants_hold

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]
AMOUNT = 9_973
WHICH = some.integers(0, 1)
STEP = some.one_of(
    some.tuples(some.just("withdrawal"), WHICH, some.integers(1, AMOUNT), some.integers(0, 900)),
    some.tuples(some.just("reinstatement"), WHICH, some.integers(1, 100), some.integers(-900, 0)),
    some.tuples(some.just("standing"), some.integers(0, 1), some.sampled_from(["won", "lost", "closed"])),
    some.tuples(some.just("refund"), some.integers(1, AMOUNT)),
    some.tuples(some.just("policy"), some.sampled_from(["kept", "given_back"]),
                some.sampled_from(["vendors", "merchant"])),
)  # fmt: skip


class Story:
    """A payment, what its provider has told of two disputes, and what its merchant wants."""

    def __init__(self, shares: list[int]) -> None:
        self.merchant = factory.create_merchant("Northwind")
        vendors = [factory.create_vendor(self.merchant, f"Vendor {number}") for number in range(len(shares))]
        split = [(vendor, share, share // 7) for vendor, share in zip(vendors, shares, strict=True)]
        self.payment = rows.captured_payment(self.merchant, amount=AMOUNT, shares=split)
        self.movements: list[list] = [[], []]
        self.versions = [0, 0]
        self.standings = ["open", "open"]

    def happen(self, step) -> None:
        match step:
            case ("withdrawal", which, minor, fee):
                self._move(which, told.movement("withdrawal", minor, fee))
            case ("reinstatement", which, percent, fee):
                held = self._held(which) * percent // 100
                if held:
                    self._move(which, told.movement("reinstatement", held, fee))
            case ("standing", which, word):
                self.standings[which] = word
                self._tell(which)
            case ("refund", minor):
                wish = RefundWish(refund_id=uuid7(), payment_id=self.payment.pk, amount_minor=minor)
                try:
                    requesting_refunds.request(
                        merchant_id=self.merchant.pk, wish=wish, actor=SYSTEM, at=told.AT
                    )
                except RefundTooLarge:
                    return
            case ("policy", commission, bearer):
                self.merchant.commission_on_return, self.merchant.dispute_bearer = commission, bearer
                self.merchant.save()

    def _held(self, which: int) -> int:
        signs = {"withdrawal": 1, "reinstatement": -1}
        return sum(signs[one.kind] * one.amount.minor for one in self.movements[which])

    def _move(self, which: int, movement) -> None:
        self.movements[which].append(movement)
        self._tell(which)

    def _tell(self, which: int) -> None:
        self.versions[which] += 1
        told.follow(
            told.notice(
                self.payment, reference=f"dp_{which}_{self.payment.pk.hex}", version=self.versions[which],
                standing=self.standings[which], amount=AMOUNT, movements=self.movements[which],
            )
        )  # fmt: skip


@settings(
    max_examples=12, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    shares=some.sampled_from([[], [AMOUNT], [6_000, 3_000], [3_333, 3_333, 3_307]]),
    steps=some.lists(STEP, min_size=1, max_size=8),
)
def test_every_law_holds_after_any_story(shares, steps):
    story = Story(shares)
    for step in steps:
        story.happen(step)
    now = Payment.objects.get(pk=story.payment.pk)
    assert now.refunded_minor + now.refunding_minor + now.disputed_minor <= now.captured_minor
    for which, dispute in enumerate(Dispute.objects.filter(payment=now).order_by("provider_reference")):
        assert dispute.withheld_minor == story._held(int(dispute.provider_reference[3])), which
    assert_all_invariants_hold()
