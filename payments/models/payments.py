"""Payment: one intent of a customer to pay one amount, and the guards of its moves.

The methods change fields and refuse; they never save, query or read the clock. The relations between the
amounts (I-20: refunded + refunding ≤ captured; captured + capturing ≤ authorized ≤ amount) are check
constraints too (payment_constraints.py). Card numbers are never here: only the provider's token and what it
tells of the card.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

from ledger.errors import Invalid, NotFound
from ledger.money import Money
from ledger.recording import Recorded
from ledger.states import StateField
from payments.models.payment_choices import (
    Authentication,
    CaptureMethod,
    Exemption,
    LiabilityShift,
    MethodType,
)
from payments.models.payment_constraints import CONSTRAINTS
from payments.states import PAYMENT

if TYPE_CHECKING:
    from payments.models.operations import ProviderOperation
    from payments.models.transactions import PaymentTransaction


class PaymentNotFound(NotFound):
    """No such payment for this merchant."""

    code = "payment_not_found"


class CaptureTooLarge(Invalid):
    """More would be captured than the authorization has left."""

    code = "capture_too_large"
    advice = "Capture at most what is authorized and neither captured nor being captured."


class Payment(Recorded):
    """One payment of one customer to one merchant, in one currency."""

    PREFIX = "pay"
    SUBJECT = "payment"
    NotFound = PaymentNotFound

    # Set by selectors and services, not columns: the shares in the merchant's order; an operation is open;
    # the operation that a conclusion was about; why its provider was chosen, until that is claimed.
    share_rows: list["PaymentTransaction"]
    is_processing: bool
    last_operation: "ProviderOperation"
    route_log: Any

    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    number = models.CharField(max_length=24)
    order_ref = models.CharField(max_length=100)
    customer_ref = models.CharField(max_length=100)
    merchant_reference = models.CharField(max_length=100, null=True, blank=True)
    description = models.CharField(max_length=500, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    authorized_minor = models.BigIntegerField(default=0)
    capturing_minor = models.BigIntegerField(default=0)  # asked of the provider, answer not yet known
    captured_minor = models.BigIntegerField(default=0)
    refunding_minor = models.BigIntegerField(default=0)  # spoken for by refunds that are not over
    refunded_minor = models.BigIntegerField(default=0)
    disputed_minor = models.BigIntegerField(default=0)  # withdrawn by disputes and not reinstated
    capture_count = models.PositiveSmallIntegerField(default=0)  # captures asked for; numbers their legs
    is_voiding = models.BooleanField(default=False)  # a void is under way: no capture may begin
    increasing_minor = models.BigIntegerField(default=0)  # asked for beside what is authorized
    increase_count = models.PositiveSmallIntegerField(default=0)  # numbers the legs of increases

    state = StateField(PAYMENT)
    is_confirmed = models.BooleanField(default=False)  # authorize without being asked again
    capture_method = models.CharField(max_length=10, choices=CaptureMethod.choices)
    stored_method = models.ForeignKey(
        "payments.PaymentMethod",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    method_type = models.CharField(max_length=16, choices=MethodType.choices)
    method_token = models.CharField(max_length=100)
    method_brand = models.CharField(max_length=32, blank=True)
    method_last4 = models.CharField(max_length=4, blank=True)
    method_fingerprint = models.CharField(max_length=100, blank=True)
    provider = models.CharField(max_length=32)
    provider_reference = models.CharField(max_length=100, blank=True)

    return_url = models.CharField(max_length=500, blank=True)  # where the customer goes after a challenge
    action_url = models.CharField(max_length=2000, blank=True)  # the provider's page of the challenge
    action_instructions = models.JSONField(default=dict, blank=True)  # how to pay, where no page asks for it
    authentication = models.CharField(max_length=16, choices=Authentication.choices, blank=True)
    liability_shift = models.CharField(max_length=16, choices=LiabilityShift.choices, blank=True)
    exemption = models.CharField(max_length=24, choices=Exemption.choices, blank=True)  # asked for or granted

    decline_code = models.CharField(max_length=64, blank=True)
    decline_message = models.CharField(max_length=300, blank=True)
    decline_is_hard = models.BooleanField(default=False)
    decline_retry_at = models.DateTimeField(null=True, blank=True)  # when another try makes sense and may be
    reason = models.CharField(max_length=300, blank=True)  # why it was cancelled, failed or rejected

    fraud_check_ref = models.CharField(max_length=40, blank=True)
    fraud_decision = models.CharField(max_length=16, blank=True)
    fraud_level = models.CharField(max_length=16, blank=True)
    fraud_score_millis = models.PositiveSmallIntegerField(default=0)
    fraud_reasons = models.JSONField(default=list, blank=True)

    created_at = models.DateTimeField()
    authorized_at = models.DateTimeField(null=True, blank=True)
    captured_at = models.DateTimeField(null=True, blank=True)  # when the last capture ended
    scheduled_at = models.DateTimeField(null=True, blank=True)  # when it is carried out, not before
    capture_at = models.DateTimeField(null=True, blank=True)  # when it is captured by us
    expires_at = models.DateTimeField(null=True, blank=True)  # when challenge or authorization lapses
    expiry_warned_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = CONSTRAINTS
        indexes = [
            models.Index(fields=["merchant", "id"], name="payments_payment_by_merchant"),
            models.Index(fields=["merchant", "order_ref", "id"], name="payments_payment_by_order"),
            models.Index(fields=["merchant", "customer_ref", "id"], name="payments_payment_by_customer"),
            models.Index(fields=["merchant", "state", "id"], name="payments_payment_by_state"),
            models.Index(
                fields=["provider_reference"],
                condition=~Q(provider_reference=""),
                name="payments_payment_by_provider",
            ),
            models.Index(
                fields=["expires_at"],
                condition=Q(state__in=["created", "requires_action", "authorized", "partly_captured"]),
                name="payments_payment_expiring",
            ),
            models.Index(
                fields=["captured_at"], condition=Q(state="captured"), name="payments_payment_completing"
            ),
        ]

    def __str__(self) -> str:
        return self.number

    # --- amounts ------------------------------------------------------------------------------------------
    def money(self, minor: int) -> Money:
        """Return an amount in this payment's currency."""
        return Money(minor, self.currency)

    @property
    def amount(self) -> Money:
        return self.money(self.amount_minor)

    @property
    def capturable(self) -> Money:
        """What is authorized and neither captured nor being captured."""
        return self.money(self.authorized_minor - self.captured_minor - self.capturing_minor)

    @property
    def refundable(self) -> Money:
        """What is captured and neither refunded, being refunded, nor withdrawn by a dispute."""
        spoken_for = self.refunded_minor + self.refunding_minor + self.disputed_minor
        return self.money(self.captured_minor - spoken_for)

    # --- birth --------------------------------------------------------------------------------------------
    @PAYMENT.edge("create")
    def create(self) -> None:
        """Begin, free to be authorized."""

    @PAYMENT.edge("open_review")
    def open_review(self) -> None:
        """Begin, waiting for a person's judgment."""

    @PAYMENT.edge("reject")
    def reject(self, reason: str, at: datetime) -> None:
        """Begin and end: the screening declined."""
        self.reason, self.closed_at = reason, at

    @PAYMENT.edge("approve_review")
    def approve_review(self) -> None:
        """Go on: a person approved."""
        self.fraud_decision = "approve"

    @PAYMENT.edge("decline_review")
    def decline_review(self, reason: str, at: datetime) -> None:
        """End: a person declined."""
        self.fraud_decision, self.reason, self.closed_at = "decline", reason, at

    # --- authorization ------------------------------------------------------------------------------------
    @PAYMENT.edge("authorize")
    def authorize(self, amount: Money, reference: str, at: datetime, expires_at: datetime) -> None:
        """Note what the provider reserved."""
        self.authorized_minor, self.provider_reference = amount.minor, reference
        self.authorized_at, self.expires_at = at, expires_at

    @PAYMENT.edge("reroute")
    def reroute(self, provider: str, token: str) -> None:
        """Go on with another provider, by what that calls the customer's method."""
        self.provider, self.method_token = provider, token

    @PAYMENT.edge("ask_action")
    def ask_action(self, url: str, instructions: dict[str, str], reference: str, until: datetime) -> None:
        """Wait for the customer, who must act on a page of the provider's or as instructed."""
        self.action_url, self.action_instructions = url, instructions
        self.provider_reference, self.expires_at = reference, until

    @PAYMENT.edge("finish_action")
    def finish_action(self) -> None:
        """Go on: the customer has acted, the provider will say what came of it."""

    @PAYMENT.edge("sell")
    def sell(self, amount: Money, reference: str, at: datetime) -> None:
        """Note that the provider reserved and took the whole amount in one go."""
        self.authorized_minor = self.captured_minor = amount.minor
        self.provider_reference, self.capture_count, self.is_voiding = reference, 1, False
        self.authorized_at = self.captured_at = at
        self.expires_at = None

    @PAYMENT.edge("fail")
    def fail(self, reason: str, at: datetime) -> None:
        """End without money: declined, refused, given up by the merchant, or not authenticated in time."""
        self.reason, self.closed_at, self.is_voiding = reason, at, False

    @PAYMENT.edge("authorize_late")
    def authorize_late(self, reference: str) -> None:
        """Note that the provider reserved although we had stopped; a void follows."""
        self.provider_reference = reference

    @PAYMENT.edge("ask_increase")
    def ask_increase(self, amount: Money) -> None:
        """Note that more will be asked for; nothing is captured or given back meanwhile."""
        self.increasing_minor = amount.minor
        self.increase_count += 1

    @PAYMENT.edge("increase")
    def increase(self) -> None:
        """Note that the provider reserved more: the payment is of more now."""
        self.amount_minor += self.increasing_minor
        self.authorized_minor += self.increasing_minor
        self.increasing_minor = 0

    @PAYMENT.edge("fail_increase")
    def fail_increase(self) -> None:
        """Note that the provider did not reserve more."""
        self.increasing_minor = 0

    @PAYMENT.edge("warn_of_expiry")
    def warn_of_expiry(self, at: datetime) -> None:
        """Note that the merchant was told: the authorization lapses soon."""
        self.expiry_warned_at = at

    # --- capture ------------------------------------------------------------------------------------------
    @PAYMENT.edge("ask_capture")
    def reserve_capture(self, amount: Money, *, is_final: bool) -> Money:
        """Set money aside for a capture that will be asked for, number it, and return what was set aside.

        A final capture sets aside all that is left, so that nothing can be captured beside or after it.

        :raises CaptureTooLarge: more than is left.
        """
        left = self.capturable
        if amount > left:
            raise CaptureTooLarge(
                f"{amount.display()} is more than the {left.display()} left to capture",
                param="amount",
                left=left.minor,
            )
        reserved = left if is_final else amount
        self.capturing_minor += reserved.minor
        self.capture_count += 1
        return reserved

    @PAYMENT.edge("capture_part")
    def capture_part(self, amount: Money, reserved: Money, at: datetime) -> None:
        """Take a part; more may follow."""
        self._take(amount, reserved, at)

    @PAYMENT.edge("capture")
    def capture(self, amount: Money, reserved: Money, at: datetime) -> None:
        """Take the rest, or the last part that will be taken."""
        self._take(amount, reserved, at)

    @PAYMENT.edge("fail_capture")
    def fail_capture(self, reserved: Money) -> None:
        """Note that a capture was refused; nothing was captured before."""
        self.capturing_minor -= reserved.minor

    @PAYMENT.edge("fail_part_capture")
    def fail_part_capture(self, reserved: Money) -> None:
        """Note that a further capture was refused."""
        self.capturing_minor -= reserved.minor

    @PAYMENT.edge("close_capture")
    def close_capture(self) -> None:
        """Give up what was not captured."""

    @PAYMENT.edge("release_rest")
    def release_rest(self) -> None:
        """Note that the customer's bank reserves the rest no longer."""

    # --- refunds ------------------------------------------------------------------------------------------
    @PAYMENT.edge("set_refund_aside")
    def set_refund_aside(self, amount: Money) -> None:
        """Speak for money that a refund will give back."""
        self.refunding_minor += amount.minor

    @PAYMENT.edge("free_refund")
    def free_refund(self, amount: Money) -> None:
        """Free what a refund that will not happen had spoken for."""
        self.refunding_minor -= amount.minor

    @PAYMENT.edge("refund")
    def refund(self, amount: Money) -> None:
        """Note that money went back to the customer."""
        self.refunding_minor -= amount.minor
        self.refunded_minor += amount.minor

    @PAYMENT.edge("undo_refund")
    def undo_refund(self, amount: Money) -> None:
        """Note that money which went back came to us again."""
        self.refunded_minor -= amount.minor

    # --- disputes -----------------------------------------------------------------------------------------
    @PAYMENT.edge("dispute")
    def dispute(self, amount: Money) -> None:
        """Note that a dispute took captured money from us."""
        self.disputed_minor += amount.minor

    @PAYMENT.edge("undo_dispute")
    def undo_dispute(self, amount: Money) -> None:
        """Note that money which a dispute took is ours again."""
        self.disputed_minor -= amount.minor

    # --- ends ---------------------------------------------------------------------------------------------
    @PAYMENT.edge("complete")
    def complete(self, at: datetime) -> None:
        """Nothing more is expected."""
        self.closed_at = at

    @PAYMENT.edge("cancel")
    def cancel(self, reason: str, at: datetime) -> None:
        """Stop before any money was captured."""
        self.reason, self.closed_at, self.is_voiding = reason, at, False

    @PAYMENT.edge("ask_cancel")
    def ask_cancel(self) -> None:
        """Begin to give the authorization back: no capture may begin."""
        self.is_voiding = True

    @PAYMENT.edge("fail_cancel")
    def fail_cancel(self) -> None:
        """Note that the provider did not give the authorization back."""
        self.is_voiding = False

    @PAYMENT.edge("expire")
    def expire(self, at: datetime) -> None:
        """Let an authorization lapse, or a payment that was never authorized."""
        self.closed_at = at

    @PAYMENT.edge("reverse")
    def reverse(self, reason: str, at: datetime) -> None:
        """End without money: the provider took back unasked what the customer's bank had reserved."""
        self.reason, self.closed_at = reason, at

    @PAYMENT.edge("void_late")
    def void_late(self) -> None:
        """Note that a late authorization was given back."""

    def note_method(self, brand: str, last4: str, fingerprint: str) -> None:
        """Keep what the provider tells of the card or account; what it does not tell stays as it was."""
        self.method_brand = brand[:32] or self.method_brand
        self.method_last4 = last4[:4] or self.method_last4
        self.method_fingerprint = fingerprint[:100] or self.method_fingerprint

    def note_authentication(self, result: str, liability: str, exemption: str) -> None:
        """Keep what became of the authentication; words that are not ours are left out."""
        self.authentication = result if result in Authentication.values else self.authentication
        self.liability_shift = liability if liability in LiabilityShift.values else self.liability_shift
        self.exemption = exemption if exemption in Exemption.values else self.exemption

    def note_decline(self, code: str, message: str, *, is_hard: bool, again: datetime | None = None) -> None:
        """Keep why the provider said no, and from when another try makes sense."""
        self.decline_code, self.decline_message, self.decline_is_hard = code, message[:300], is_hard
        self.decline_retry_at = again

    def _take(self, amount: Money, reserved: Money, at: datetime) -> None:
        self.capturing_minor -= reserved.minor
        self.captured_minor += amount.minor
        self.captured_at = at
