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
    DISPUTES = "disputes"
    TOKENIZE = "tokenize"
    VERIFY = "verify"


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
class VerifyRequest:
    """Ask the issuer whether a method is good, reserving nothing: `amount` is zero, it names the currency."""

    idempotency_key: str
    amount: Money
    reference: str
    token: str


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """Take all or part of an authorization, named by the provider's reference.

    `is_last`: nothing more is to be captured, so a provider that must be told may release the rest.
    """

    idempotency_key: str
    amount: Money
    reference: str
    authorization: str
    is_last: bool = False


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
class EvidenceItem:
    """One piece of evidence: a text, or a file with its name and media type."""

    kind: str
    text: str = ""
    filename: str = ""
    media_type: str = ""
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class ChallengeRequest:
    """Answer a dispute with evidence; `dispute` is the provider's reference of it."""

    idempotency_key: str
    amount: Money
    reference: str
    dispute: str
    evidence: tuple[EvidenceItem, ...]


@dataclass(frozen=True, slots=True)
class AcceptRequest:
    """Give in to a dispute."""

    idempotency_key: str
    amount: Money
    reference: str
    dispute: str


class DisputeStage(StrEnum):
    """How far a dispute has gone."""

    INQUIRY = "inquiry"
    CHARGEBACK = "chargeback"
    PRE_ARBITRATION = "pre_arbitration"


class DisputeStanding(StrEnum):
    """How a dispute stands in its stage."""

    OPEN = "open"  # an answer is needed, or was given and is looked at
    WON = "won"
    LOST = "lost"
    ACCEPTED = "accepted"
    CLOSED = "closed"  # ended without a decision


class MovementKind(StrEnum):
    """Which way money of a dispute moved, seen from us."""

    WITHDRAWAL = "withdrawal"
    REINSTATEMENT = "reinstatement"


@dataclass(frozen=True, slots=True)
class DisputeMovement:
    """Money that a provider took or gave back over a dispute, once per `reference` (the provider's own, as
    its settlement report names it). `amount` may be zero; `fee` is charged when positive, given back when
    negative.
    """

    reference: str
    kind: MovementKind
    amount: Money
    fee: Money


@dataclass(frozen=True, slots=True)
class DisputeNotice:
    """A verified callback about a dispute: all of it as it stands, so that any order of messages will do.

    `version` grows with every change at the provider; a provider without one counts milliseconds since 1970.
    `movements` are all there have been. `authorization` is the reference under which the payment was
    authorized. `category` only where the provider does not tell the scheme's `reason_code`; `due_at` is the
    provider's own date, None when it names none.
    """

    event_id: str
    type: str
    dispute: str
    authorization: str
    version: int
    stage: DisputeStage
    standing: DisputeStanding
    amount: Money
    movements: tuple[DisputeMovement, ...]
    opened_at: datetime
    scheme: str = ""
    reason_code: str = ""
    category: str = ""
    due_at: datetime | None = None

    @property
    def idempotency_key(self) -> str:
        """No request of ours brought it about."""
        return ""

    @property
    def reference(self) -> str:
        """What messages about the same dispute have in common."""
        return self.dispute


@dataclass(frozen=True, slots=True)
class Sought:
    """What else is known of an operation that is looked for, for providers that keep no index of keys.

    `authorization` is the provider's reference of what it is about (a payment or a dispute), empty for an
    authorization itself; it was sent between the moments.
    """

    kind: str
    reference: str
    authorization: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class ProviderNotice:
    """A verified callback: what the provider says now stands under one of our keys.

    `refund_of` is the reference of the payment's authorization when it is about a refund, so that a refund
    which was made at the provider, under a key that is not ours, finds its payment.
    An empty key: the message is genuine and about no operation of ours.
    """

    event_id: str
    type: str
    idempotency_key: str
    reference: str
    outcome: Outcome
    refund_of: str = ""

    def against(self, expected: Money) -> "ProviderNotice":
        """The same notice, its outcome turned into Mismatch when it approves another amount than expected."""
        match self.outcome:
            case Approved(amount=amount) if amount != expected and not self.type.startswith("void."):
                held = Mismatch(expected.display(), amount.display(), self.reference)
                return replace(self, outcome=held)
        return self


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One operation behind a funding line; `kind` is capture, refund, withdrawal or reinstatement,
    `reference` the provider's, `authorization` that of the payment when the provider tells it.
    """

    kind: str
    idempotency_key: str
    reference: str
    amount: Money
    fee: Money
    authorization: str = ""


@dataclass(frozen=True, slots=True)
class ProviderReport:
    """What the provider says it pays us and for what: net = captured - fees - refunded - disputed."""

    id: str
    business_date: date
    captured: Money
    fees: Money
    refunded: Money
    net: Money
    lines: tuple[ReportLine, ...]
    disputed: Money | None = None  # withdrawn less reinstated; None: none


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
    token_prefixes: tuple[str, ...]

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

    def challenge(self, request: ChallengeRequest) -> Outcome:
        """Answer a dispute with evidence."""

    def accept_dispute(self, request: AcceptRequest) -> Outcome:
        """Give in to a dispute."""

    def find(self, idempotency_key: str, expected: Money, sought: Sought | None = None) -> Found:
        """Ask what stands under a key now. NotSent and Unknown mean: not answered, ask again."""

    def notice(
        self, headers: Mapping[str, str], raw_body: bytes, now: datetime
    ) -> ProviderNotice | DisputeNotice:
        """Verify and read a callback.

        :raises BadSignature: not provably from the provider.
        """

    def settlement_report(self, report_id: str) -> ProviderReport:
        """The operations behind a funding line.

        :raises ProviderUnavailable: could not be asked. :raises ProviderRefused: no such report.
        """

    def health(self) -> bool:
        """Say whether the provider answers."""


class Tokenizer(Protocol):
    """What an adapter with Capability.TOKENIZE does besides: no money, safe to repeat."""

    def tokenize(self, secret: Mapping[str, str], code: str) -> str:
        """Give a card or an account to the provider for a token of its own; `code` is used and forgotten.

        :raises ProviderUnavailable: it could not be asked. :raises ProviderRefused: it takes no such method.
        """


class Verifier(Protocol):
    """What an adapter with Capability.VERIFY does besides."""

    def verify(self, request: VerifyRequest) -> Outcome:
        """Ask whether a method is good."""


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
