"""Sources of rates that say what a test wants them to, at an instant of the test's own, and money to convert.

Rates belong to nobody, and rows of tests with real commits stay; so each test lives at an instant at which
no other test has ever said anything.
"""

import itertools
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from ledger import clock, locks
from ledger.actors import SYSTEM
from ledger.chart import Code, account
from ledger.fx import arithmetic, converting, intake, quoting, rates, table
from ledger.fx.converting import ConversionWish
from ledger.fx.intake import NewRate
from ledger.fx.quoting import QuoteWish
from ledger.journal import EntryDraft, credit, debit
from ledger.models import FxConversion, FxQuote
from ledger.models.fx_rates import FxKind, FxSource
from ledger.money import Money
from tests.kit import books

# Not by the dice that property tests load: each process begins at a day of its own and goes on from there.
_days = itertools.count(random.SystemRandom().randrange(1_200_000), 400)
PER_EURO = {"USD": "1.1000", "JPY": "165.00", "KWD": "0.3375", "GBP": "0.8400"}  # the feed's within 2 %


def some_instant() -> datetime:
    """Return a noon at which nobody has said anything yet, nor for a year before and after."""
    rates.forget()
    return datetime(2200, 1, 1, 12, tzinfo=UTC) + timedelta(days=next(_days))


def say(source: FxSource, at: datetime, base: str = "EUR", **said: str) -> None:
    """Let a source state rates as of an instant."""
    stated = [NewRate(base, name, arithmetic.read_rate(text), at) for name, text in said.items()]
    assert intake.keep(source, stated, at) == len(stated)


def two_sources(at: datetime, **per_euro: str) -> None:
    """Let the central bank and the feed agree, so that there are rates."""
    stated = per_euro or PER_EURO
    say(FxSource.ECB, at - timedelta(hours=1), **stated)
    say(FxSource.FEED, at - timedelta(seconds=10), **stated)


def set_table(base: str, quote: str, rate: str, at: datetime) -> None:
    """Let finance answer for a rate from an instant on."""
    table.set_rate(
        base=base, quote=quote, rate=Decimal(rate), valid_from=at, reason="for a test", actor=SYSTEM, at=at
    )


def fund(merchant_id: UUID, amount: Money) -> None:
    """Give a merchant a balance."""
    draft = EntryDraft(
        merchant_id=merchant_id, kind="funding", source_type="test", source_id=uuid4(), step="funding",
        occurred_at=clock.now(),
        legs=[
            debit(account(Code.SUSPENSE, merchant_id, amount.currency), amount, "funding"),
            credit(account(Code.MERCHANT_BALANCE, merchant_id, amount.currency), amount, "sale"),
        ],
    )  # fmt: skip
    with locks.phase():
        books.post([draft])


def quote(merchant_id: UUID, sell: Money, buy: str, at: datetime, kind: FxKind = FxKind.PAYMENT) -> FxQuote:
    """Lock a rate."""
    wish = QuoteWish(uuid4(), sell, buy, kind)
    return quoting.quote(merchant_id=merchant_id, wish=wish, actor=SYSTEM, at=at)


def convert(given: FxQuote, at: datetime) -> FxConversion:
    """Use a quote."""
    wish = ConversionWish(uuid4(), given.pk)
    return converting.convert(merchant_id=given.merchant_id, wish=wish, actor=SYSTEM, at=at)
