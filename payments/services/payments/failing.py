"""What it means that a payment failed: it and every share of it that is still open, in one step."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ledger.actors import Actor
from ledger.events import Cause
from ledger.recording import record
from payments import news
from payments.models import Payment, PaymentTransaction


def fail(
    payment: Payment,
    shares: Sequence[PaymentTransaction],
    *,
    why: str,
    actor: Actor,
    at: datetime,
    cause: Cause | None = None,
    **told: Any,
) -> None:
    """Record that a locked payment failed; `shares` are all of its, locked, `told` is what its news says."""
    ending = [share for share in shares if share.is_open]
    with record(payment, *ending, actor=actor, cause=cause, at=at) as entry:
        payment.fail(why, at)
        for share in ending:
            share.fail(why, at)
            entry.announce(news.of_share(share), subject=share)
        entry.announce(news.of_payment(payment, **told))
    payment.share_rows = list(shares)
