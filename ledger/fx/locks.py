"""The row locks of foreign exchange, in house order: quote, then conversion, then accounts."""

from datetime import datetime
from uuid import UUID

from ledger import locks
from ledger.fx_states import FxQuoteState
from ledger.models import FxConversion, FxQuote
from ledger.models.fx import FxConversionNotFound, FxQuoteNotFound


def quote(merchant_id: UUID, quote_id: UUID) -> FxQuote:
    """Lock and return a merchant's quote.

    :raises FxQuoteNotFound: the merchant has no such quote.
    """
    return locks.lock_one(FxQuote.objects.filter(merchant_id=merchant_id, pk=quote_id), FxQuoteNotFound)


def conversion(merchant_id: UUID, conversion_id: UUID) -> FxConversion:
    """Lock and return a merchant's conversion, its quote with it (not locked).

    :raises FxConversionNotFound: the merchant has no such conversion.
    """
    found = FxConversion.objects.filter(merchant_id=merchant_id, pk=conversion_id).select_related("quote")
    return locks.lock_one(found, FxConversionNotFound)


def lapsed_quotes(at: datetime, limit: int) -> list[FxQuote]:
    """Lock and return open quotes whose time is over, at most `limit`."""
    due = FxQuote.objects.filter(state=FxQuoteState.OPEN, expires_at__lte=at).order_by("expires_at")
    keys = list(due.values_list("pk", flat=True)[:limit])
    return locks.lock(FxQuote.objects.filter(pk__in=keys, state=FxQuoteState.OPEN))
