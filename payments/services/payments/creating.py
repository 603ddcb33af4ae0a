"""Create a payment: check the split, quote its commission in one go, screen it, then write it down.

1. Reading and quoting come first, outside the phase.
2. One phase screens and writes the payment, its shares and their events: who is judged at the same moment by
   the same card or customer waits for the other's payment. It begins as created, under review or rejected.
   A payment that is to be paid at once has the authorization claimed in that phase (`paying.py`), one with a
   date has the job that will carry it out.
3. A second run with the same id finds the first one's work, whatever has changed since.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError

from fraud.engine.types import Decision, ScreeningRequest, Verdict
from fraud.services import screening
from ledger import crashpoints, jobs, locks, reading, writing
from ledger.actors import Actor
from ledger.crashpoints import crashpoint
from ledger.errors import Conflict, DomainError, Invalid
from ledger.ids import show
from ledger.locks import phased
from ledger.money import Money
from ledger.recording import no_answer, record
from ledger.writing import gathered
from payments import locks as payment_locks
from payments import news, numbers, selectors, states
from payments.models import Payment, PaymentTransaction, ProviderOperation
from payments.models.payment_choices import CaptureMethod
from payments.rules.share_division import SplitInvalid, SplitTooLarge
from payments.services.calls.operations import Answer
from payments.services.payment_wishes import NewPayment, WantedShare
from payments.services.routes import choosing, routing
from vendors import selectors as vendor_selectors
from vendors.commission import CommissionQuote
from vendors.models.vendors import VendorNotFound
from vendors.services import commissions

SHARES_MAX: Final = 50
AUTHORIZE_JOB: Final = "payments.authorize"  # once per payment: on its date, or after a review
Begin = Callable[[Payment], ProviderOperation]
REJECTED_BY_SCREENING: Final = "declined by the fraud screening"

crashpoints.register("create.after_screening", "create.before_commit", "create.after_commit")


class DateInvalid(Invalid):
    """A date on which a payment cannot be carried out or captured."""

    code = "date_invalid"
    advice = "Name a date in the future; capture while the authorization stands."


class VendorNotActive(Invalid):
    """A vendor who may not sell now."""

    code = "vendor_not_active"
    advice = "Only active vendors can have a share of a payment."


class MerchantReferenceTaken(Conflict):
    """Another payment of this merchant has the reference."""

    code = "merchant_reference_taken"
    advice = "Use a reference once; fetch the payment that has it."


def create(
    *,
    merchant_id: UUID,
    payment_id: UUID,
    wanted: NewPayment,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
    begin: Begin | None = None,
) -> Payment:
    """Create a payment, screened, with its split and the commission frozen; return it.

    `begin` claims what is to follow in the same phase, when the payment may go on; it is answered then, not
    here.

    :raises DateInvalid: its dates cannot be kept.
    :raises SplitTooLarge: :raises SplitInvalid: :raises VendorNotActive: the split cannot be.
    :raises VendorNotFound: a vendor is not this merchant's.
    :raises MerchantReferenceTaken: another payment has the reference.
    :raises DomainError: a stored method cannot be paid with (`method_tokens`).
    :raises CurrencyMismatch: a share is in another currency.
    """
    try:
        _check_dates(wanted, at)
        wanted, route = choosing.choose(merchant_id, payment_id, wanted, actor, at)
        quotes = _quotes(merchant_id, wanted, at)
        number = numbers.take(merchant_id, numbers.PAYMENT, at)
        write = partial(
            _screen_and_write,
            merchant_id,
            payment_id,
            number,
            wanted,
            quotes,
            route,
            actor=actor,
            at=at,
            answer=answer,
            begin=begin,
        )
        try:
            payment = write()
        except screening.FactsTooSlow:
            payment = write(with_facts=False)
    except (DomainError, IntegrityError) as error:
        return _found_again(merchant_id, payment_id, error, answer)
    crashpoint("create.after_commit")
    return payment


def _check_dates(wanted: NewPayment, at: datetime) -> None:
    """Refuse dates that are over, too far away, or not of the capture that is wanted."""
    latest = at + timedelta(days=settings.PAYMENT_SCHEDULE_DAYS)
    begins = wanted.scheduled_at or at
    if wanted.scheduled_at is not None and not at < wanted.scheduled_at <= latest:
        raise DateInvalid(f"scheduled_date must lie before {latest.isoformat()}", param="scheduled_date")
    if (wanted.capture_method == CaptureMethod.SCHEDULED) != (wanted.capture_at is not None):
        raise DateInvalid("capture_at goes with capture_method scheduled", param="capture_at")
    lapses = begins + timedelta(days=settings.PAYMENT_AUTHORIZATION_DAYS)
    if wanted.capture_at is not None and not begins < wanted.capture_at <= lapses:
        raise DateInvalid(f"capture_at must lie before {lapses.isoformat()}", param="capture_at")


def _quotes(merchant_id: UUID, wanted: NewPayment, at: datetime) -> list[CommissionQuote]:
    """Check the split and return the commission of each share, in order."""
    vendor_ids = [share.vendor_id for share in wanted.shares]
    if len(vendor_ids) > SHARES_MAX or len(set(vendor_ids)) < len(vendor_ids):
        raise SplitInvalid(f"a split names each vendor once, at most {SHARES_MAX}", param="vendor_split")
    if any(not share.amount.is_positive for share in wanted.shares):
        raise SplitInvalid("every share is of a positive amount", param="vendor_split")
    total = sum((share.amount for share in wanted.shares), Money.zero(wanted.amount.currency))
    if total > wanted.amount:
        raise SplitTooLarge(
            f"the shares sum to {total.display()}, the payment is of {wanted.amount.display()}",
            param="vendor_split",
        )
    if not vendor_ids:
        return []
    vendors, rules = vendor_selectors.sellers(merchant_id, vendor_ids)
    for vendor_id in vendor_ids:
        vendor = vendors.get(vendor_id)
        if vendor is None:
            raise VendorNotFound("the merchant has no such vendor", param="vendor_split")
        if not vendor.is_active:
            raise VendorNotActive(f"vendor {vendor.public_id} cannot sell now", param="vendor_split")
    sales = [(vendors[share.vendor_id], share.amount) for share in wanted.shares]
    return commissions.quote_by(rules, sales, at)


def _request(merchant_id: UUID, payment_id: UUID, wanted: NewPayment, at: datetime) -> ScreeningRequest:
    return ScreeningRequest(
        merchant_id=merchant_id,
        payment_ref=show(Payment.PREFIX, payment_id),
        amount=wanted.amount,
        at=at,
        customer_ref=wanted.customer_ref,
        method_fingerprint=wanted.method_fingerprint or wanted.method_token,
        ip=wanted.customer.ip,
        country=wanted.customer.country,
        email=wanted.customer.email,
    )


@gathered
def _screen_and_write(
    merchant_id: UUID,
    payment_id: UUID,
    number: str,
    wanted: NewPayment,
    quotes: Sequence[CommissionQuote],
    route: routing.Decision,
    *,
    actor: Actor,
    at: datetime,
    answer: Answer,
    begin: Begin | None,
    with_facts: bool = True,
) -> Payment:
    verdict = screening.screen_here(_request(merchant_id, payment_id, wanted, at), with_facts=with_facts)
    crashpoint("create.after_screening")
    payment = _build(merchant_id, payment_id, number, wanted, verdict, at)
    payment.provider, payment.route_log = route.provider, route.log
    shares = _build_shares(payment, wanted.shares, quotes, at)
    with record(payment, *shares, actor=actor, at=at) as entry:
        match verdict.decision:
            case Decision.APPROVE:
                payment.create()
            case Decision.REVIEW:
                payment.open_review()
            case Decision.DECLINE:
                payment.reject(REJECTED_BY_SCREENING, at)
        for share in shares:
            if payment.state == states.REJECTED:
                share.reject(REJECTED_BY_SCREENING, at)
            else:
                share.create()
            entry.announce(news.of_share(share), subject=share)
        entry.announce(news.of_payment(payment, shares=[news.of_share(share) for share in shares]))
    payment.share_rows, payment.is_processing = shares, False
    if begin is not None and payment.state == states.CREATED:
        payment.last_operation = begin(payment)
    else:
        if payment.scheduled_at is not None and payment.state == states.CREATED:
            jobs.schedule(AUTHORIZE_JOB, str(payment.pk), payment.scheduled_at)
        writing.flush()  # what was made before, or a reference that is taken, is refused before the answer
        answer(payment)
    locks.before_commit(lambda: crashpoint("create.before_commit"))
    return payment


def _build(
    merchant_id: UUID, payment_id: UUID, number: str, wanted: NewPayment, verdict: Verdict, at: datetime
) -> Payment:
    return reading.new(
        Payment,
        id=payment_id,
        merchant_id=merchant_id,
        number=number,
        order_ref=wanted.order_ref,
        customer_ref=wanted.customer_ref,
        merchant_reference=wanted.merchant_reference,
        description=wanted.description,
        metadata=wanted.metadata,
        currency=wanted.amount.currency,
        amount_minor=wanted.amount.minor,
        is_confirmed=wanted.is_confirmed,
        capture_method=wanted.capture_method,
        method_type=wanted.method_type,
        method_token=wanted.method_token,
        method_fingerprint=wanted.method_fingerprint,
        method_brand=wanted.method_brand,
        method_last4=wanted.method_last4,
        stored_method_id=wanted.method_id,
        fraud_check_ref=verdict.public_id,
        fraud_decision=verdict.decision,
        fraud_level=verdict.level,
        fraud_score_millis=verdict.score,
        fraud_reasons=verdict.reason_codes,
        created_at=at,
        scheduled_at=wanted.scheduled_at,
        capture_at=wanted.capture_at,
        return_url=wanted.return_url,
        exemption=wanted.exemption,
        expires_at=(wanted.scheduled_at or at) + timedelta(hours=settings.PAYMENT_UNUSED_HOURS),
    )


def _build_shares(
    payment: Payment, wanted: Sequence[WantedShare], quotes: Sequence[CommissionQuote], at: datetime
) -> list[PaymentTransaction]:
    shares = [
        reading.new(
            PaymentTransaction,
            merchant_id=payment.merchant_id,
            payment_id=payment.pk,
            vendor_id=share.vendor_id,
            position=position,
            currency=payment.currency,
            amount_minor=share.amount.minor,
            commission_rate_bps=quote.rate_bps,
            commission_fixed_minor=quote.fixed_minor,
            commission_rule_id=quote.rule_id,
            commission_minor=quote.commission.minor,
            created_at=at,
        )
        for position, (share, quote) in enumerate(zip(wanted, quotes, strict=True))
    ]
    for made in shares:
        made.payment = payment
    return shares


def _found_again(merchant_id: UUID, payment_id: UUID, error: Exception, answer: Answer) -> Payment:
    """Return what an earlier run of the same request made; without any, raise what went wrong."""
    payment = _answer_again(merchant_id, payment_id, answer)
    if payment is not None:
        return payment
    cause = error.__cause__
    name = getattr(getattr(cause, "diag", None), "constraint_name", "") or ""
    if name == "payments_payment_merchant_reference":
        raise MerchantReferenceTaken(
            "another payment has this merchant_reference", param="merchant_reference"
        ) from error
    raise error


@phased
def _answer_again(merchant_id: UUID, payment_id: UUID, answer: Answer) -> Payment | None:
    if not Payment.objects.filter(merchant_id=merchant_id, pk=payment_id).exists():
        return None
    payment = payment_locks.payment(merchant_id, payment_id)
    payment.share_rows = selectors.shares_of(payment)
    payment.is_processing = selectors.has_open_operation(payment_id)
    answer(payment)
    return payment
