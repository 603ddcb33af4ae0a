"""What the ledger explains of its own; importing these registers them."""

from ledger.explain import accounts, acts, archives, entries, exchange, totals, transfers

__all__ = ["accounts", "acts", "archives", "entries", "exchange", "totals", "transfers"]
