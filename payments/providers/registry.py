"""Name -> adapter, built from settings on first use: the only place that names all adapters."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings

from ledger.errors import NotFound
from payments.providers.adyen.client import Adyen
from payments.providers.bank_files import BankRail
from payments.providers.base import (
    VAULT_TOKEN,
    BankConnection,
    Capability,
    Finisher,
    Provider,
    Tokenizer,
    Verifier,
)
from payments.providers.breaker import Guard
from payments.providers.paypal.certificates import Certificates, Trust
from payments.providers.paypal.client import PayPal
from payments.providers.paypal.wire import Wire
from payments.providers.rails.client import Ach, Credits, Sepa, credits_name
from payments.providers.rails.iso20022 import Creditor
from payments.providers.rails.nacha import Originator
from payments.providers.rails.transfers import Check
from payments.providers.rails.transfers import Wire as WireTransfer
from payments.providers.ratefeed.client import RateFeed
from payments.providers.requests import asked_as
from payments.providers.stripe.client import Stripe
from payments.providers.transport import Timeouts, Transport
from payments.providers.velocitypay.client import VelocityPay

DEFAULT = VelocityPay.name


class ProviderNotKnown(NotFound):
    """No adapter has this name."""

    code = "provider_not_known"


def provider(name: str = DEFAULT) -> Provider:
    """The adapter of a name; one per process, its breaker and pool with it.

    :raises ProviderNotKnown: no such adapter.
    """
    with _lock:
        if name not in _built:
            if name not in names():
                raise ProviderNotKnown(f"no provider is named {name!r}")
            _built[name] = _builders()[name]()
        return _built[name]


def tokenizer(name: str) -> Tokenizer | None:
    """The adapter of a name when it gives tokens for methods that we send it; None when it does not."""
    adapter: Any = provider(name)
    return adapter if Capability.TOKENIZE in adapter.capabilities else None


def tokenizes(name: str, kind: str) -> bool:
    """Say whether an adapter can be given a stored method of a kind: those that do not say take any."""
    limited: frozenset[str] | None = getattr(provider(name), "tokenizes", None)
    return limited is None or kind in limited


def verifier(name: str) -> Verifier:
    """The adapter of a name, which can tell whether a method is good.

    :raises ProviderNotKnown: no such adapter, or it cannot.
    """
    adapter: Any = provider(name)
    if Capability.VERIFY not in adapter.capabilities:
        raise ProviderNotKnown(f"{name} verifies no methods")
    return adapter


def finisher(name: str) -> Finisher | None:
    """The adapter of a name when it must be told that a payer is back from its page; None when not."""
    adapter: Any = provider(name)
    return adapter if hasattr(adapter, "finish") else None


def where_to_look(name: str, kind: str, key: str) -> str:
    """Say where a person sees what became of an operation whose provider cannot be asked; empty where it can,
    or is not set up."""
    adapter: Any = provider(name) if name in names() else None
    return adapter.where_to_look(*asked_as(kind, key)) if hasattr(adapter, "where_to_look") else ""


def rate_feed() -> RateFeed:
    """The feed of exchange rates; one per process."""
    with _lock:
        if not _feed:
            _feed.append(_rate_feed())
        return _feed[0]


def names() -> list[str]:
    """The names of all adapters that are set up."""
    return sorted(name for name in _builders() if _NEEDED.get(name, lambda: True)())


def known() -> list[str]:
    """The names of all adapters there are, set up or not."""
    return sorted(_builders())


def bank(name: str) -> BankConnection:
    """The bank that a provider offers.

    :raises ProviderNotKnown: no such adapter, or it offers none.
    """
    found = provider(name)
    if not isinstance(found, VelocityPay):
        raise ProviderNotKnown(f"{name!r} offers no bank")
    return found.bank


def rails() -> list[str]:
    """The names of the adapters whose operations go by file."""
    return able(Capability.BY_FILE)


def rail(name: str) -> BankRail:
    """The adapter of a name, whose operations go by file.

    :raises ProviderNotKnown: no such adapter, or its do not.
    """
    adapter: Any = provider(name)
    if Capability.BY_FILE not in adapter.capabilities:
        raise ProviderNotKnown(f"{name!r} moves nothing by file")
    return adapter


def owner_of(token: str) -> str | None:
    """The name of the adapter whose token this is; None when its look does not say, or our vault made it."""
    if VAULT_TOKEN.fullmatch(token):
        return None
    return next((name for name in names() if token.startswith(provider(name).token_prefixes)), None)


def report_named(remittance: str) -> tuple[str, str] | None:
    """The provider and its settlement report that a bank line's remittance names, if it names one."""
    for name in names():
        pattern = provider(name).report_in_remittance
        found = pattern.search(remittance) if pattern else None
        if found:
            return name, found[1]
    return None


def fees_come_by_report(name: str) -> bool:
    """Say whether a provider tells what it charges in its settlement report alone."""
    return getattr(provider(name), "fees_come_by_report", False) is True


def able(*capabilities: Capability) -> list[str]:
    """The names of the adapters that have all these capabilities."""
    return [name for name in names() if provider(name).capabilities >= set(capabilities)]


def reset() -> None:
    """Forget the built adapters, so that changed settings are read again (tests)."""
    with _lock:
        _built.clear()
        _feed.clear()


def _velocitypay() -> VelocityPay:
    transport = _transport(VelocityPay.name, settings.VELOCITYPAY_URL, settings.VELOCITYPAY_API_KEY)
    return VelocityPay(transport, settings.VELOCITYPAY_WEBHOOK_SECRET.split())


def _stripe() -> Stripe:
    transport = _transport(Stripe.name, settings.STRIPE_URL, settings.STRIPE_API_KEY)
    return Stripe(
        transport, settings.STRIPE_URL, settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET.split()
    )


def _paypal() -> PayPal:
    transport = _transport(PayPal.name, settings.PAYPAL_URL, "")
    trust = Trust(
        settings.PAYPAL_CERTIFICATE_URL, settings.PAYPAL_CERTIFICATE_NAME, settings.PAYPAL_CERTIFICATE_ROOTS
    )
    return PayPal(
        Wire(transport, settings.PAYPAL_CLIENT_ID, settings.PAYPAL_CLIENT_SECRET),
        Certificates(transport, trust),
        settings.PAYPAL_WEBHOOK_ID.split(),
        settings.PAYPAL_RETURN_URL,
    )


def _adyen() -> Adyen:
    return Adyen(
        _transport(Adyen.name, settings.ADYEN_URL, ""),
        api_key=settings.ADYEN_API_KEY,
        account=settings.ADYEN_MERCHANT_ACCOUNT,
        hmac_keys=settings.ADYEN_HMAC_KEY.split(),
        return_url=settings.ADYEN_RETURN_URL,
        ca_url=settings.ADYEN_CA_URL,
        is_live="-live." in settings.ADYEN_URL,  # {prefix}-checkout-live.adyenpayments.com
    )


def _ach() -> Ach:
    originator = Originator(
        settings.ACH_BANK_ROUTING, settings.ACH_BANK_NAME, settings.ACH_COMPANY_ID, settings.ACH_COMPANY_NAME
    )
    return Ach(_bank_desk(Ach.name), settings.ACH_RETURN_FEE_MINOR, originator)


def _sepa() -> Sepa:
    creditor = Creditor(settings.SEPA_CREDITOR_NAME, settings.SEPA_CREDITOR_IBAN, settings.SEPA_CREDITOR_ID)
    return Sepa(_bank_desk(Sepa.name), settings.SEPA_RETURN_FEE_MINOR, creditor)


def _credits(currency: str) -> Credits:
    account = settings.RECEIVING_ACCOUNTS[currency]
    return Credits(
        _bank_desk(credits_name(currency)), currency, Creditor(settings.RECEIVING_HOLDER, account, "")
    )


def _wire() -> WireTransfer:
    details = {"beneficiary": settings.RECEIVING_HOLDER}
    return WireTransfer(settings.RECEIVING_ACCOUNTS, details, settings.RECEIVING_DAYS)


def _check() -> Check:
    details = {"payable_to": settings.RECEIVING_HOLDER, "send_to": settings.CHECK_ADDRESS}
    return Check(settings.RECEIVING_ACCOUNTS, details, settings.RECEIVING_DAYS)


def _bank_desk(name: str) -> Transport:
    return _transport(name, settings.RAILS_BANK_URL, settings.RAILS_BANK_API_KEY)


def _rate_feed() -> RateFeed:
    return RateFeed(_transport(RateFeed.name, settings.FX_FEED_URL, settings.FX_FEED_API_KEY))


def _transport(name: str, base_url: str, credential: str) -> Transport:
    timeouts = Timeouts(
        connect=settings.PROVIDER_CONNECT_TIMEOUT_SECONDS,
        write=settings.PROVIDER_WRITE_TIMEOUT_SECONDS,
        read=settings.PROVIDER_READ_TIMEOUT_SECONDS,
        total=settings.PROVIDER_TOTAL_TIMEOUT_SECONDS,
    )
    guard = Guard(
        calls_at_once=settings.PROVIDER_CALLS_AT_ONCE, calls_per_second=settings.PROVIDER_CALLS_PER_SECOND
    )
    return Transport(
        provider=name,
        base_url=base_url,
        credential=credential,
        timeouts=timeouts,
        guard=guard,
        connections=settings.PROVIDER_CALLS_AT_ONCE,
    )


def _builders() -> dict[str, Callable[[], Provider]]:
    """All builders: those below, and one of credit transfers for each further currency that we have an
    account in, where our bank takes files."""
    further = [
        currency for currency in settings.RECEIVING_ACCOUNTS
        if settings.RAILS_BANK_URL and currency not in _OWN_RAILS
    ]  # fmt: skip
    return {**_BUILDERS, **{credits_name(currency): partial(_credits, currency) for currency in further}}


_BUILDERS: dict[str, Callable[[], Provider]] = {
    VelocityPay.name: _velocitypay,
    Stripe.name: _stripe,
    PayPal.name: _paypal,
    Ach.name: _ach,
    Sepa.name: _sepa,
    Adyen.name: _adyen,
    WireTransfer.name: _wire,
    Check.name: _check,
}
# What must be set for a provider to be there; the others always are.
_NEEDED: dict[str, Callable[[], bool]] = {
    Ach.name: lambda: bool(settings.RAILS_BANK_URL),
    Sepa.name: lambda: bool(settings.RAILS_BANK_URL),
    WireTransfer.name: lambda: bool(settings.RECEIVING_ACCOUNTS),
    Check.name: lambda: bool(settings.RECEIVING_ACCOUNTS and settings.CHECK_ADDRESS),
    Stripe.name: lambda: bool(settings.STRIPE_API_KEY),
    PayPal.name: lambda: bool(settings.PAYPAL_CLIENT_ID and settings.PAYPAL_CLIENT_SECRET),
    Adyen.name: lambda: bool(settings.ADYEN_API_KEY),
}
_OWN_RAILS = (Ach.currency, Sepa.currency)
_built: dict[str, Provider] = {}
_feed: list[RateFeed] = []
_lock = threading.Lock()
