"""What providers tell the house by themselves: verified callbacks, disputes, reports of settlement."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from ledger.money import Money
from payments.providers.outcomes import Approved, Mismatch, Outcome


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
    provider's own date, None when it names none. `taken` is the kind of an answer (challenge, accept) that
    the provider says by it to have been given.
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
    taken: str = ""

    @property
    def idempotency_key(self) -> str:
        """No request of ours brought it about."""
        return ""

    @property
    def reference(self) -> str:
        """What messages about the same dispute have in common."""
        return self.dispute


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
    """One operation behind a funding line; `kind` is capture, refund, withdrawal, reinstatement,
    refund_returned (its key: `returned_key` of the refund's) or return_fee (a fee and no amount), `reference`
    the provider's, `authorization` that of the payment when the provider tells it.
    """

    kind: str
    idempotency_key: str
    reference: str
    amount: Money
    fee: Money
    authorization: str = ""


@dataclass(frozen=True, slots=True)
class ProviderReport:
    """What the provider says it pays us and for what: net = captured - fees - refunded - disputed.

    Refunds that came back are taken off `refunded`, and what was reinstated off `disputed`.
    """

    id: str
    business_date: date
    captured: Money
    fees: Money
    refunded: Money
    net: Money
    lines: tuple[ReportLine, ...]
    disputed: Money

    @classmethod
    def of(cls, report_id: str, day: date, lines: Iterable[ReportLine], currency: str) -> "ProviderReport":
        """Sum lines of one currency up."""
        told = tuple(lines)
        zero = Money.zero(currency)

        def total(kind: str) -> Money:
            return sum((line.amount for line in told if line.kind == kind), zero)

        captured, fees = total("capture"), sum((line.fee for line in told), zero)
        refunded = total("refund") - total("refund_returned")
        disputed = total("withdrawal") - total("reinstatement")
        net = captured - fees - refunded - disputed
        return cls(report_id, day, captured, fees, refunded, net, told, disputed)


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
