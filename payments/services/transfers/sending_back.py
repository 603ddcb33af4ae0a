"""Where money goes back to that a payer had sent by himself, by wire or check.

Nobody can be asked to turn such a payment round, so the merchant names an account in the refund's request. It
is read as a stored method's account is, kept in the vault for as long as it may be needed, and the credit
goes out in the next file of the rail that moves the payment's currency.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.views.decorators.debug import sensitive_variables

from ledger.actors import Actor
from ledger.errors import Conflict, Invalid
from payments.models import Payment, Refund
from payments.providers import registry
from payments.services.transfers.receiving_transfers import BY_PAYER
from payments.vault import tokens
from payments.vault.instruments import Instrument
from payments.vault.tokens import Given

FIELD: Final = "account"
ACCOUNT_DAYS: Final = 90
"""Until when an account may be needed: approved, sent, come back from its bank. Then it is past its date, and
is erased as a card past its date is (VAULT_EXPIRED_DAYS)."""


class RefundAccountMissing(Invalid):
    """The payer sent the money himself, so nobody knows an account to send it back to."""

    code = "refund_account_missing"
    advice = (
        "Name the payer's account: holder and iban (euros), routing_number and account_number (dollars), or "
        "bic and account_number."
    )


class RefundAccountNotTaken(Invalid):
    """The money goes back the way it came; an account has no part in it."""

    code = "refund_account_not_taken"
    advice = "Leave `account` out: only payments by wire and check are refunded to an account."


class NoRailForRefund(Conflict):
    """We have no account any more, or no bank that takes files, in the payment's currency."""

    code = "refund_not_possible"
    advice = "Send the money back by a transfer of your own."


@dataclass(frozen=True, slots=True)
class Way:
    """Who gives the money back, and the account that was named for it."""

    provider: str
    instrument: Instrument | None = None


@sensitive_variables()
def way_of(payment: Payment, account: Mapping[str, Any] | None, at: datetime) -> Way:
    """Return how the money of a payment goes back.

    :raises RefundAccountMissing: it was sent by its payer, and no account is named.
    :raises RefundAccountNotTaken: an account is named, and the money goes back by itself.
    :raises NoRailForRefund: nobody sends money in its currency.
    :raises BadDetail: (or a subclass) a part of the account is missing, unknown or wrong.
    """
    if payment.provider not in BY_PAYER:
        if account is not None:
            raise RefundAccountNotTaken(f"{payment.provider} gives the money back by itself", param=FIELD)
        return Way(payment.provider)
    rails = (registry.rail(name) for name in registry.rails())
    rail = next((rail for rail in rails if rail.currency == payment.currency), None)
    if rail is None:
        raise NoRailForRefund(f"no rail sends {payment.currency}", param="payment_id")
    if account is None:
        raise RefundAccountMissing("name the account to which the money goes back", param=FIELD)
    given = Given(rail.account_kind, payment.merchant_id, is_live=False, details=dict(account))
    return Way(rail.name, tokens.read(given, at, where=FIELD))


@sensitive_variables()
def keep(refund: Refund, way: Way, actor: Actor, at: datetime) -> None:
    """Keep the account of a new refund in the vault, in the caller's phase; the refund learns what stands
    for it and what may be shown of it.

    :raises KeyStoreAway: the key store cannot be used.
    """
    if way.instrument is None:
        return
    if refund.account_token:
        why = "another account is named"
        tokens.erase(refund.account_token, refund.merchant_id, actor=actor, at=at, reason=why)
    lasting = replace(way.instrument, expires_at=at + timedelta(days=ACCOUNT_DAYS))
    record = tokens.keep(lasting, merchant_id=refund.merchant_id, actor=actor, at=at)
    shown = way.instrument.shown
    refund.account_token = record.token
    kind = way.instrument.kind
    refund.account_shown = {"type": kind, "country": shown.country, "last4": shown.last4}
