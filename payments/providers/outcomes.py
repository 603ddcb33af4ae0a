"""What a provider did with one request: closed, frozen, and never a guess.

Approved, Declined and Rejected are final. Pending and RequiresAction wait for news. NotSent says that
nothing happened there; Unknown says that we do not know. Mismatch is an answer that is not about what we
asked: it is held for people. From `find`, NotSent and Unknown mean "the question was not answered, ask
again".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ledger.money import Money

# What an authorization's `details` may tell beside the method's type, brand, last4, fingerprint, country.
AUTHENTICATION: Final = "authentication"  # authenticated, attempted, exempted, failed, not_supported
LIABILITY_SHIFT: Final = "liability_shift"  # who bears a fraud dispute: issuer or merchant
EXEMPTION: Final = "exemption"  # the reason for which no challenge was needed, as it was granted
PLAN: Final = "plan"  # how the payer pays later, in the words of plans.py
INSTALMENT_COUNT: Final = "instalments"  # in how many instalments, where the provider tells it
# What a decline's `details` may tell beside brand and last4.
ADVICE_CODE: Final = "advice_code"  # Mastercard's merchant advice code: 01 to 99
AUTHORIZED_UNTIL: Final = "authorized_until"  # RFC 3339, when the provider says it


@dataclass(frozen=True, slots=True)
class Taken:
    """The capture that a sale made together with its authorization."""

    reference: str
    amount: Money
    fee: Money


@dataclass(frozen=True, slots=True)
class Approved:
    """Done: the provider's reference, the amount moved or reserved, and what it charges for it.

    `taken` says that an authorization was captured at once; its fee is there then, not here.
    """

    reference: str
    amount: Money
    fee: Money
    details: Mapping[str, str] = field(default_factory=dict)
    taken: Taken | None = None


@dataclass(frozen=True, slots=True)
class Declined:
    """A clear no of issuer, bank or provider; `code` is canonical (declines.py), hard: never retried."""

    code: str
    message: str
    reference: str | None
    is_hard: bool
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequiresAction:
    """The customer must act first, until `expires_at`: on a page of the provider's, or by paying as the
    `instructions` say (texts by name: an address, an account, a purpose to quote), or either.

    `reference` names what waits there; a void of it gives the whole up. None: the provider sets no time.
    """

    redirect_url: str
    reference: str
    expires_at: datetime | None = None
    instructions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pending:
    """Accepted, not decided; a callback or a later question will tell."""

    reference: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Refused as wrong: nothing happened, and asking the same again is useless. Ours to mend."""

    code: str
    message: str

    @property
    def is_hard(self) -> bool:
        """As of a decline: never retried."""
        return True


@dataclass(frozen=True, slots=True)
class NotSent:
    """Certainly not carried out; the same key may be sent again after the delay."""

    reason: str
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have happened or not. Only asking the provider tells."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unheard(Unknown):
    """The provider was not asked or did not say; another waits for its word, so there is nothing to note."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The answer's amount, currency or reference is not what we asked for; no money is booked on it."""

    expected: str
    got: str
    reference: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """Only from `find`: the provider has never carried out anything under this key."""


Outcome = Approved | Declined | RequiresAction | Pending | Rejected | NotSent | Unknown | Mismatch
Found = Outcome | NotFound
