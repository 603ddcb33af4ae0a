"""What no rail does, whether we draw or the payer sends: raise an amount, pay out, contest, call back."""

from collections.abc import Mapping
from datetime import datetime

from payments.providers.errors import BadSignature
from payments.providers.notices import DisputeNotice, ProviderNotice
from payments.providers.outcomes import Outcome, Rejected
from payments.providers.requests import AcceptRequest, ChallengeRequest, IncrementRequest, TransferRequest


class SilentBank:
    """A bank behind a rail: it moves what it is told, and speaks by its files and statements alone."""

    def increment(self, request: IncrementRequest) -> Outcome:
        """The payer permitted, or was told, one amount."""
        return Rejected("not_supported", "An amount is not raised on this rail")

    def transfer(self, request: TransferRequest) -> Outcome:
        """Payouts go another way."""
        return Rejected("not_supported", "Payouts do not go by this rail")

    def challenge(self, request: ChallengeRequest) -> Outcome:
        """What comes back is final between the banks; the merchant turns to its customer."""
        return Rejected("not_supported", "What comes back cannot be contested here")

    def accept_dispute(self, request: AcceptRequest) -> Outcome:
        """What comes back is final from the beginning."""
        return Rejected("not_supported", "What comes back is final already")

    def notice(
        self, headers: Mapping[str, str], raw_body: bytes, now: datetime
    ) -> ProviderNotice | DisputeNotice:
        """Nobody sends callbacks.

        :raises BadSignature: always.
        """
        raise BadSignature("a bank sends no callbacks", fault="header_missing")
