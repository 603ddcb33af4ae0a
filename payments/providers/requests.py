"""What the house asks of a provider: the data of each request.

Each request carries the operation's idempotency key, the same at every try; amounts are `Money`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ledger.money import Money


@dataclass(frozen=True, slots=True)
class AuthorizeRequest:
    """Reserve an amount on the payer's method (a provider's token, never a card number).

    With `capture` (Capability.SALE) the whole amount is taken at once. `return_url` is where the customer
    goes after a challenge, `exemption` the reason for which the merchant asks for none. `method_type` says
    what the token stands for, as the payment calls it (card, ach, …).
    """

    idempotency_key: str
    amount: Money
    reference: str
    token: str
    capture: bool = False
    return_url: str = ""
    exemption: str = ""
    method_type: str = "card"


@dataclass(frozen=True, slots=True)
class FinishRequest:
    """Go on with an authorization whose payer is back from a page; `answer` is what he brought, as text."""

    idempotency_key: str
    amount: Money
    reference: str
    answer: Mapping[str, str]


def capture_key(authorization_key: str) -> str:
    """The key under which both sides know the capture that a sale made with its authorization."""
    return f"{authorization_key}:capture"


def returned_key(refund_key: str) -> str:
    """The key of a refund's money that came back, after the refund had been said to be done."""
    return f"{refund_key}:returned"


def again_key(refund_key: str) -> str:
    """The key of a refund that was done after all, after its money had come back."""
    return f"{refund_key}:again"


def asked_as(kind: str, key: str) -> tuple[str, str]:
    """The kind and key of the request from which an operation came: a sale's capture was asked for as a sale,
    a refund that was done after all as the refund."""
    asked, _, made_by = key.partition(":")
    return "authorize" if made_by == "capture" else kind, asked


def refund_key(returned_key: str) -> str:
    """The key of the refund whose money came back under a key."""
    return returned_key.removesuffix(":returned")


@dataclass(frozen=True, slots=True)
class IncrementRequest:
    """Raise an authorization by an amount (Capability.INCREMENT); the outcome is of that amount.

    `before` is what is authorized now, for providers that are told the new total.
    """

    idempotency_key: str
    amount: Money
    reference: str
    authorization: str
    before: Money | None = None


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
    """Answer a dispute with evidence; `dispute` is the provider's reference of it.

    `is_repeated`: it may have been sent before, so that the dispute may be over by it.
    """

    idempotency_key: str
    amount: Money
    reference: str
    dispute: str
    evidence: tuple[EvidenceItem, ...]
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class AcceptRequest:
    """Give in to a dispute; `is_repeated` as in a challenge."""

    idempotency_key: str
    amount: Money
    reference: str
    dispute: str
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class Sought:
    """What else is known of an operation that is looked for, for providers that keep no index of keys.

    `authorization` is the provider's reference of what it is about (a payment or a dispute), empty for an
    authorization itself; it was sent between the moments. `known` is what the provider called the operation
    itself when it said that it is pending or waits for the customer.
    """

    kind: str
    reference: str
    authorization: str
    since: datetime
    until: datetime
    known: str = ""
