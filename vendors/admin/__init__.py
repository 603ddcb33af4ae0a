"""The vendors floor's pages for staff; importing the modules registers them."""

from vendors.admin import access, parties

__all__ = ["access", "parties"]
