"""The ledger's pages for staff; importing the modules registers them."""

from ledger.admin import books, records

__all__ = ["books", "records"]
