"""From a stored payment method to what a provider calls it: the way from the vault to a provider.

A provider gives its token once, at the first use, and it is kept with the method; then the vault stays shut.
No transaction is open while the vault is, for a provider is called with what comes out of it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.views.decorators.debug import sensitive_variables

from ledger import clock
from ledger.actors import SYSTEM, Actor
from ledger.errors import Conflict, Invalid
from ledger.ids import uuid7
from ledger.locks import phased
from payments import method_selectors, states
from payments.models import PaymentMethod, ProviderOperation, ProviderToken
from payments.models.payment_choices import MethodType
from payments.providers import registry
from payments.providers.base import Capability
from payments.providers.errors import ProviderRefused
from payments.services.routes import routing
from payments.vault import tokens
from payments.vault.instruments import Instrument, Shown

PAYABLE_AS: Final[Mapping[str, MethodType]] = {
    MethodType.CARD: MethodType.CARD,
    MethodType.DIGITAL_WALLET: MethodType.CARD,  # a wallet's token stands for a card
    MethodType.BANK_TRANSFER: MethodType.BANK_TRANSFER,
    MethodType.SEPA: MethodType.BANK_TRANSFER,
    MethodType.CRYPTO: MethodType.CRYPTO,
    MethodType.BNPL: MethodType.BNPL,
}
# Drawn by a rail of our own where one is set up and the vault has the account.
DRAWN_AS: Final[Mapping[str, MethodType]] = {
    MethodType.SEPA: MethodType.SEPA,
    MethodType.ACH: MethodType.ACH,
}


class MethodNotPayable(Invalid):
    """No provider takes payments by this kind of method."""

    code = "payment_method_not_payable"
    advice = "Pay with another method of the customer."


class MethodNotUsable(Conflict):
    """The method was removed, its verification failed, or its date is over."""

    code = "payment_method_not_usable"
    advice = "Ask the customer for another method."


class MethodOfAnother(Invalid):
    """The method belongs to another customer of the merchant."""

    code = "payment_method_of_other_customer"


class MethodRefused(Invalid):
    """The provider does not take the card or account."""

    code = "payment_method_refused"
    advice = "Ask the customer to look at the details, or for another method."


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a payment needs to know of a stored method."""

    method_id: UUID
    method_type: str
    provider: str
    token: str
    fingerprint: str
    brand: str
    last4: str


def usable(*, merchant_id: UUID, method_id: UUID, customer_ref: str, at: datetime) -> PaymentMethod:
    """Return a stored method that a customer can pay with now.

    :raises PaymentMethodNotFound: the merchant has no such method.
    :raises MethodOfAnother: it is another customer's.
    :raises MethodNotUsable: it cannot be paid with. :raises MethodNotPayable: no provider takes its kind.
    """
    method = method_selectors.method(merchant_id, method_id)
    if method.customer_ref != customer_ref:
        raise MethodOfAnother("the method is another customer's", param="payment_method")
    if method.state in (states.REMOVED, states.FAILED) or method.is_expired(at):
        why = "past its date" if method.is_expired(at) else method.state
        raise MethodNotUsable(f"the method is {why}", param="payment_method")
    payable_as(method)
    return method


def payable_as(method: PaymentMethod) -> MethodType:
    """Return what a payment by a method is routed as.

    :raises MethodNotPayable: no provider takes its kind.
    """
    found = routed_as(method.kind, is_in_vault=bool(method.vault_token))
    if method.kind == MethodType.DIGITAL_WALLET and method.institution in _own_wallets():
        return MethodType.DIGITAL_WALLET
    if method.kind in DRAWN_AS and not method.vault_token and _is_drawn_by_its_holder(method):
        return DRAWN_AS[method.kind]
    if found is None:
        raise MethodNotPayable(f"no provider takes {method.kind}", param="payment_method")
    return found


def routed_as(kind: str, *, is_in_vault: bool) -> MethodType | None:
    """Return what a payment by a kind of method is routed as; None when no provider takes it."""
    own = DRAWN_AS.get(kind)
    if own is not None and is_in_vault and registry.able(Capability(own.value), Capability.BY_FILE):
        return own
    return PAYABLE_AS.get(kind)


def _is_drawn_by_its_holder(method: PaymentMethod) -> bool:
    """Say whether one of the providers that know the method draws on accounts."""
    drawing = registry.able(Capability(DRAWN_AS[method.kind].value))
    return not tokens_at(method).keys().isdisjoint(drawing)


def _own_wallets() -> list[str]:
    """Return the wallets that are a provider's own, not a way to a card; such a wallet has its name."""
    return registry.able(Capability.DIGITAL_WALLET)


def tokens_at(method: PaymentMethod) -> dict[str, str]:
    """Return what the providers that know a method call it."""
    return dict(ProviderToken.objects.filter(method=method).values_list("provider", "token"))


def holders(method: PaymentMethod, known: Collection[str]) -> frozenset[str]:
    """Return the providers that can carry payments by a method: those that know it, and where the vault has
    it, those that give tokens for its kind and those whose files are written from it."""
    if not method.vault_token:
        return frozenset(known)
    given = [name for name in registry.able(Capability.TOKENIZE) if registry.tokenizes(name, method.kind)]
    return frozenset(known) | frozenset(given) | frozenset(registry.able(Capability.BY_FILE))


def resolve(
    method: PaymentMethod, provider: str, known: Mapping[str, str], *, actor: Actor, at: datetime
) -> Resolved:
    """Return what a payment needs to know of a usable method at a provider; outside transactions.

    :raises ProviderUnavailable: the provider does not answer. :raises MethodRefused: it does not take it.
    :raises MethodNotPayable: it can be given no such method.
    """
    return Resolved(
        method_id=method.pk,
        method_type=payable_as(method),
        provider=provider,
        token=known.get(provider) or token_of(method, provider, actor=actor, at=at),
        fingerprint=method.fingerprint,
        brand=method.brand,
        last4=method.last4,
    )


def provider_of(method: PaymentMethod) -> str:
    """Return the provider that is asked about a method: the one that alone knows it, or the first.

    :raises MethodNotPayable: no provider takes its kind. :raises NoProvider: none can now.
    """
    kind = payable_as(method)
    known = ProviderToken.objects.filter(method=method).order_by("created_at", "id").first()
    if known is not None and not method.vault_token:
        return known.provider  # only this provider has it: there is nothing that another could be given
    return routing.choose(kind)


@sensitive_variables()
def token_of(method: PaymentMethod, provider: str, *, actor: Actor, at: datetime) -> str:
    """Return what a provider calls a method, asking it for a token once.

    :raises MethodNotPayable: it gives none. :raises ProviderUnavailable: it does not answer.
    :raises MethodRefused: it does not take the method.
    """
    if method.vault_token and Capability.BY_FILE in registry.provider(provider).capabilities:
        return method.vault_token  # opened when the file is written; nobody outside is told before
    known = method_selectors.provider_token(method.pk, provider)
    if known:
        return known
    tokenizer = registry.tokenizer(provider)
    if tokenizer is None or not method.vault_token:
        raise MethodNotPayable(f"{provider} does not know the method", param="payment_method")

    def ask(instrument: Instrument) -> str:
        return tokenizer.tokenize(instrument.secret, "")

    try:
        token = tokens.use(
            method.vault_token, Shown(), ask,
            merchant_id=method.merchant_id, purpose=f"token of {provider}", actor=actor, at=at,
        )  # fmt: skip
    except ProviderRefused as error:
        raise MethodRefused(f"{provider} does not take the method", param="payment_method") from error
    return _keep(method, provider, token, at)


@sensitive_variables()
def token_for_new(instrument: Instrument, provider: str) -> str:
    """Return a provider's token for an instrument that is just being added, with its security code.

    Empty when the provider gives none. The security code is not kept by anybody here.

    :raises ProviderUnavailable: it does not answer. :raises MethodRefused: it does not take the instrument.
    """
    tokenizer = registry.tokenizer(provider)
    if tokenizer is None:
        return ""
    try:
        return tokenizer.tokenize(instrument.secret, instrument.code)
    except ProviderRefused as error:
        raise MethodRefused(f"{provider} does not take the method") from error


@sensitive_variables()
def destination(operation: ProviderOperation) -> dict[str, str]:
    """Return the bank account of a small deposit, for the one call that makes it."""

    def account(instrument: Instrument) -> dict[str, str]:
        secret = instrument.secret
        named = {"iban": secret["iban"]} if "iban" in secret else {"account": secret["account_number"]}
        return {"holder": secret["holder"], **named, "country": str(operation.request["country"])}

    return tokens.use(
        str(operation.request["vault_token"]), Shown(), account,
        merchant_id=operation.merchant_id, purpose=f"deposit {operation.public_id}", actor=SYSTEM,
        at=clock.now(),
    )  # fmt: skip


@phased
def _keep(method: PaymentMethod, provider: str, token: str, at: datetime) -> str:
    """Keep a provider's token; the one of whoever was quicker stays."""
    row = ProviderToken(
        id=uuid7(), merchant_id=method.merchant_id, method=method, provider=provider, token=token,
        created_at=at,
    )  # fmt: skip
    ProviderToken.objects.bulk_create([row], ignore_conflicts=True)
    return method_selectors.provider_token(method.pk, provider) or token
