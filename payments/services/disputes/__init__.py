"""Disputes: a provider's word, our answer, the money and the warnings."""
