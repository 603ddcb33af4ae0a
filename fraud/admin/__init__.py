"""Fraud's pages for staff; importing the modules registers them."""

from fraud.admin import checks, reviews, rules

__all__ = ["checks", "reviews", "rules"]
