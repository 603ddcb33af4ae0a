"""What every provider's adapter offers the house: the protocol, its capabilities, and the requests' data.

An adapter knows no tables and opens no transaction. Each request carries the operation's idempotency key,
the same at every try; amounts are `Money`. Methods that can move money return an outcome and do not raise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from ledger.money import Money
from payments.providers.outcomes import Approved, Found, Mismatch, Outcome


class Capability(StrEnum):
    """What an adapter can do; routing asks before it calls."""

    CARD = "card"
    BANK_TRANSFER = "bank_transfer"
    AUTHORIZE = "authorize"
    SALE = "sale"  # authorize and capture in one call, concluded together
    CHALLENGE = "challenge"  # may ask the customer to act first; a void gives such a payment up
    INCREMENT = "increment"  # an authorization can be raised while nothing of it is captured
    CAPTURE = "capture"
    PARTIAL_CAPTURE = "partial_capture"
    SEVERAL_CAPTURES = "several_captures"
    VOID = "void"
    REFUND = "refund"
    PARTIAL_REFUND = "partial_refund"
    TRANSFER = "transfer"
    FIND_BY_KEY = "find_by_key"
    CALLBACKS = "callbacks"
    SETTLEMENT_REPORTS = "settlement_reports"
    BANK_STATEMENTS = "bank_statements"


@dataclass(frozen=True, slots=True)
class AuthorizeRequest:
    """Reserve an amount on the payer's method (a provider's token, never a card number).

    With `capture` (Capability.SALE) the whole amount is taken at once. `return_url` is where the customer
    goes after a challenge, `exemption` the reason for which the merchant asks for none.
    """

    idempotency_key: str
    amount: Money
    reference: str
    token: str
    capture: bool = False
    return_url: str = ""
    exemption: str = ""


def capture_key(authorization_key: str) -> str:
    """The key under which both sides know the capture that a sale made with its authorization."""
    return f"{authorization_key}:capture"


@dataclass(frozen=True, slots=True)
class IncrementRequest:
    """Raise an authorization by an amount (Capability.INCREMENT); the outcome is of that amount."""

    idempotency_key: str
    amount: Money
    reference: str
    authorization: str


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """Take all or part of an authorization, named by the provider's reference."""

    idempotency_key: str
    amount: Money
    reference: str
    authorization: str


@dataclass(frozen=True, slots=True)
class VoidRequest:
    """Give back what is not captured (`amount` names the currency); the outcome says how much that was."""

    idempotency_key: str
    amount: Money
    reference: str
    authorization: str


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Give back captured money of an authorization."""

    idempotency_key: str
    amount: Money
    reference: str
    authorization: str


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """Send money to a bank account: `destination` is {holder, iban | account, country}.

    `reference` comes back on the bank statement as the end-to-end id: at most 35 characters.
    """

    idempotency_key: str
    amount: Money
    reference: str
    destination: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ProviderNotice:
    """A verified callback: what the provider says now stands under one of our keys."""

    event_id: str
    type: str
    idempotency_key: str
    reference: str
    outcome: Outcome

    def against(self, expected: Money) -> "ProviderNotice":
        """The same notice, its outcome turned into Mismatch when it approves another amount than expected."""
        match self.outcome:
            case Approved(amount=amount) if amount != expected and not self.type.startswith("void."):
                held = Mismatch(expected.display(), amount.display(), self.reference)
                return replace(self, outcome=held)
        return self


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One operation behind a funding line; `kind` is capture or refund, `reference` the provider's."""

    kind: str
    idempotency_key: str
    reference: str
    amount: Money
    fee: Money


@dataclass(frozen=True, slots=True)
class ProviderReport:
    """What the provider says it pays us and for what: net = captured - fees - refunded."""

    id: str
    business_date: date
    captured: Money
    fees: Money
    refunded: Money
    net: Money
    lines: tuple[ReportLine, ...]


@dataclass(frozen=True, slots=True)
class StatementSummary:
    """A bank statement that can be fetched."""

    id: str
    business_date: date
    currency: str
    sequence: int
    opening: Money
    closing: Money
    line_count: int


class Provider(Protocol):
    """An adapter."""

    name: str
    capabilities: frozenset[Capability]

    def authorize(self, request: AuthorizeRequest) -> Outcome:
        """Reserve money."""

    def increment(self, request: IncrementRequest) -> Outcome:
        """Reserve more; `Rejected` where Capability.INCREMENT is missing."""

    def capture(self, request: CaptureRequest) -> Outcome:
        """Take reserved money."""

    def void(self, request: VoidRequest) -> Outcome:
        """Give reserved money back."""

    def refund(self, request: RefundRequest) -> Outcome:
        """Give captured money back."""

    def transfer(self, request: TransferRequest) -> Outcome:
        """Send money to a bank account."""

    def find(self, idempotency_key: str, expected: Money) -> Found:
        """Ask what stands under a key now. NotSent and Unknown mean: not answered, ask again."""

    def notice(self, headers: Mapping[str, str], raw_body: bytes, now: datetime) -> ProviderNotice:
        """Verify and read a callback.

        :raises BadSignature: not provably from the provider.
        """

    def settlement_report(self, report_id: str) -> ProviderReport:
        """The operations behind a funding line.

        :raises ProviderUnavailable: could not be asked. :raises ProviderRefused: no such report.
        """

    def health(self) -> bool:
        """Say whether the provider answers."""


class BankConnection(Protocol):
    """The bank that holds our accounts, where a provider offers one (Capability.BANK_STATEMENTS).

    Every method raises ProviderUnavailable when the bank could not be asked, ProviderRefused when it refuses.
    """

    def statements(self, business_date: date) -> list[StatementSummary]:
        """The statements of a day."""

    def statement(self, statement_id: str) -> bytes:
        """A statement's file: camt.053 XML."""

    def close_day(self, business_date: date) -> list[StatementSummary]:
        """Sandbox only: end the bank's day; safe to repeat."""
