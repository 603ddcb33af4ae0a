"""What every provider's adapter offers the house: the protocol and its capabilities.

An adapter knows no tables and opens no transaction. Methods that can move money return an outcome and do
not raise.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Protocol

from ledger.money import Money
from payments.providers.notices import DisputeNotice, ProviderNotice, ProviderReport, StatementSummary
from payments.providers.outcomes import Found, Outcome
from payments.providers.requests import (
    AcceptRequest,
    AuthorizeRequest,
    CaptureRequest,
    ChallengeRequest,
    FinishRequest,
    IncrementRequest,
    RefundRequest,
    Sought,
    TransferRequest,
    VerifyRequest,
    VoidRequest,
)

# A name of our own vault's (payments.vault.tokens): no provider's token, though Stripe's may begin like it.
VAULT_TOKEN: Final = re.compile(r"tok_[a-z2-7]{32}")


class Capability(StrEnum):
    """What an adapter can do; routing asks before it calls."""

    CARD = "card"
    BANK_TRANSFER = "bank_transfer"
    ACH = "ach"
    SEPA = "sepa"
    WIRE = "wire"
    CHECK = "check"
    DIGITAL_WALLET = "digital_wallet"
    BNPL = "bnpl"
    CRYPTO = "crypto"
    BY_FILE = "by_file"  # operations wait for the next file to the bank (payments.providers.bank_files)
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


class Provider(Protocol):
    """An adapter."""

    name: str
    capabilities: frozenset[Capability]
    token_prefixes: tuple[str, ...]
    report_in_remittance: re.Pattern[str] | None
    """How its bank lines name their settlement report, as the one group; None: it has no reports."""

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


class Finisher(Protocol):
    """What an adapter does besides whose provider must be told that the payer is back from its page."""

    def finish(self, request: FinishRequest) -> Outcome:
        """Go on with the authorization; safe to repeat. `Rejected`: what the payer brought is no good."""


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
