"""Names of accounts' owners, where the admin's pages have always found them."""

from ledger.owners import names_of, names_owners

__all__ = ["names_of", "names_owners"]
