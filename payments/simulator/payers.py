"""Who pays into the sandbox bank: each face of the sandbox that holds money of ours is a payer.

The bank and every face keep a file of their own, so no transaction spans a settlement and the bank line that
shows it. Instead the statement's id is the key of both: the bank writes down which statement it is about to
make, each payer settles under that id in one transaction of its own, then the bank writes the statement. A
process that dies in between finishes the same statement at the next close, and every payer answers as before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a payer settles in one go: one line on a statement.

    `id` is how the payer's own report or payout is named, up to 35 characters, and unlike any other payer's;
    `net` is in the currency's ISO minor units, negative when the payer draws; `remittance` is the text by
    which the receiver recognises payer and report.
    """

    id: str
    net: int
    remittance: str


class Payer(Protocol):
    """A face that settles; its storage is its own."""

    payer_name: str
    """The other party of its bank lines."""

    def unsettled(self) -> Sequence[str]:
        """The currencies (ISO codes, capital letters) in which money waits to be settled."""

    def settle(self, currency: str, day: str, statement_id: str) -> Settlement | None:
        """Settle all that waits in a currency, on a bank day (ISO), for a statement, in one transaction.

        Exactly once per statement: asked again for the same `statement_id`, it gives the same settlement and
        takes nothing more in. None, and nothing settled, when the net is zero: that waits for the next.
        """
