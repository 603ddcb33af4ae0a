"""Explaining: every figure of the house led back to what caused it from outside (see walking.py)."""
