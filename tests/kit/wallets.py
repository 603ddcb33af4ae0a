"""People's accounts in tests: wallets with money in them, and the movements between them."""

from typing import Any
from uuid import UUID, uuid4

from ledger import clock, locks
from ledger.accounts import opening, selectors
from ledger.actors import Actor
from ledger.chart import Code, account
from ledger.ids import uuid7
from ledger.journal import EntryDraft, credit, debit
from ledger.models import Account, AmlAlert, Hold, Transfer
from ledger.money import Money
from ledger.transfers import holding, reviewing, transferring
from ledger.transfers.holding import HoldWish
from ledger.transfers.kinds import TransferType
from ledger.transfers.movements import Ends
from ledger.transfers.transferring import TransferWish
from tests.kit import books

KEY = Actor("api_key", "tests")
IRENE = Actor("staff", "7", "Irene")


class Purses:
    """A merchant's accounts, by holder; they open when first asked for."""

    def __init__(self, merchant_id: UUID | None = None, currency: str = "USD") -> None:
        self.merchant_id = merchant_id or uuid4()
        self.currency = currency
        self._opened: dict[tuple[Code, str], Account] = {}

    def open(self, holder: str = "", code: Code = Code.WALLET) -> Account:
        """Return the account, opened when it is new."""
        if (code, holder) not in self._opened:
            self._opened[code, holder] = opening.open_account(
                merchant_id=self.merchant_id, account_id=uuid7(), code=code, holder=holder,
                currency=self.currency, actor=KEY, at=clock.now(),
            )  # fmt: skip
        return self._opened[code, holder]

    def fund(self, row: Account, minor: int) -> None:
        """Pay money in; from suspense, because no bank statement tells of it."""
        money = Money(minor, self.currency)
        legs = [
            debit(account(Code.SUSPENSE, self.merchant_id, self.currency), money, "funding"),
            credit(selectors.ref_of(row), money, "funding"),
        ]
        draft = EntryDraft(
            merchant_id=self.merchant_id, kind="funding", source_type="test", source_id=uuid7(),
            step="funding", occurred_at=clock.now(), legs=legs,
        )  # fmt: skip
        with locks.phase():
            books.post([draft])

    def wallet(self, holder: str, minor: int = 0) -> Account:
        """Return a wallet with some money in it."""
        row = self.open(holder)
        if minor:
            self.fund(row, minor)
        return row

    def ends(
        self, source: Account, target: Account, minor: int, kind: TransferType, interest: int | None = None
    ) -> Ends:
        """Return what joins two accounts."""
        part = None if interest is None else Money(interest, self.currency)
        return Ends(kind, source.public_uuid, target.public_uuid, Money(minor, self.currency), part)

    def move(
        self,
        source: Account,
        target: Account,
        minor: int,
        kind: TransferType = TransferType.TRANSFER,
        *,
        interest: int | None = None,
        actor: Actor = KEY,
        **wish: Any,
    ) -> Transfer:
        """Transfer money."""
        at = wish.pop("at", None) or clock.now()
        ends = self.ends(source, target, minor, kind, interest)
        asked = TransferWish(transfer_id=wish.pop("transfer_id", None) or uuid7(), ends=ends, **wish)
        return transferring.transfer(merchant_id=self.merchant_id, wish=asked, actor=actor, at=at)

    def hold(
        self,
        source: Account,
        target: Account,
        minor: int,
        kind: TransferType = TransferType.PAYMENT,
        **wish: Any,
    ) -> Hold:
        """Set money aside."""
        at = wish.pop("at", None) or clock.now()
        ends = self.ends(source, target, minor, kind)
        asked = HoldWish(hold_id=wish.pop("hold_id", None) or uuid7(), ends=ends, **wish)
        return holding.place(merchant_id=self.merchant_id, wish=asked, actor=KEY, at=at)

    def commit(self, hold: Hold, minor: int | None = None, **more: Any) -> holding.Commit:
        """Commit a part of a hold, or the rest."""
        return holding.commit(
            merchant_id=self.merchant_id, hold_id=hold.pk, transfer_id=more.get("transfer_id") or uuid7(),
            amount_minor=minor, actor=KEY, at=more.get("at") or clock.now(),
        )  # fmt: skip

    def void(self, hold: Hold) -> Hold:
        """Let a hold go."""
        return holding.void(merchant_id=self.merchant_id, hold_id=hold.pk, actor=KEY, at=clock.now())

    def decide(self, alert: AmlAlert, *, clear: bool, actor: Actor = IRENE) -> AmlAlert:
        """Give a person's verdict on an alert."""
        act = reviewing.clear if clear else reviewing.uphold
        return act(
            merchant_id=self.merchant_id,
            alert_id=alert.pk,
            reason="looked at it",
            actor=actor,
            at=clock.now(),
        )

    def close(self, row: Account, reason: str = "left") -> Account:
        """Close an account."""
        return opening.close(
            merchant_id=self.merchant_id, account_id=row.public_uuid, reason=reason, actor=KEY, at=clock.now()
        )

    def reopen(self, row: Account) -> Account:
        """Open a closed account again."""
        return opening.reopen(
            merchant_id=self.merchant_id,
            account_id=row.public_uuid,
            reason="is back",
            actor=KEY,
            at=clock.now(),
        )

    def figures(self, row: Account) -> tuple[int, int, int | None]:
        """Return balance, held and available of an account in minor units, on the side on which it grows."""
        funds = selectors.funds(selectors.account(self.merchant_id, row.public_uuid))
        return (
            funds.balance.minor,
            funds.held.minor,
            None if funds.available is None else funds.available.minor,
        )


def of_code(purses: Purses, code: Code) -> int:
    """Return the balance of the only account with a code, on its side."""
    (row,) = selectors.accounts(purses.merchant_id, code=code, currency=purses.currency)
    return selectors.funds(row).balance.minor
