"""The adapters of payers who send the money themselves: by wire, or by a check in the post.

An authorization answers with instructions: our account (or address), the amount, and a reference to quote.
The money is seen on our bank's statement, by that reference, and nowhere else: so nobody can be asked (`find`
says that it is waited for), and the reconciliation tells of the arrival. What has arrived cannot be voided.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from ledger import clock
from ledger.money import Money
from payments.providers.base import Capability
from payments.providers.errors import ProviderRefused
from payments.providers.notices import ProviderReport
from payments.providers.outcomes import Approved, Declined, Found, Outcome, Rejected, RequiresAction
from payments.providers.rails import names
from payments.providers.rails.silent import SilentBank
from payments.providers.reach import Reach
from payments.providers.requests import (
    AuthorizeRequest,
    CaptureRequest,
    RefundRequest,
    Sought,
    VoidRequest,
)

MONEY_IS_HERE: Final = "money_is_here"


class PayerSends(SilentBank):
    """What both have in common: `accounts` are ours by currency, `details` what else the payer must know."""

    name: str
    capabilities: frozenset[Capability]
    token_prefixes: tuple[str, ...]
    report_in_remittance: re.Pattern[str] | None = None

    def __init__(self, accounts: Mapping[str, str], details: Mapping[str, str], days: int) -> None:
        self._accounts = dict(accounts)
        self._details = dict(details)
        self._days = days
        self.reach = Reach(currencies=frozenset(accounts))

    def authorize(self, request: AuthorizeRequest) -> Outcome:
        """Tell the payer how to pay; whether it is then captured at once is the caller's."""
        currency = request.amount.currency
        account = self._accounts.get(currency)
        if account is None:
            return Declined("amount_invalid", f"We have no account in {currency}", None, is_hard=True)
        reference = names.payer_reference(request.idempotency_key)
        instructions = {
            **self._details,
            "account": account,
            "amount": request.amount.display(),
            "reference": reference,
        }
        until = clock.now() + timedelta(days=self._days)
        return RequiresAction("", reference, until, {key: text for key, text in instructions.items() if text})

    def capture(self, request: CaptureRequest) -> Outcome:
        """The money is here: to take it is our own act."""
        return Approved(request.idempotency_key, request.amount, Money.zero(request.amount.currency))

    def void(self, request: VoidRequest) -> Outcome:
        """Nobody waits for the money any more; what has arrived is refunded, not voided."""
        if names.has_arrived(request.authorization):
            return Rejected(MONEY_IS_HERE, "The money has arrived: capture it")
        return Approved(request.idempotency_key, request.amount, Money.zero(request.amount.currency))

    def refund(self, request: RefundRequest) -> Outcome:
        """Nobody can be asked to turn it round: it goes back by a rail, to an account that is named."""
        return Rejected("not_supported", "It goes back by a rail, to an account that is named")

    def find(self, idempotency_key: str, expected: Money, sought: Sought | None = None) -> Found:
        """Say that it is waited for."""
        return RequiresAction("", names.payer_reference(idempotency_key))

    def where_to_look(self, kind: str, key: str) -> str:
        """Where a person sees what nobody can ask: the payer quotes a reference."""
        return (
            "Nobody can be asked: the payer sends the money by himself. Look for a line of our bank's "
            f"statement that quotes {names.payer_reference(key)}, or has the amount and the payer's name."
        )

    def settlement_report(self, report_id: str) -> ProviderReport:
        """Each payment is a line of the bank's statement by itself.

        :raises ProviderRefused: always.
        """
        raise ProviderRefused("there are no reports")

    def health(self) -> bool:
        """There is nobody to be asked."""
        return True


_ABLE: Final = frozenset(
    {Capability.AUTHORIZE, Capability.SALE, Capability.CHALLENGE, Capability.CAPTURE, Capability.VOID}
)


class Wire(PayerSends):
    """A transfer that the payer makes at its own bank."""

    name = "wire"
    token_prefixes: tuple[str, ...] = ("wire",)
    capabilities = _ABLE | {Capability.WIRE}


class Check(PayerSends):
    """A check that the payer posts; it is seen when our bank books it, with the reference as its memo."""

    name = "check"
    token_prefixes: tuple[str, ...] = ("check",)
    capabilities = _ABLE | {Capability.CHECK}
