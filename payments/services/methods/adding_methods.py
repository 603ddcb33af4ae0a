"""Add a payment method: read it, seal it, and give it to the provider while its security code is at hand.

The security code lives in memory for the length of this call: it goes to the provider, whose token remembers
that it was right, and is kept nowhere by us. When the provider does not answer, the method is added without
its token, which is asked for at the first use.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.views.decorators.debug import sensitive_variables

from ledger.actors import Actor
from ledger.errors import DomainError
from ledger.ids import uuid7
from ledger.locks import phased
from ledger.recording import no_answer, record
from payments import method_locks as locks
from payments import method_selectors, news
from payments.models import PaymentMethod, ProviderToken
from payments.models.payment_choices import MethodType
from payments.providers import registry
from payments.providers.errors import ProviderUnavailable
from payments.providers.registry import ProviderNotKnown
from payments.services.calls.operations import Answer
from payments.services.routes import method_tokens, routing
from payments.services.routes.routing import NoProvider
from payments.vault import tokens
from payments.vault.errors import BadDetail
from payments.vault.instruments import Instrument, Shown


@dataclass(frozen=True, slots=True)
class ProvidersOwn:
    """A method that a provider holds: its token there, and what it says may be shown."""

    provider: str
    token: str
    shown: Shown


@dataclass(frozen=True, slots=True)
class NewMethod:
    """A payment method as a merchant wants it: `given` for the vault, or held by a provider."""

    customer_ref: str
    kind: str
    given: tokens.Given | None = None
    held: ProvidersOwn | None = None
    is_default: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)


@sensitive_variables()
def add(
    *,
    merchant_id: UUID,
    method_id: UUID,
    wanted: NewMethod,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> PaymentMethod:
    """Add a method and return it, not verified; the customer's first one is the default.

    :raises BadDetail: (or a subclass) a detail is missing, unknown or wrong.
    :raises NotSealed: :raises ExchangeKeyOver: what is encrypted does not open.
    :raises MethodRefused: the provider does not take it. :raises ProviderNotKnown: there is no such provider.
    :raises KeyStoreAway: the vault cannot be used now.
    """
    try:
        instrument = _read(wanted, at)
        token = _token(wanted, instrument)
        return _write(merchant_id, method_id, wanted, instrument, token, actor, at, answer)
    except (DomainError, IntegrityError):
        found = _answer_again(merchant_id, method_id, answer)
        if found is None:
            raise
        return found


@sensitive_variables()
def _read(wanted: NewMethod, at: datetime) -> Instrument | None:
    if wanted.held is not None:
        registry.provider(wanted.held.provider)
        return None
    if wanted.given is None:
        raise BadDetail("give the details, encrypted or in clear, or a provider's token", param="details")
    return tokens.read(wanted.given, at)


@sensitive_variables()
def _token(wanted: NewMethod, instrument: Instrument | None) -> tuple[str, str]:
    """Return a provider and its token for the method; empty when it is asked for later, or never."""
    if wanted.held is not None:
        return wanted.held.provider, wanted.held.token
    payable_as = method_tokens.routed_as(wanted.kind, is_in_vault=True)
    if instrument is None or payable_as is None:
        return "", ""
    try:
        provider = routing.choose(payable_as)
        return provider, method_tokens.token_for_new(instrument, provider)
    except (NoProvider, ProviderUnavailable, ProviderNotKnown):
        return "", ""  # the first use asks again


@sensitive_variables()
@phased
def _write(
    merchant_id: UUID,
    method_id: UUID,
    wanted: NewMethod,
    instrument: Instrument | None,
    token: tuple[str, str],
    actor: Actor,
    at: datetime,
    answer: Answer,
) -> PaymentMethod:
    locks.customer(merchant_id, wanted.customer_ref)
    standing = method_selectors.of_customer(merchant_id, wanted.customer_ref).filter(is_default=True).first()
    method = _build(merchant_id, method_id, wanted, instrument, at)
    if instrument is not None:
        method.vault_token = tokens.keep(instrument, merchant_id=merchant_id, actor=actor, at=at).token
        method.fingerprint = tokens.fingerprint(instrument, merchant_id)
    if standing is not None and wanted.is_default:
        unmake_default(merchant_id, standing.pk, actor, at)
    with record(method, actor=actor, at=at) as entry:
        method.add(is_default=wanted.is_default or standing is None)
        entry.announce(news.of_method(method))
    provider, text = token
    if text:
        ProviderToken.objects.create(
            id=uuid7(), merchant_id=merchant_id, method=method, provider=provider, token=text, created_at=at
        )
    answer(method)
    return method


def unmake_default(merchant_id: UUID, method_id: UUID, actor: Actor, at: datetime) -> None:
    """Let a default give way, in the caller's phase, before another takes its place."""
    method = locks.method(merchant_id, method_id)
    with record(method, actor=actor, at=at) as entry:
        method.unmake_default()
        entry.announce(news.of_method(method))


@sensitive_variables()
def _build(
    merchant_id: UUID, method_id: UUID, wanted: NewMethod, instrument: Instrument | None, at: datetime
) -> PaymentMethod:
    shown = instrument.shown if instrument is not None else wanted.held.shown if wanted.held else Shown()
    return PaymentMethod(
        id=method_id,
        merchant_id=merchant_id,
        customer_ref=wanted.customer_ref,
        kind=MethodType(wanted.kind).value,
        brand=shown.brand,
        last4=shown.last4,
        bin=shown.bin,
        exp_month=shown.exp_month,
        exp_year=shown.exp_year,
        holder=shown.holder,
        country=shown.country,
        institution=shown.institution,
        details=shown.details,
        metadata=wanted.metadata,
        created_at=at,
    )


@phased
def _answer_again(merchant_id: UUID, method_id: UUID, answer: Answer) -> PaymentMethod | None:
    """Return what an earlier run of the same request made."""
    if not PaymentMethod.objects.filter(merchant_id=merchant_id, pk=method_id).exists():
        return None
    method = locks.method(merchant_id, method_id)
    answer(method)
    return method
