"""Before a payment is written: which provider shall carry it, and what that calls the customer's method.

Nothing is open here: Valkey, the vault and a provider may be asked.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from ledger.actors import Actor
from ledger.errors import DomainError
from payments.models import Payment, PaymentMethod
from payments.providers.errors import ProviderUnavailable
from payments.services.payment_wishes import NewPayment
from payments.services.routes import method_tokens, routing
from payments.services.routes.method_tokens import Resolved
from payments.services.routes.routing import Decision, NoProvider, Wanted


def choose(
    merchant_id: UUID, payment_id: UUID, wanted: NewPayment, actor: Actor, at: datetime
) -> tuple[NewPayment, Decision]:
    """Return the wish with type and token of the stored method that it names, if any, and the route.

    :raises DomainError: a stored method cannot be paid with. :raises NoProvider: no provider can carry it.
    """
    if wanted.method_id is None:
        return wanted, routing.decide(_asked(merchant_id, payment_id, wanted))
    method = method_tokens.usable(
        merchant_id=merchant_id, method_id=wanted.method_id, customer_ref=wanted.customer_ref, at=at
    )
    known = method_tokens.tokens_at(method)
    asked = replace(
        _asked(merchant_id, payment_id, wanted),
        method_type=method_tokens.payable_as(method),
        brand=method.brand,
        country=method.country or wanted.customer.country,
        holders=method_tokens.holders(method, known),
    )
    decision, found = _first_that_takes(asked, method, known, actor, at)
    with_method = replace(
        wanted,
        method_type=found.method_type,
        method_token=found.token,
        method_fingerprint=found.fingerprint,
        method_brand=found.brand,
        method_last4=found.last4,
    )
    return with_method, decision


def _first_that_takes(
    asked: Wanted, method: PaymentMethod, known: Mapping[str, str], actor: Actor, at: datetime
) -> tuple[Decision, Resolved]:
    """Return the best route whose provider has the method or takes it now; giving it moves no money."""
    refused: dict[str, str] = {}
    first_error: DomainError | None = None
    while True:
        try:
            decision = routing.decide(asked, without=refused)
        except NoProvider:
            if first_error is not None:
                raise first_error from None
            raise
        try:
            found = method_tokens.resolve(method, decision.provider, known, actor=actor, at=at)
        except (ProviderUnavailable, method_tokens.MethodRefused) as error:
            refused[decision.provider] = f"gave no token: {error.code}"
            first_error = first_error or error
            continue
        log = {**decision.log, "excluded": {**decision.log["excluded"], **refused}}
        return replace(decision, log=log), found


def asked_of(payment: Payment, method: PaymentMethod | None = None, known: Collection[str] = ()) -> Wanted:
    """Return what routing must know of a payment that is written, with the stored method it is paid by."""
    return Wanted(
        merchant_id=payment.merchant_id,
        payment_id=payment.pk,
        method_type=payment.method_type,
        amount=payment.amount,
        brand=payment.method_brand,
        country=method.country if method is not None else "",
        capture_method=payment.capture_method,
        token="" if method is not None else payment.method_token,
        holders=None if method is None else method_tokens.holders(method, known),
    )


def _asked(merchant_id: UUID, payment_id: UUID, wanted: NewPayment) -> Wanted:
    return Wanted(
        merchant_id=merchant_id,
        payment_id=payment_id,
        method_type=wanted.method_type,
        amount=wanted.amount,
        brand=wanted.method_brand,
        country=wanted.customer.country,
        capture_method=wanted.capture_method,
        token=wanted.method_token if wanted.method_id is None else "",
    )
