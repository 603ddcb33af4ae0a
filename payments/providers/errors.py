"""The failures of talking to a provider, for those who read from it (reports, statements, callbacks).

Calls that can move money do not raise these: the adapter turns them into outcomes.
"""

from ledger.errors import Forbidden, Invalid, Unavailable


class ProviderUnavailable(Unavailable):
    """The provider could not be asked, or did not answer."""

    code = "provider_unavailable"
    advice = "Ask again later; nothing was changed."

    def __init__(self, reason: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"the provider is unavailable: {reason}", reason=reason)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class NotDelivered(ProviderUnavailable):
    """The request certainly did not reach the provider whole: it cannot have been carried out."""

    code = "provider_not_reached"


class Unanswered(ProviderUnavailable):
    """The request may have reached the provider, but no usable answer came back."""

    code = "provider_did_not_answer"


class ProviderRefused(Invalid):
    """The provider refuses what we ask to read."""

    code = "provider_refused"


class BadSignature(Forbidden):
    """A callback that is not provably the provider's, or not readable.

    `fault` says what was wrong, in one word: header_missing, timestamp_malformed, too_old, too_new,
    signature_wrong, unreadable, wrong_mode (a test's word at a live desk, or the reverse).
    """

    code = "bad_signature"

    def __init__(self, message: str, *, fault: str = "signature_wrong") -> None:
        super().__init__(message, fault=fault)
        self.fault = fault
