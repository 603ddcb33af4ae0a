"""Reads of quotes and conversions, for one merchant."""

from uuid import UUID

from django.db.models import QuerySet

from ledger.models import FxConversion, FxQuote
from ledger.models.fx import FxConversionNotFound, FxQuoteNotFound


def quote(merchant_id: UUID, quote_id: UUID) -> FxQuote:
    """Return a merchant's quote.

    :raises FxQuoteNotFound: the merchant has no such quote.
    """
    found = FxQuote.objects.filter(merchant_id=merchant_id, pk=quote_id).first()
    if found is None:
        raise FxQuoteNotFound("the merchant has no such quote")
    return found


def conversions(merchant_id: UUID) -> QuerySet[FxConversion]:
    """Return a merchant's conversions with their quotes and unwinds."""
    found = FxConversion.objects.filter(merchant_id=merchant_id)
    return found.select_related("quote").prefetch_related("unwinds")


def conversion(merchant_id: UUID, conversion_id: UUID) -> FxConversion:
    """Return a merchant's conversion.

    :raises FxConversionNotFound: the merchant has no such conversion.
    """
    found = conversions(merchant_id).filter(pk=conversion_id).first()
    if found is None:
        raise FxConversionNotFound("the merchant has no such conversion")
    return found
