"""The numbered sentences of this floor (README: Invariants), by subject; importing one registers it."""
