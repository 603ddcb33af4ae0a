"""Marketplace payments as sagas, and vendors' shares by hand."""
