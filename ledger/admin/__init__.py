"""The ledger's pages for staff; importing the modules registers them."""

from ledger.admin import alerts, books, records, transfers

__all__ = ["alerts", "books", "records", "transfers"]
