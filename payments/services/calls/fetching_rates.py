"""Fetch the feed of exchange rates and hand it to the books; no transaction is open while it is asked."""

import logging
from datetime import datetime

from django.conf import settings

from ledger import metrics
from ledger.fx import intake
from ledger.models.fx_rates import FxSource
from payments.providers import registry
from payments.providers.errors import ProviderUnavailable

log = logging.getLogger(__name__)


def fetch(at: datetime) -> int:
    """Take in the newest rates; return how many are new. A feed that is silent becomes stale by itself.

    Rates that cannot be (of the future) are refused whole, and told of.
    """
    source = FxSource.FEED
    try:
        rates = registry.rate_feed().latest(settings.FX_FEED_BASE)
        new = intake.keep(source, rates, at)
    except (ProviderUnavailable, intake.RatesRefused) as error:
        metrics.fx_fetches.labels(source.value, error.code).inc()
        log.warning("the rate feed gave nothing", extra={"reason": error.message})
        return 0
    metrics.fx_fetches.labels(source.value, "ok").inc()
    return new
