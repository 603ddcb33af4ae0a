"""What the ledger explains of its own; importing these registers them."""

from ledger.explain import accounts, acts, archives, carried, entries, exchange, totals, transfers

__all__ = ["accounts", "acts", "archives", "carried", "entries", "exchange", "totals", "transfers"]
