"""Saga: a marketplace payment carried through its steps, or undone step by step; SagaStep: one of them.

The steps are written when the saga begins, with the amounts they will move, so that whoever goes on with it
after a crash divides nothing anew. What is set aside of the payment's amount (the marketplace's fee, the
sellers' parts) is counted here and bounded by a check constraint. Effects live elsewhere: in operations and
shares, each found again by a key that is derived from its step.
"""

from datetime import datetime
from uuid import UUID, uuid5

from django.db import models
from django.db.models import F, Q

from ledger.errors import NotFound
from ledger.money import Money
from ledger.recorded import Recorded
from ledger.states import StateField
from payments.states import DONE, SAGA, SAGA_STATES_OPEN, SAGA_STEP


class SagaNotFound(NotFound):
    """No such marketplace payment for this merchant."""

    code = "marketplace_payment_not_found"


class StepName(models.TextChoices):
    """What a step does; the order is that of the saga."""

    AUTHORIZE = "authorize", "Reserve the buyer's money"
    HOLD_FEE = "hold_fee", "Hold the marketplace's fee"
    ALLOCATE = "allocate", "Allocate a seller's part"
    CAPTURE = "capture", "Capture the money"
    PROVE = "prove", "Find it in the books as planned"


class Direction(models.TextChoices):
    """Whether a step does or undoes."""

    FORWARD = "forward", "does"
    BACK = "back", "undoes"


class Saga(Recorded):
    """One marketplace payment: buyer's money to several sellers, whole or not at all."""

    PREFIX = "mkp"
    SUBJECT = "saga"
    NotFound = SagaNotFound

    # Set by selectors and services: all steps, in order, those that undo after those that do.
    step_rows: list["SagaStep"]

    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    payment = models.OneToOneField("payments.Payment", on_delete=models.PROTECT, related_name="saga")
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()  # what the marketplace keeps beside its commission
    fee_held_minor = models.BigIntegerField(default=0)
    allocated_minor = models.BigIntegerField(default=0)

    state = StateField(SAGA)
    reason = models.CharField(max_length=300, blank=True)  # why it turns back, or waits for a person
    created_at = models.DateTimeField()
    deadline_at = models.DateTimeField()  # when it turns back if the money is not captured by then
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "marketplace payment"
        constraints = [
            models.CheckConstraint(
                condition=Q(fee_held_minor__gte=0, allocated_minor__gte=0)
                & Q(fee_held_minor__lte=F("fee_minor"))
                & Q(amount_minor__gte=F("fee_held_minor") + F("allocated_minor")),
                name="payments_saga_within_amount",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "id"], name="payments_saga_by_merchant"),
            models.Index(
                fields=["created_at"],
                condition=Q(state__in=["running", "compensating", "blocked"]),
                name="payments_saga_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id}, {self.state}"

    def money(self, minor: int) -> Money:
        """Return an amount in this saga's currency."""
        return Money(minor, self.currency)

    @property
    def amount(self) -> Money:
        return self.money(self.amount_minor)

    @property
    def is_open(self) -> bool:
        """A job carries it on; a blocked one waits for a person instead."""
        return bool(self.state in SAGA_STATES_OPEN)

    @SAGA.edge("begin")
    def begin(self) -> None:
        """Begin with its payment, all steps planned."""

    @SAGA.edge("advance")
    def advance(self, *, fee: Money | None = None, part: Money | None = None) -> None:
        """A step is done; it may have set the fee or a seller's part aside."""
        self.fee_held_minor += fee.minor if fee is not None else 0
        self.allocated_minor += part.minor if part is not None else 0

    @SAGA.edge("complete")
    def complete(self, at: datetime) -> None:
        """Every step is done."""
        self.closed_at = at

    @SAGA.edge("turn_back")
    def turn_back(self, reason: str) -> None:
        """Undo what was done, in reverse order."""
        self.reason = reason[:300]

    @SAGA.edge("undo_step")
    def undo_step(self, *, fee: Money | None = None, part: Money | None = None) -> None:
        """A step is undone; it may have freed the fee or a seller's part."""
        self.fee_held_minor -= fee.minor if fee is not None else 0
        self.allocated_minor -= part.minor if part is not None else 0

    @SAGA.edge("end")
    def end(self, at: datetime) -> None:
        """Everything is undone."""
        self.closed_at = at

    @SAGA.edge("block")
    def block(self, reason: str) -> None:
        """Wait for a person."""
        self.reason = reason[:300]

    @SAGA.edge("go_on")
    def go_on(self) -> None:
        """A person lets it go on forwards."""

    @SAGA.edge("go_back")
    def go_back(self) -> None:
        """A person lets the undoing go on."""


class SagaStep(Recorded):
    """One step of a saga, or the undoing of one."""

    PREFIX = "sgs"
    SUBJECT = "saga_step"

    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    saga = models.ForeignKey(Saga, on_delete=models.PROTECT, related_name="steps", db_index=False)
    position = models.PositiveSmallIntegerField()
    direction = models.CharField(max_length=8, choices=Direction.choices)
    name = models.CharField(max_length=16, choices=StepName.choices)
    vendor = models.ForeignKey(
        "vendors.Vendor", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    amount_minor = models.BigIntegerField()

    state = StateField(SAGA_STEP)
    tries = models.PositiveSmallIntegerField(default=0)
    note = models.CharField(max_length=300, blank=True)  # what came of it
    started_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["saga", "position", "direction"], name="payments_sagastep_once"),
        ]

    def __str__(self) -> str:
        return f"{self.position} {self.name} {self.direction}"

    @property
    def effect_id(self) -> UUID:
        """The id of what this step makes in this try: the same however often the try is run."""
        return uuid5(self.pk, str(self.tries))

    @property
    def is_done(self) -> bool:
        return bool(self.state == DONE)

    @SAGA_STEP.edge("plan")
    def plan(self) -> None:
        """Will be done in its turn."""

    @SAGA_STEP.edge("start")
    def start(self, at: datetime) -> None:
        """Its effect may happen from now on."""
        self.started_at = at

    @SAGA_STEP.edge("try_again")
    def try_again(self, why: str) -> None:
        """It was refused, and is tried once more under a key of its own."""
        self.tries += 1
        self.note = why[:300]

    @SAGA_STEP.edge("finish")
    def finish(self, note: str, at: datetime) -> None:
        """It is done."""
        self.note, self.closed_at = note[:300], at

    @SAGA_STEP.edge("fail")
    def fail(self, why: str, at: datetime) -> None:
        """It will not be done."""
        self.note, self.closed_at = why[:300], at

    @SAGA_STEP.edge("skip")
    def skip(self, at: datetime) -> None:
        """The saga turned back before it."""
        self.closed_at = at
