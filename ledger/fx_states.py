"""The machines of foreign exchange: a quote is used once or lapses, a conversion is booked and may
be unwound.

They lie beside the package `ledger.fx`, because the models need them and the package needs the models.
"""

from django.db.models import TextChoices

from ledger.states import NEW, Edge, Machine


class FxQuoteState(TextChoices):
    """Where a quote stands."""

    OPEN = "open", "Open"
    USED = "used", "Used"
    EXPIRED = "expired", "Expired"
    CANCELLED = "cancelled", "Cancelled"


class FxConversionState(TextChoices):
    """Where a conversion stands."""

    BOOKED = "booked", "Booked"
    PARTLY_UNWOUND = "partly_unwound", "Partly unwound"
    UNWOUND = "unwound", "Unwound"


_OPEN = {FxQuoteState.OPEN.value}
_STANDING = {FxConversionState.BOOKED.value, FxConversionState.PARTLY_UNWOUND.value}

FX_QUOTE = Machine(
    "fx_quote",
    [
        Edge("open", {NEW}, FxQuoteState.OPEN.value, "fx_quote.opened"),
        Edge("use", _OPEN, FxQuoteState.USED.value, "fx_quote.used"),
        Edge("expire", _OPEN, FxQuoteState.EXPIRED.value, "fx_quote.expired"),
        Edge("cancel", _OPEN, FxQuoteState.CANCELLED.value, "fx_quote.cancelled"),
    ],
)
FX_CONVERSION = Machine(
    "fx_conversion",
    [
        Edge("book", {NEW}, FxConversionState.BOOKED.value, "fx_conversion.booked", posts=True),
        Edge(
            "unwind_part",
            _STANDING,
            FxConversionState.PARTLY_UNWOUND.value,
            "fx_conversion.partly_unwound",
            posts=True,
        ),
        Edge("unwind", _STANDING, FxConversionState.UNWOUND.value, "fx_conversion.unwound", posts=True),
    ],
)
