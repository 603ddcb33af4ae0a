"""A payment's own steps, from its creation to its end."""
