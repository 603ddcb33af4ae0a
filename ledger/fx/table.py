"""Finance's table of rates: one of the sources, for pairs and times that finance answers for.

A rate is not edited: setting one ends the rate of the same pair that holds until then. Each act is audited.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from ledger import audit
from ledger.actors import Actor
from ledger.errors import Invalid
from ledger.fx import arithmetic, periods, rates
from ledger.locks import phased
from ledger.models import FxTableRate
from ledger.models.fx import plain
from ledger.money import check_currency


class BadPeriod(Invalid):
    """A rate of the table begins now or later, and ends after it begins."""

    code = "fx_period_invalid"


@phased
def set_rate(
    *, base: str, quote: str, rate: Decimal, valid_from: datetime, reason: str, actor: Actor, at: datetime,
    valid_to: datetime | None = None,
) -> FxTableRate:  # fmt: skip
    """Let one `base` be `rate` of `quote` from an instant on, by finance's word.

    :raises SameCurrency: one currency. :raises BadCurrency: not a currency. :raises BadRate: not above zero.
    :raises BadPeriod: it begins in the past, or ends before it begins.
    """
    arithmetic.pair_of(check_currency(base), check_currency(quote))
    exact = arithmetic.read_rate(f"{rate:f}")
    if valid_from < at or (valid_to is not None and valid_to <= valid_from):
        raise BadPeriod("a rate begins now or later, and ends after it begins", param="valid_from")
    either_way = Q(base=base, quote=quote) | Q(base=quote, quote=base)
    before = FxTableRate.objects.filter(either_way, valid_from__lte=valid_from)
    before.filter(Q(valid_to=None) | Q(valid_to__gt=valid_from)).update(valid_to=valid_from)
    made = FxTableRate.objects.create(
        base=base, quote=quote, rate=exact, valid_from=valid_from, valid_to=valid_to,
        set_by=actor.label or actor.id, reason=reason, recorded_at=at,
    )  # fmt: skip
    after = {"rate": f"1 {base} = {plain(exact)} {quote}", "valid_from": valid_from.isoformat()}
    audit.record(actor=actor, action="fx_rate.set", subject=made, at=at, reason=reason, after=after)
    transaction.on_commit(rates.forget)
    return made


@phased
def end_rate(*, rate_id: UUID, reason: str, actor: Actor, at: datetime) -> FxTableRate:
    """End a rate of the table now.

    :raises AlreadyEnded: it has ended.
    """
    row = FxTableRate.objects.get(pk=rate_id)
    periods.end(row, "fx_rate", reason, actor, at)
    transaction.on_commit(rates.forget)
    return row
