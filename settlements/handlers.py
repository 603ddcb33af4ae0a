"""News that this floor hears; none yet: what is pending is read from the books when a batch is closed."""
